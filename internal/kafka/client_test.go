package kafka

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"goflume/conf"
)

func texts(c *Client) (all []string) {
	for _, a := range c.Advice() {
		all = append(all, a.Text)
	}
	return all
}

func TestProducerDefaultsAreSafe(t *testing.T) {
	c := ReadProducer("kafka.producer.", "all", nil)
	if c.Err() != nil || len(c.Advice()) > 0 {
		t.Fatal(c.Err(), texts(c))
	}
	p, err := c.ProducerConfig()
	if err != nil {
		t.Fatal(err)
	}
	if !p.Idempotent || p.Acks != sarama.WaitForAll || p.InFlight != 5 || p.DeliveryTimeout != 2*time.Minute || p.MaxRecord != 1<<20 {
		t.Errorf("got %+v", p)
	}
	if p.Conn.Net.ReadTimeout <= p.RequestTimeout || p.Conn.Net.MaxOpenRequests <= p.InFlight {
		t.Errorf("sockets: %v for answers, %d open; both must be above our own limits", p.Conn.Net.ReadTimeout, p.Conn.Net.MaxOpenRequests)
	}
}

func TestALevelThatTheCodecDoesNotHaveIsRefused(t *testing.T) {
	for codec, level := range map[string]string{"gzip": "-2", "zstd": "23"} {
		c := ReadProducer("kafka.producer.", "all", map[string]string{"compression.type": codec, "compression." + codec + ".level": level})
		if err := c.Err(); err == nil || !strings.Contains(err.Error(), "must be") {
			t.Errorf("%s level %s: %v, want what it must be", codec, level, err)
		}
	}
}

func TestPropertiesOfJavaAreApplied(t *testing.T) {
	c := ReadProducer("kafka.producer.", "all", map[string]string{
		"linger.ms": "20", "batch.size": "16384", "compression.type": "ZSTD", "compression.zstd.level": "7", "client.id": "me",
		"request.timeout.ms": "5000", "delivery.timeout.ms": "9000", "max.block.ms": "7000", "retries": "3", "retry.backoff.ms": "250",
		"max.request.size": "2000000", "buffer.memory": "1000", "max.in.flight.requests.per.connection": "2",
		"key.serializer": "org.apache.kafka.common.serialization.StringSerializer", "metadata.max.age.ms": "60000",
		"partitioner.class": "org.apache.kafka.clients.producer.RoundRobinPartitioner",
	})
	p, err := c.ProducerConfig()
	if err = errors.Join(err, c.Err()); err != nil {
		t.Fatal(err)
	}
	if p.Linger != 20*time.Millisecond || p.BatchBytes != 16384 || p.Codec != sarama.CompressionZSTD || p.Level != 7 ||
		p.Conn.ClientID != "me" || p.RequestTimeout != 5*time.Second || p.DeliveryTimeout != 9*time.Second || p.MaxBlock != 7*time.Second ||
		p.Retries != 3 || p.Backoff != 250*time.Millisecond || p.MaxRecord != 2_000_000 || p.Buffer != 1000 || p.InFlight != 2 ||
		p.MetadataAge != time.Minute || !p.IgnoreKeys || p.Sticky != 1 && p.Sticky != 16384 {
		t.Errorf("got %+v", p)
	}

	g := ReadConsumer("kafka.consumer.", map[string]string{
		"auto.offset.reset": "earliest", "fetch.min.bytes": "100", "fetch.max.wait.ms": "200", "max.partition.fetch.bytes": "5000",
		"session.timeout.ms": "20000", "heartbeat.interval.ms": "1000", "max.poll.interval.ms": "60000", "isolation.level": "read_committed",
		"partition.assignment.strategy": "org.apache.kafka.clients.consumer.CooperativeStickyAssignor", "group.instance.id": "one",
		"client.rack": "r1", "allow.auto.create.topics": "false", "exclude.internal.topics": "false",
	})
	gc, err := g.GroupConfig()
	if err = errors.Join(err, g.Err()); err != nil {
		t.Fatal(err)
	}
	s := gc.Conn
	if s.Consumer.Offsets.Initial != sarama.OffsetOldest || s.Consumer.Fetch.Min != 100 || s.Consumer.MaxWaitTime != 200*time.Millisecond ||
		s.Consumer.Fetch.Default != 5000 || s.Consumer.Group.Session.Timeout != 20*time.Second ||
		s.Consumer.Group.Heartbeat.Interval != time.Second || s.Consumer.Group.Rebalance.Timeout != time.Minute ||
		s.Consumer.IsolationLevel != sarama.ReadCommitted || s.Consumer.Group.InstanceId != "one" || s.RackID != "r1" ||
		s.Metadata.AllowAutoTopicCreation || !gc.Internal || s.Consumer.Offsets.AutoCommit.Enable {
		t.Errorf("got %+v", s.Consumer)
	}
	if got := s.Consumer.Group.Rebalance.GroupStrategies; len(got) != 1 || got[0].Name() != "cooperative-sticky" {
		t.Errorf("strategies %v", got)
	}
}

func TestWhatChangesTheGuaranteeIsRefused(t *testing.T) {
	for _, c := range []struct{ acks, name, value string }{
		{"all", "transactional.id", "x"},
		{"all", "interceptor.classes", "com.example.Mask"},
		{"all", "partitioner.class", "com.example.P"},
		{"all", "value.serializer", "io.confluent.kafka.serializers.KafkaAvroSerializer"},
		{"all", "ssl.engine.factory.class", "x"},
		{"all", "sasl.login.callback.handler.class", "x"},
		{"all", "compression.type", "brotli"},
		{"all", "linger.ms", "soon"},
		{"all", "batch.size", "16k"},
		{"all", "request.timeout.ms", "-1"},
		{"all", "max.in.flight.requests.per.connection", "6"},
		{"1", "enable.idempotence", "true"},
		{"2", "acks", "2"},
		{"all", "security.protocol", "TLS"},
		{"all", "enable.idempotence", "yes"},
	} {
		err := ReadProducer("kafka.producer.", c.acks, map[string]string{c.name: c.value}).Err()
		var ke *conf.KeyError
		if !errors.As(err, &ke) || ke.Key != "kafka.producer."+c.name {
			t.Errorf("%s = %s with acks %s: %v, want an error that blames it", c.name, c.value, c.acks, err)
		}
	}
	if err := ReadConsumer("c.", map[string]string{"session.timeout.ms": "1000"}).Err(); err == nil {
		t.Error("a session shorter than its heartbeats was taken")
	}
}

func TestWhatHasNoCounterpartIsWarnedOf(t *testing.T) {
	c := ReadProducer("kafka.producer.", "1", map[string]string{"send.buffer.bytes": "1", "lingerms": "5", "bootstrap.servers": "x:1",
		"max.poll.records": "5", "sasl.mechanism": "PLAIN"})
	all := strings.Join(texts(c), "\n")
	for _, want := range []string{"kafka.producer.send.buffer.bytes", `"lingerms"`, "bootstrap.servers", `"max.poll.records"`, "security.protocol"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning of %s in:\n%s", want, all)
		}
	}
	i := slices.IndexFunc(c.Advice(), func(a conf.Advice) bool { return strings.Contains(a.Text, "lingerms") })
	if help := c.Advice()[i].Help; len(help) != 1 || !strings.Contains(help[0], "linger.ms") {
		t.Errorf("help %v, want the right name", help)
	}
	if len(c.errs) > 0 {
		t.Error(c.Err())
	}
}

func TestPlainProducerKeepsOrder(t *testing.T) {
	for _, acks := range []string{"0", "1"} {
		p, err := ReadProducer("", acks, nil).ProducerConfig()
		if err != nil || p.Idempotent || p.InFlight != 1 {
			t.Errorf("acks %s: idempotent %v, %d in flight, %v; want one batch at a time", acks, p.Idempotent, p.InFlight, err)
		}
	}
	c := ReadProducer("", "all", map[string]string{"enable.idempotence": "false", "max.in.flight.requests.per.connection": "5"})
	if p, _ := c.ProducerConfig(); p.Idempotent || p.InFlight != 5 || len(c.Advice()) != 1 {
		t.Errorf("got %+v and %v, want as configured, with a warning", p, c.Advice())
	}
}

func TestSASL(t *testing.T) {
	const plain = `org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="se;cr\"et";`
	const scramModule = `org.apache.kafka.common.security.scram.ScramLoginModule required username=bob password='x y' ;`
	const krb = `com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true keyTab="/k" principal="flume/host@REALM";`
	c := ReadProducer("", "all", map[string]string{"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.jaas.config": plain})
	p, err := c.ProducerConfig()
	if err = errors.Join(err, c.Err()); err != nil {
		t.Fatal(err)
	}
	if s := p.Conn.Net.SASL; !s.Enable || s.User != "alice" || s.Password != `se;cr"et` || s.Mechanism != sarama.SASLTypePlaintext {
		t.Errorf("user %q, mechanism %q", s.User, s.Mechanism)
	}
	c = ReadProducer("", "all", map[string]string{"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-512", "sasl.jaas.config": scramModule})
	if p, err = c.ProducerConfig(); err != nil || p.Conn.Net.SASL.User != "bob" || p.Conn.Net.SASL.SCRAMClientGeneratorFunc() == nil {
		t.Errorf("SCRAM: %v", err)
	}
	c = ReadProducer("", "all", map[string]string{"security.protocol": "SASL_PLAINTEXT", "sasl.kerberos.service.name": "kafka", "sasl.jaas.config": krb})
	if p, err = c.ProducerConfig(); err != nil || p.Conn.Net.SASL.GSSAPI.Username != "flume/host" || p.Conn.Net.SASL.GSSAPI.Realm != "REALM" ||
		p.Conn.Net.SASL.GSSAPI.KeyTabPath != "/k" {
		t.Errorf("GSSAPI: %v %+v", err, p.Conn.Net.SASL.GSSAPI)
	}
	for name, v := range map[string]map[string]string{
		"no JAAS":         {"sasl.mechanism": "PLAIN"},
		"wrong module":    {"sasl.mechanism": "SCRAM-SHA-256", "sasl.jaas.config": plain},
		"no password":     {"sasl.mechanism": "PLAIN", "sasl.jaas.config": `x.PlainLoginModule required username="a";`},
		"no semicolon":    {"sasl.mechanism": "PLAIN", "sasl.jaas.config": strings.TrimSuffix(plain, ";")},
		"open quote":      {"sasl.mechanism": "PLAIN", "sasl.jaas.config": `x.PlainLoginModule required username="a`},
		"no token file":   {"sasl.mechanism": "OAUTHBEARER", "sasl.jaas.config": "x.OAuthBearerLoginModule required;"},
		"token from http": {"sasl.mechanism": "OAUTHBEARER", "sasl.jaas.config": "x.OAuthBearerLoginModule required;", "sasl.oauthbearer.token.endpoint.url": "https://x/y"},
		"no principal":    {"sasl.kerberos.service.name": "kafka", "sasl.jaas.config": "x.Krb5LoginModule required useKeyTab=true keyTab=a;"},
		"no service":      {"sasl.jaas.config": krb},
		"token":           {"sasl.mechanism": "SCRAM-SHA-256", "sasl.jaas.config": `x.ScramLoginModule required username=a password=b tokenauth=true;`},
	} {
		v["security.protocol"] = "SASL_SSL"
		err := ReadProducer("", "all", v).Err()
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "se;cr") {
			t.Errorf("%s: the error shows the password: %v", name, err)
		}
	}
}

func TestTLSStoresAreRead(t *testing.T) {
	dir := "../keystore/testdata/"
	c := ReadProducer("", "all", map[string]string{"security.protocol": "SSL", "ssl.truststore.location": dir + "trust.jks",
		"ssl.truststore.password": "changeit", "ssl.keystore.location": dir + "java17.p12", "ssl.keystore.password": "changeit",
		"ssl.enabled.protocols": "TLSv1.3", "ssl.endpoint.identification.algorithm": ""})
	p, err := c.ProducerConfig()
	if err = errors.Join(err, c.Err()); err != nil {
		t.Fatal(err)
	}
	tc := p.Conn.Net.TLS.Config
	if !p.Conn.Net.TLS.Enable || tc.RootCAs == nil || len(tc.Certificates) != 1 || len(tc.Certificates[0].Certificate) != 2 ||
		tc.MinVersion != 0x304 || tc.VerifyConnection == nil {
		t.Errorf("got %+v", tc)
	}
	for _, v := range []map[string]string{
		{"ssl.truststore.location": dir + "missing"},
		{"ssl.truststore.location": dir + "trust.jks", "ssl.truststore.password": "wrong"},
		{"ssl.keystore.location": dir + "trust.p12", "ssl.keystore.password": "changeit"},
	} {
		v["security.protocol"] = "SSL"
		if _, err := ReadProducer("", "all", v).ProducerConfig(); err == nil || !strings.Contains(err.Error(), "ssl.") {
			t.Errorf("%v: %v, want an error that names the property", v, err)
		}
	}
}

func FuzzJAAS(f *testing.F) {
	f.Add(`a.PlainLoginModule required username="alice" password="x\"y";`)
	f.Add(`m required a=b c='d' ;`)
	f.Fuzz(func(t *testing.T, s string) {
		j, err := parseJAAS(s)
		if err == nil && j.module == "" {
			t.Errorf("%q: no module and no error", s)
		}
	})
}
