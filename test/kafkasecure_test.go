package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"goflume/test/service"
)

const kafkaModule = "org.apache.kafka.common.security."

// securedFlow is an agent that writes lines to a topic and reads them back into files, with the client properties given.
func securedFlow(t *testing.T, addrs []string, topic, properties string, env ...string) *service.AgentServer {
	t.Helper()
	under := func(prefix string) string {
		var b strings.Builder
		for line := range strings.Lines(properties) {
			b.WriteString(prefix + strings.TrimSpace(line) + "\n")
		}
		return b.String()
	}
	return service.Start(t, service.Agent{Env: env, Conf: fmt.Sprintf(`
a1.sources = net kaf
a1.channels = c1 c2
a1.sinks = files toKafka
a1.sources.net.type = netcat
a1.sources.net.bind = 127.0.0.1
a1.sources.net.port = ${port:netcat}
a1.sources.net.channels = c1
a1.channels.c1.type = memory
a1.channels.c2.type = memory
a1.sinks.toKafka.type = kafka
a1.sinks.toKafka.channel = c1
a1.sinks.toKafka.kafka.bootstrap.servers = %[1]s
a1.sinks.toKafka.kafka.topic = %[2]s
a1.sources.kaf.type = kafka
a1.sources.kaf.channels = c2
a1.sources.kaf.batchSize = 100
a1.sources.kaf.kafka.bootstrap.servers = %[1]s
a1.sources.kaf.kafka.topics = %[2]s
a1.sources.kaf.kafka.consumer.group.id = %[2]s
a1.sources.kaf.kafka.consumer.auto.offset.reset = earliest
a1.sinks.files.type = file_roll
a1.sinks.files.channel = c2
a1.sinks.files.sink.directory = ${dir}/out
`, strings.Join(addrs, ","), topic) + under("a1.sinks.toKafka.kafka.producer.") + under("a1.sources.kaf.kafka.consumer.")})
}

// makeStore runs one of the tools that make key stores, and returns the store's name.
func makeStore(t *testing.T, name string, argv ...string) string {
	t.Helper()
	store := filepath.Join(t.TempDir(), name)
	for i := range argv {
		argv[i] = strings.ReplaceAll(argv[i], "STORE", store)
	}
	if _, err := exec.LookPath(argv[0]); err != nil {
		service.Lacks(t, err)
	}
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v %s", argv[0], err, out)
	}
	return store
}

func TestRealKafkaSecuredListeners(t *testing.T) {
	k := service.Shared(t, service.Kafka{Secure: true})
	ca := "ssl.truststore.type = PEM\nssl.truststore.location = " + k.Certs.CA
	both := filepath.Join(t.TempDir(), "client.pem")
	var pem []byte
	for _, f := range []string{k.Certs.ClientKey, k.Certs.ClientCert} {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		pem = append(append(pem, b...), '\n')
	}
	if err := os.WriteFile(both, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	trust := func(t *testing.T, kind string) string {
		return makeStore(t, "trust", "keytool", "-importcert", "-noprompt", "-file", k.Certs.CA, "-alias", "ca", "-keystore", "STORE",
			"-storetype", kind, "-storepass", "changeit") + "\nssl.truststore.password = changeit"
	}
	scram := func(bits string) string {
		return "sasl.mechanism = SCRAM-SHA-" + bits + "\nsasl.jaas.config = " + kafkaModule + `scram.ScramLoginModule required username="bob" password="bob-secret";`
	}
	for name, c := range map[string]struct {
		addrs      []string
		properties func(t *testing.T) string
	}{
		"PLAIN": {k.SASLAddrs(), func(*testing.T) string {
			return "security.protocol = SASL_PLAINTEXT\nsasl.mechanism = PLAIN\nsasl.jaas.config = " + kafkaModule +
				`plain.PlainLoginModule required username="alice" password="alice-secret";`
		}},
		"SCRAM-SHA-256": {k.SASLAddrs(), func(*testing.T) string { return "security.protocol = SASL_PLAINTEXT\n" + scram("256") }},
		"TLS with PEM":  {k.TLSAddrs(), func(*testing.T) string { return "security.protocol = SSL\n" + ca }},
		"TLS with JKS": {k.TLSAddrs(), func(t *testing.T) string {
			return "security.protocol = SSL\nssl.truststore.type = JKS\nssl.truststore.location = " + trust(t, "JKS")
		}},
		"TLS with PKCS12": {k.TLSAddrs(), func(t *testing.T) string {
			return "security.protocol = SSL\nssl.truststore.type = PKCS12\nssl.truststore.location = " + trust(t, "PKCS12")
		}},
		"SCRAM-SHA-512 on TLS": {k.SASLTLSAddrs(), func(*testing.T) string { return "security.protocol = SASL_SSL\n" + ca + "\n" + scram("512") }},
		"mutual TLS": {k.MutualTLSAddrs(), func(*testing.T) string {
			return "security.protocol = SSL\n" + ca + "\nssl.keystore.type = PEM\nssl.keystore.location = " + both
		}},
		"mutual TLS with PKCS12": {k.MutualTLSAddrs(), func(t *testing.T) string {
			return "security.protocol = SSL\n" + ca + "\nssl.keystore.type = PKCS12\nssl.keystore.password = changeit\nssl.keystore.location = " +
				makeStore(t, "key.p12", "openssl", "pkcs12", "-export", "-inkey", k.Certs.ClientKey, "-in", k.Certs.ClientCert, "-out", "STORE",
					"-passout", "pass:changeit")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			topic := "secured-" + strings.ReplaceAll(strings.ToLower(name), " ", "-")
			a := securedFlow(t, c.addrs, topic, c.properties(t))
			sendLines(t, a.Addr("netcat"), "over "+strconv.Itoa(len(name))+"\n")
			if got := linesBelow(t, filepath.Join(a.Dir, "out"), 1); got[0] != "over "+strconv.Itoa(len(name)) {
				t.Errorf("files hold %v", got)
			}
		})
	}
}

func TestRealKafkaWithKerberos(t *testing.T) {
	k := service.Start(t, service.Kafka{Kerberos: true})
	a := securedFlow(t, k.KerberosAddrs(), "kerberos", fmt.Sprintf(`security.protocol = SASL_PLAINTEXT
sasl.mechanism = GSSAPI
sasl.kerberos.service.name = kafka
sasl.jaas.config = com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true keyTab="%s" principal="flume@%s";`,
		k.Kerberos.Keytab, k.Kerberos.Realm), "KRB5_CONFIG="+k.Kerberos.Krb5Conf)
	sendLines(t, a.Addr("netcat"), "with a ticket\n")
	if got := linesBelow(t, filepath.Join(a.Dir, "out"), 1); got[0] != "with a ticket" {
		t.Errorf("files hold %v", got)
	}
}

// The broker wants a new token every 4 s, on the connections that are open. Another program renews the file, is late once, and
// then goes on: no connection is made anew while it is in time, and nothing is lost when it is not.
func TestRealKafkaTokenIsRenewed(t *testing.T) {
	k := service.Shared(t, service.Kafka{Secure: true})
	file := filepath.Join(t.TempDir(), "token")
	const short, long = 6 * time.Second, 10 * time.Minute // the long ones leave a slow machine its time
	renew := func(valid time.Duration) {
		t.Helper()
		if err := os.WriteFile(file+".new", []byte(service.OAuthToken("alice", valid)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	renew(long)
	a := securedFlow(t, k.OAuthAddrs(), "token", "security.protocol = SASL_PLAINTEXT\nsasl.mechanism = OAUTHBEARER\nsasl.oauthbearer.token.endpoint.url = file://"+file+
		"\nsasl.jaas.config = "+kafkaModule+"oauthbearer.OAuthBearerLoginModule required;")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var want []string
	line := func() {
		want = append(want, fmt.Sprintf("line %02d", len(want)))
		sendLines(t, a.Addr("netcat"), want[len(want)-1]+"\n")
	}
	for range 24 { // 12 s: three times as long as a token is believed
		line()
		renew(short)
		time.Sleep(500 * time.Millisecond)
	}
	renew(long)
	distinctBelow(t, filepath.Join(a.Dir, "out"), len(want))
	made, err := a.FlumeMetric(ctx, "SINK.toKafka", "ConnectionCreatedCount")
	if err != nil || made != "1" && made != "2" { // a machine that stops for a moment may be late once; a token ends three times
		t.Errorf("the sink made %s connections (%v), want one that is authenticated again and again", made, err)
	}
	renew(short)
	for range 20 { // the token expires and nobody renews it
		line()
		time.Sleep(500 * time.Millisecond)
	}
	renew(long)
	if got := distinctBelow(t, filepath.Join(a.Dir, "out"), len(want)); !slices.Equal(got, want) {
		t.Errorf("files hold %d lines, want all %d", len(got), len(want))
	}
}
