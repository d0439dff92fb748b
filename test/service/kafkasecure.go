package service

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"time"
)

// The names of the listeners for clients; all but the first are there when the cluster is secure, the last with Kerberos.
const (
	plainListener    = "PLAINTEXT"
	saslListener     = "SASL"
	tlsListener      = "TLS"
	saslTLSListener  = "SASLTLS"
	mutualListener   = "MUTUAL"
	oauthListener    = "OAUTH"
	kerberosListener = "KERBEROS"
)

const protocolMap = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,SASLTLS:SASL_SSL,MUTUAL:SSL,OAUTH:SASL_PLAINTEXT,KERBEROS:SASL_PLAINTEXT"

// listenerHost is how clients name the host; a ticket is for a name.
func listenerHost(listener string) string {
	if listener == kerberosListener {
		return "localhost"
	}
	return "127.0.0.1"
}

func (k *KafkaCluster) secureProperties() map[string]string {
	all := map[string]string{
		"sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		// Tokens are not signed: whoever says that he is alice is.
		"listener.name.oauth.sasl.enabled.mechanisms":                        "OAUTHBEARER",
		"listener.name.oauth.oauthbearer.sasl.jaas.config":                   "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";",
		"listener.name.oauth.oauthbearer.sasl.server.callback.handler.class": "org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler",
		"listener.name.oauth.oauthbearer.connections.max.reauth.ms":          "4000",
		"ssl.keystore.type": "PEM", "ssl.keystore.location": k.Certs.ServerBoth,
		"ssl.truststore.type": "PEM", "ssl.truststore.location": k.Certs.CA,
		"listener.name.mutual.ssl.client.auth": "required",
	}
	const module = "org.apache.kafka.common.security."
	for _, listener := range []string{"sasl", "sasltls"} {
		prefix := "listener.name." + listener + "."
		all[prefix+"plain.sasl.jaas.config"] = module + `plain.PlainLoginModule required user_alice="alice-secret";`
		all[prefix+"scram-sha-256.sasl.jaas.config"] = module + "scram.ScramLoginModule required;"
		all[prefix+"scram-sha-512.sasl.jaas.config"] = module + "scram.ScramLoginModule required;"
	}
	return all
}

func kerberosProperties(k *KerberosServer) map[string]string {
	return map[string]string{
		"listener.name.kerberos.sasl.enabled.mechanisms":    "GSSAPI",
		"listener.name.kerberos.sasl.kerberos.service.name": "kafka",
		"listener.name.kerberos.gssapi.sasl.jaas.config": fmt.Sprintf(
			`com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true keyTab="%s" principal="kafka/localhost@%s";`, k.Keytab, k.Realm),
	}
}

// OAuthToken is a token for the OAuth listener that says that it is user's, for so long.
func OAuthToken(user string, valid time.Duration) string {
	now := time.Now()
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return part(`{"alg":"none"}`) + "." + part(fmt.Sprintf(`{"sub":%q,"iat":%d,"exp":%d}`, user, now.Unix(), now.Add(valid).Unix())) + "."
}

// addrs lists the brokers' addresses of one listener.
func (k *KafkaCluster) addrs(listener string) []string {
	var all []string
	for _, ports := range k.listeners {
		if port := ports[listener]; port > 0 {
			all = append(all, listenerHost(listener)+":"+strconv.Itoa(port))
		}
	}
	return all
}

// Addrs are the brokers' host:port without any security.
func (k *KafkaCluster) Addrs() []string { return k.addrs(plainListener) }

// SASLAddrs want a user over plain TCP.
func (k *KafkaCluster) SASLAddrs() []string { return k.addrs(saslListener) }

// TLSAddrs want TLS.
func (k *KafkaCluster) TLSAddrs() []string { return k.addrs(tlsListener) }

// SASLTLSAddrs want a user over TLS.
func (k *KafkaCluster) SASLTLSAddrs() []string { return k.addrs(saslTLSListener) }

// MutualTLSAddrs want TLS and a certificate of the client's.
func (k *KafkaCluster) MutualTLSAddrs() []string { return k.addrs(mutualListener) }

// OAuthAddrs want a token over plain TCP.
func (k *KafkaCluster) OAuthAddrs() []string { return k.addrs(oauthListener) }

// KerberosAddrs want a ticket over plain TCP.
func (k *KafkaCluster) KerberosAddrs() []string { return k.addrs(kerberosListener) }
