package kafka

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
)

// security is the part of the properties that says who we are and who the broker is.
type security struct {
	protocol  string // PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL
	mechanism string
	jaas      *jaas
	tokenFile string
	service   string // of Kerberos
	ssl       map[string]string
	anyHost   bool // the broker's certificate need not be for its host
	versions  []uint16
	suites    []uint16
}

const javaTLS = "Go's own TLS is used"

func addSecurity(all map[string]property) {
	one := func(name string, set func(*Client, string) error) { all[name] = property{side: both, set: set} }
	ignore := func(why string, names ...string) {
		for _, n := range names {
			all[n] = property{side: both, ignored: why}
		}
	}
	refuse := func(why string, names ...string) {
		for _, n := range names {
			all[n] = property{side: both, refused: why}
		}
	}
	one("security.protocol", func(c *Client, v string) (err error) {
		c.security.protocol, err = oneOf(v, "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
		return err
	})
	for _, n := range []string{"truststore.location", "truststore.password", "truststore.type", "truststore.certificates",
		"keystore.location", "keystore.password", "keystore.type", "keystore.key", "keystore.certificate.chain", "key.password"} {
		one("ssl."+n, func(c *Client, v string) error {
			if c.security.ssl == nil {
				c.security.ssl = map[string]string{}
			}
			c.security.ssl[n] = v
			return nil
		})
	}
	one("ssl.endpoint.identification.algorithm", func(c *Client, v string) error {
		c.security.anyHost = c.security.anyHost || v == ""
		if v != "" && !strings.EqualFold(v, "https") {
			return fmt.Errorf("%q is neither https nor empty", v)
		}
		return nil
	})
	one("ssl.disableTLSHostnameVerification", func(c *Client, v string) error {
		c.security.anyHost = c.security.anyHost || strings.EqualFold(v, "true")
		return nil
	})
	one("ssl.enabled.protocols", tlsVersions)
	one("ssl.protocol", func(*Client, string) error { return nil }) // the enabled ones decide
	one("ssl.cipher.suites", tlsSuites)
	ignore(javaTLS, "ssl.provider", "ssl.keymanager.algorithm", "ssl.trustmanager.algorithm", "ssl.secure.random.implementation")
	refuse("it names a Java class; "+javaTLS, "ssl.engine.factory.class")

	one("sasl.mechanism", func(c *Client, v string) (err error) {
		c.security.mechanism, err = oneOf(v, "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI")
		return err
	})
	one("sasl.jaas.config", func(c *Client, v string) error {
		j, err := parseJAAS(v)
		c.security.jaas = &j
		return err
	})
	one("sasl.kerberos.service.name", func(c *Client, v string) error { c.security.service = v; return nonEmpty(v) })
	one("sasl.oauthbearer.token.endpoint.url", func(c *Client, v string) error {
		u, err := url.Parse(v)
		if err != nil || u.Scheme != "file" || u.Path == "" {
			return errors.New("only a file:/// URL of a file that holds the token is read here: have another program fetch the token into a file")
		}
		c.security.tokenFile = u.Path
		return nil
	})
	ignore("Kerberos tickets are renewed by the library itself", "sasl.kerberos.kinit.cmd", "sasl.kerberos.min.time.before.relogin",
		"sasl.kerberos.ticket.renew.jitter", "sasl.kerberos.ticket.renew.window.factor")
	ignore("the token file is read at each connection", "sasl.login.refresh.buffer.seconds", "sasl.login.refresh.min.period.seconds",
		"sasl.login.refresh.window.factor", "sasl.login.refresh.window.jitter", "sasl.login.connect.timeout.ms", "sasl.login.read.timeout.ms",
		"sasl.login.retry.backoff.ms", "sasl.login.retry.backoff.max.ms")
	refuse("it names a Java class; this agent has its own way to log in", "sasl.client.callback.handler.class",
		"sasl.login.callback.handler.class", "sasl.login.class", "sasl.oauthbearer.jwt.retriever.class")
}

func tlsVersions(c *Client, v string) error {
	known := map[string]uint16{"tlsv1": tls.VersionTLS10, "tlsv1.1": tls.VersionTLS11, "tlsv1.2": tls.VersionTLS12, "tlsv1.3": tls.VersionTLS13}
	for name := range strings.SplitSeq(v, ",") {
		id, ok := known[strings.ToLower(strings.TrimSpace(name))]
		if !ok {
			return fmt.Errorf("%q is none of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3", name)
		}
		c.security.versions = append(c.security.versions, id)
	}
	return nil
}

func tlsSuites(c *Client, v string) error {
	for name := range strings.SplitSeq(v, ",") {
		name = strings.TrimSpace(name)
		found := false
		for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if s.Name == name || strings.Replace(s.Name, "TLS_", "SSL_", 1) == name {
				c.security.suites = append(c.security.suites, s.ID)
				found = true
			}
		}
		if !found {
			c.advise("ssl.cipher.suites", "names %s, which Go does not have: left out", name)
		}
	}
	if len(c.security.suites) == 0 {
		return errors.New("names no cipher suite that Go has")
	}
	return nil
}

// finish checks what depends on several properties.
func (s *security) finish(c *Client) {
	secure := strings.HasPrefix(s.protocol, "SASL_")
	if !secure {
		if s.jaas != nil || s.mechanism != "" {
			c.advise("security.protocol", "is %s: what is set for SASL has no effect", orPlain(s.protocol))
		}
		if len(s.ssl) > 0 && s.protocol != "SSL" {
			c.advise("security.protocol", "is %s: what is set for TLS has no effect", orPlain(s.protocol))
		}
		return
	}
	if s.mechanism == "" {
		s.mechanism = "GSSAPI" // Java's default
	}
	want := map[string]string{"PLAIN": "PlainLoginModule", "SCRAM-SHA-256": "ScramLoginModule", "SCRAM-SHA-512": "ScramLoginModule",
		"OAUTHBEARER": "OAuthBearerLoginModule", "GSSAPI": "Krb5LoginModule"}[s.mechanism]
	if s.jaas == nil {
		c.fail("sasl.jaas.config", "is needed for %s: a JAAS file of Java's is not read", s.mechanism)
		return
	}
	if s.jaas.module != want {
		c.fail("sasl.jaas.config", "names %s, but %s logs in with %s", s.jaas.module, s.mechanism, want)
		return
	}
	o := s.jaas.options
	switch s.mechanism {
	case "OAUTHBEARER":
		if s.tokenFile == "" {
			c.fail("sasl.oauthbearer.token.endpoint.url", "is needed: file:///path of a file that holds the token")
		}
	case "GSSAPI":
		switch {
		case s.service == "" && o["serviceName"] == "":
			c.fail("sasl.kerberos.service.name", "is needed for GSSAPI; for most brokers it is kafka")
		case !strings.Contains(o["principal"], "@"):
			c.fail("sasl.jaas.config", "needs principal=\"name@REALM\"")
		case o["useKeyTab"] != "true" && o["useTicketCache"] != "true":
			c.fail("sasl.jaas.config", "needs useKeyTab=true with keyTab, or useTicketCache=true")
		case o["useKeyTab"] == "true" && o["keyTab"] == "":
			c.fail("sasl.jaas.config", "needs keyTab=\"/path\" beside useKeyTab=true")
		}
	default:
		if o["username"] == "" || o["password"] == "" {
			c.fail("sasl.jaas.config", "needs username and password")
		}
		if strings.EqualFold(o["tokenauth"], "true") {
			c.fail("sasl.jaas.config", "asks for a delegation token (tokenauth), which is not supported")
		}
	}
}

func orPlain(protocol string) string {
	if protocol == "" {
		return "PLAINTEXT"
	}
	return protocol
}

// apply sets up TLS and SASL; it reads the stores.
func (s *security) apply(to *sarama.Config) error {
	if s.protocol == "SSL" || s.protocol == "SASL_SSL" {
		conf, err := s.tls()
		if err != nil {
			return err
		}
		to.Net.TLS.Enable, to.Net.TLS.Config = true, conf
	}
	if !strings.HasPrefix(s.protocol, "SASL_") {
		return nil
	}
	sasl, o := &to.Net.SASL, s.jaas.options
	sasl.Enable, sasl.Mechanism = true, sarama.SASLMechanism(s.mechanism)
	switch s.mechanism {
	case "SCRAM-SHA-256", "SCRAM-SHA-512":
		hash := scram.SHA256
		if s.mechanism == "SCRAM-SHA-512" {
			hash = scram.SHA512
		}
		sasl.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramClient{hash: hash} }
		fallthrough
	case "PLAIN":
		sasl.User, sasl.Password = o["username"], o["password"]
	case "OAUTHBEARER":
		sasl.TokenProvider = tokenFile(s.tokenFile)
	case "GSSAPI":
		s.kerberos(&sasl.GSSAPI)
	}
	return nil
}

func (s *security) kerberos(g *sarama.GSSAPIConfig) {
	o := s.jaas.options
	g.ServiceName = s.service
	if g.ServiceName == "" {
		g.ServiceName = o["serviceName"]
	}
	g.Username, g.Realm, _ = strings.Cut(o["principal"], "@")
	g.DisablePAFXFAST = true // some centres refuse it, none needs it
	g.KerberosConfigPath = "/etc/krb5.conf"
	if path := os.Getenv("KRB5_CONFIG"); path != "" {
		g.KerberosConfigPath = path
	}
	if o["useKeyTab"] == "true" {
		g.AuthType, g.KeyTabPath = sarama.KRB5_KEYTAB_AUTH, o["keyTab"]
		return
	}
	g.AuthType = sarama.KRB5_CCACHE_AUTH
	if g.CCachePath = o["ticketCache"]; g.CCachePath == "" {
		g.CCachePath = strings.TrimPrefix(os.Getenv("KRB5CCNAME"), "FILE:")
	}
	if g.CCachePath == "" {
		g.CCachePath = fmt.Sprintf("/tmp/krb5cc_%d", os.Getuid())
	}
}

// scramClient is Sarama's view of a SCRAM conversation (RFC 5802).
type scramClient struct {
	hash scram.HashGeneratorFcn
	*scram.ClientConversation
}

func (s *scramClient) Begin(user, password, authzID string) error {
	c, err := s.hash.NewClient(user, password, authzID)
	if err == nil {
		s.ClientConversation = c.NewConversation()
	}
	return err
}

// tokenFile holds an OAuth bearer token, read anew for each connection.
type tokenFile string

func (f tokenFile) Token() (*sarama.AccessToken, error) {
	b, err := os.ReadFile(string(f))
	if err != nil {
		return nil, err
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return nil, fmt.Errorf("token file %s is empty", string(f))
	}
	return &sarama.AccessToken{Token: token}, nil
}
