package test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"goflume/test/ledger"
	"goflume/test/service"
)

// netcatToKafka has a file channel, so that nothing acknowledged is lost with the agent either.
func netcatToKafka(bootstrap, topic string) string {
	return fmt.Sprintf(`
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = ${port:netcat}
a1.sources.r1.channels = c1
a1.channels.c1.type = file
a1.channels.c1.checkpointDir = ${dir}/checkpoint
a1.channels.c1.dataDirs = ${dir}/data
a1.channels.c1.capacity = 500000
a1.channels.c1.transactionCapacity = 1000
a1.sinks.k1.type = org.apache.flume.sink.kafka.KafkaSink
a1.sinks.k1.channel = c1
a1.sinks.k1.kafka.bootstrap.servers = %s
a1.sinks.k1.kafka.topic = %s
a1.sinks.k1.kafka.flumeBatchSize = 500
a1.sinks.k1.kafka.producer.acks = all
`, bootstrap, topic)
}

func TestRealKilledBrokersAndAgentLoseNothing(t *testing.T) {
	k := service.Shared(t, service.Kafka{Brokers: 3})
	const topic, clients, lines = "kills", 4, 2_400_000 // more than a client can send within the limit, with its pauses
	createTopic(t, k.Addrs(), topic, 1, 3)
	a := service.Start(t, service.Agent{Conf: netcatToKafka(k.Bootstrap(), topic)})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	l := ledger.New(clients, lines, 200)
	enough := make(chan struct{})
	var feeds sync.WaitGroup
	for c := range clients {
		feeds.Go(func() {
			feed := ledger.Feed{Addr: a.Addr("netcat"), Client: c, Ahead: 200, Pause: 20 * time.Millisecond, Until: enough}
			if err := l.Feed(ctx, feed); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range 6 {
		awaitAcked(ctx, t, l, l.Acked()+10_000+rand.IntN(10_000), a.Process)
		victim := a.Process
		if i%2 == 0 {
			victim = k.Brokers[i/2]
		}
		victim.Kill()
		if err := victim.Restart(); err != nil {
			t.Fatal(err)
		}
		back := a.AwaitReady
		if victim != a.Process {
			back = func(ctx context.Context) error { return k.AwaitBrokers(ctx, 3) }
		}
		if err := back(ctx); err != nil {
			t.Fatal(err)
		}
	}
	close(enough)
	feeds.Wait()
	if err := a.AwaitEmpty(ctx, "c1"); err != nil {
		t.Fatal(err)
	}
	a.Stop(time.Minute)
	judgeTopic(t, k, topic, l)
	v := l.Verdict()
	t.Logf("%v", v)
	if v.Broken == 0 || v.Lost != 0 || v.Torn != 0 {
		t.Error("want connections broken by the kills, and no line lost or torn")
	}
}

// judgeTopic tells the ledger of every message in the topic.
func judgeTopic(t *testing.T, k *service.KafkaCluster, topic string, l *ledger.Ledger) {
	t.Helper()
	var text bytes.Buffer
	if err := k.Values(t.Context(), topic, &text); err != nil {
		t.Fatal(err)
	}
	if err := l.Arrived(&text); err != nil {
		t.Fatal(err)
	}
}
