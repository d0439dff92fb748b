package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// secured is a cluster that wants TLS and a user, and the client's side of it.
func secured(t *testing.T, opts ...kfake.Opt) (*kfake.Cluster, func(*sarama.Config)) {
	t.Helper()
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	pool := x509.NewCertPool()
	pool.AddCert(web.Certificate())
	c := fake(t, append(opts, kfake.TLS(&tls.Config{Certificates: web.TLS.Certificates}), kfake.EnableSASL(),
		kfake.Superuser("PLAIN", "user", "secret"))...)
	return c, func(conf *sarama.Config) {
		conf.Net.TLS.Enable, conf.Net.TLS.Config = true, &tls.Config{RootCAs: pool}
		conf.Net.SASL.Enable, conf.Net.SASL.User, conf.Net.SASL.Password = true, "user", "secret"
	}
}

// One transaction with records for several topics and partitions, on a connection with TLS and SASL.
func TestSeveralTopicsInARequest(t *testing.T) {
	topics := []string{"b", "a", "c"}
	c, secure := secured(t, kfake.SeedTopics(4, topics...))
	cfg := quick(t, c)
	secure(cfg.Conn)
	p := open(t, cfg, topics...)
	want := map[string]int{}
	for i := range 50 {
		tx := p.NewTransaction(60)
		for j := range 60 {
			name := topics[j%3]
			tp, err := p.Topic(t.Context(), name, 0)
			if err != nil {
				t.Fatal(err)
			}
			value := fmt.Sprintf("%s %d %02d", name, i, j)
			want[fmt.Sprint(name, j/3%4, value)]++
			if err := tx.Add(Message{Topic: tp, Partition: int32(j / 3 % 4), Value: []byte(value), Time: time.UnixMilli(1)}); err != nil {
				t.Fatal(err)
			}
		}
		done := make(chan error, 1)
		if err := p.Send(t.Context(), tx, func(err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	conf := sarama.NewConfig()
	secure(conf)
	got := 0
	for _, name := range topics {
		for id, ms := range readLogWith(t, conf, c.ListenAddrs(), name) {
			for _, m := range ms {
				got++
				if want[fmt.Sprint(name, id, string(m.Value))] != 1 {
					t.Fatalf("topic %s partition %d holds %q", name, id, m.Value)
				}
			}
		}
	}
	if got != len(want) {
		t.Errorf("%d records in the topics, want %d", got, len(want))
	}
}

func TestAWrongAuthorityIsToldWithTheAddress(t *testing.T) {
	c, secure := secured(t, kfake.SeedTopics(1, "t"))
	cfg := quick(t, c)
	secure(cfg.Conn)
	cfg.Conn.Net.TLS.Config.RootCAs = x509.NewCertPool()
	err := NewProducer(cfg).Open(t.Context(), "t")
	if unknown := (x509.UnknownAuthorityError{}); !errors.As(err, &unknown) {
		t.Errorf("Open: %v, want the unknown authority", err)
	}
}

// What a broker answers in an old version of the request is understood.
func TestAllVersionsOfTheRequest(t *testing.T) {
	for _, v := range []sarama.KafkaVersion{sarama.V2_1_0_0, sarama.V2_4_0_0, sarama.V4_1_0_0} {
		t.Run(v.String(), func(t *testing.T) {
			c := fake(t, kfake.SeedTopics(2, "t"))
			var got int16 = -1
			c.ControlKey(0, func(req kmsg.Request) (kmsg.Response, error, bool) {
				got = req.GetVersion()
				return nil, nil, false
			})
			cfg := quick(t, c)
			cfg.Conn.Version = v
			p := open(t, cfg, "t")
			var r results
			want := numbered("v", 0, 30)
			r.send(t, p, 0, "t", want...)
			if bad := r.wait(t); len(bad) > 0 {
				t.Fatal(bad)
			}
			checkOnce(t, readLog(t, c.ListenAddrs(), "t"), want)
			if want := produceVersion(v); got != want {
				t.Errorf("request in version %d, want %d", got, want)
			}
		})
	}
}

func TestRefusedEnvelopeSaysSo(t *testing.T) {
	d := newDialer(time.Second)
	c := &dialed{from: d}
	d.send(&letter{blank: make([]byte, 12)})
	p := make([]byte, 40)
	p[7] = newestProduce + 1
	if _, err := c.Write(p); !errors.Is(err, errEnvelope) {
		t.Errorf("Write of a version that has another body: %v, want errEnvelope", err)
	}
	d.abandon()
}
