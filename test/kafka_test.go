package test

import (
	"context"
	"crypto/tls"
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"goflume/test/service"
)

// roundTrip produces one message and reads it back.
func roundTrip(t *testing.T, addrs []string, config *sarama.Config, topic, value string) {
	t.Helper()
	config.ClientID = "goflume-test"
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Retry.Max = 20
	config.Metadata.Retry.Max = 100 // of 250 ms: the topic is being made
	client, err := sarama.NewClient(addrs, config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	partition, offset, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(value)})
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	messages, err := consumer.ConsumePartition(topic, partition, offset)
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Close()
	select {
	case m := <-messages.Messages():
		if string(m.Value) != value {
			t.Errorf("read %q, want %q", m.Value, value)
		}
	case <-time.After(2 * time.Minute):
		t.Error("the message was not read within two minutes")
	}
}

func TestRealKafkaProducesAndConsumes(t *testing.T) {
	k := service.Shared(t, service.Kafka{})
	roundTrip(t, k.Addrs(), sarama.NewConfig(), "smoke", "hello")
}

func TestRealKafkaListeners(t *testing.T) {
	k := service.Shared(t, service.Kafka{Secure: true})
	tlsConfig := func(identity bool) *tls.Config {
		c, err := k.Certs.ClientTLS(identity)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	plain := func(c *sarama.Config) {
		c.Net.SASL.Enable, c.Net.SASL.User, c.Net.SASL.Password = true, "alice", "alice-secret"
	}
	for name, test := range map[string]struct {
		addrs  []string
		change func(*sarama.Config)
	}{
		"plaintext": {k.Addrs(), func(*sarama.Config) {}},
		"SASL":      {k.SASLAddrs(), plain},
		"TLS":       {k.TLSAddrs(), func(c *sarama.Config) { c.Net.TLS.Enable, c.Net.TLS.Config = true, tlsConfig(false) }},
		"SASL over TLS": {k.SASLTLSAddrs(), func(c *sarama.Config) {
			plain(c)
			c.Net.TLS.Enable, c.Net.TLS.Config = true, tlsConfig(false)
		}},
		"mutual TLS": {k.MutualTLSAddrs(), func(c *sarama.Config) { c.Net.TLS.Enable, c.Net.TLS.Config = true, tlsConfig(true) }},
	} {
		t.Run(name, func(t *testing.T) {
			config := sarama.NewConfig()
			test.change(config)
			roundTrip(t, test.addrs, config, "secure", name)
		})
	}
	t.Run("wrong password", func(t *testing.T) {
		config := sarama.NewConfig()
		plain(config)
		config.Net.SASL.Password = "wrong"
		if client, err := sarama.NewClient(k.SASLAddrs(), config); err == nil {
			client.Close()
			t.Error("a wrong password was let in")
		}
	})
}

func TestRealKafkaLosesABrokerAndGetsItBack(t *testing.T) {
	k := service.Shared(t, service.Kafka{Brokers: 3})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	for i, step := range []struct {
		do   func() error
		left int
	}{
		{func() error { return nil }, 3},
		{func() error { k.Brokers[1].Kill(); return nil }, 2},
		{func() error { return k.Brokers[1].Restart() }, 3},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if err := k.AwaitBrokers(ctx, step.left); err != nil {
			t.Fatal(err)
		}
		roundTrip(t, k.Addrs(), sarama.NewConfig(), "survivor", fmt.Sprint("step ", i))
	}
}
