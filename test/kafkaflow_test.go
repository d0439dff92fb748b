package test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"goflume/test/service"
)

const flowPartitions = 6

// numberedTopic fills a topic with 0 ... n-1, number i in partition i mod 6, while faults come and go. The function
// returned waits until all are there; sent is how many are.
func numberedTopic(t *testing.T, k *service.KafkaCluster, topic string, n int) (sent *atomic.Int64, wait func()) {
	t.Helper()
	createTopic(t, k.Addrs(), topic, flowPartitions, int16(len(k.Brokers)))
	p, err := kgo.NewClient(kgo.SeedBrokers(k.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	sent = new(atomic.Int64)
	var failed atomic.Pointer[error]
	fed := make(chan struct{})
	began := time.Now()
	go func() {
		defer close(fed)
		for i := range n {
			if i%100 == 0 { // so that there is a flow while faults come and go
				time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / flowRate)))
			}
			p.Produce(t.Context(), &kgo.Record{Topic: topic, Partition: int32(i % flowPartitions), Value: strconv.AppendInt(nil, int64(i), 10)},
				func(_ *kgo.Record, err error) {
					if sent.Add(1); err != nil {
						failed.Store(&err)
					}
				})
		}
	}()
	return sent, func() {
		t.Helper()
		<-fed
		err := p.Flush(t.Context())
		if e := failed.Load(); e != nil {
			err = *e
		}
		p.Close()
		if err != nil {
			t.Fatalf("filling topic %s: %v", topic, err)
		}
	}
}

// flowVerdict is what became of numbered messages in a topic.
type flowVerdict struct{ lost, doubled, disordered int }

// judgeFlow reads the topic until each number was there or nothing more comes.
func judgeFlow(t *testing.T, k *service.KafkaCluster, topic string, n int, limit time.Duration) flowVerdict {
	t.Helper()
	seen := make([]bool, n)
	var v flowVerdict
	var last [flowPartitions]int
	left := n
	for m := range readTopic(t, k.Addrs(), topic, 3*n, limit) {
		i, err := strconv.Atoi(string(m.Value))
		if err != nil || i < 0 || i >= n {
			t.Fatalf("partition %d offset %d: %.40q was never sent", m.Partition, m.Offset, m.Value)
		}
		if int(m.Partition) != i%flowPartitions {
			t.Fatalf("%d is in partition %d", i, m.Partition)
		}
		if seen[i] {
			v.doubled++
			continue
		}
		seen[i] = true
		if i < last[m.Partition] {
			v.disordered++
		}
		last[m.Partition] = i
		if left--; left == 0 {
			break
		}
	}
	v.lost = left
	return v
}

// kafkaToKafka copies one topic to another, partition by partition.
func kafkaToKafka(bootstrap, from, to, group, channel string) string {
	conf := fmt.Sprintf(`
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = kafka
a1.sources.r1.channels = c1
a1.sources.r1.batchSize = 1000
a1.sources.r1.batchDurationMillis = 100
a1.sources.r1.setTopicHeader = false
a1.sources.r1.kafka.bootstrap.servers = %[1]s
a1.sources.r1.kafka.topics = %[2]s
a1.sources.r1.kafka.consumer.group.id = %[4]s
a1.sources.r1.kafka.consumer.auto.offset.reset = earliest
a1.sources.r1.kafka.consumer.session.timeout.ms = 6000
a1.sources.r1.kafka.consumer.heartbeat.interval.ms = 1000
a1.sources.r1.kafka.consumer.request.timeout.ms = 5000
a1.channels.c1.type = %[5]s
a1.channels.c1.capacity = 50000
a1.channels.c1.transactionCapacity = 1000
a1.sinks.k1.type = kafka
a1.sinks.k1.channel = c1
a1.sinks.k1.flumeBatchSize = 500
a1.sinks.k1.partitionIdHeader = partition
a1.sinks.k1.kafka.bootstrap.servers = %[1]s
a1.sinks.k1.kafka.topic = %[3]s
a1.sinks.k1.kafka.producer.request.timeout.ms = 5000
`, bootstrap, from, to, group, channel)
	if channel == "file" {
		conf += "a1.channels.c1.checkpointDir = ${dir}/checkpoint\na1.channels.c1.dataDirs = ${dir}/data\n"
	}
	return conf
}

// awaitSent waits until so many messages are in the source's topic.
func awaitSent(t *testing.T, sent *atomic.Int64, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := service.Await(ctx, fmt.Sprintf("%d messages", n), func(context.Context) error {
		if have := sent.Load(); have < int64(n) {
			return fmt.Errorf("there are %d", have)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// Brokers die and freeze while a topic is copied through memory: none lost, none doubled by the sink, order kept.
func TestRealKafkaCopyOutlivesItsBrokers(t *testing.T) {
	k := service.Shared(t, service.Kafka{Brokers: 3})
	const from, to = "copy-from", "copy-to"
	createTopic(t, k.Addrs(), to, flowPartitions, 3)
	sent, wait := numberedTopic(t, k, from, flowMessages)
	a := service.Start(t, service.Agent{Conf: kafkaToKafka(k.Bootstrap(), from, to, "copy", "memory")})
	ctx, cancel := context.WithTimeout(t.Context(), flowLimit)
	defer cancel()
	for i := range 3 {
		awaitSent(t, sent, (i+1)*flowMessages/5)
		k.Brokers[i].Kill()
		if err := k.Brokers[i].Restart(); err != nil {
			t.Fatal(err)
		}
		if err := k.AwaitBrokers(ctx, 3); err != nil {
			t.Fatal(err)
		}
	}
	k.Brokers[0].Freeze()
	time.Sleep(9 * time.Second) // past the broker's session, the consumer's and the requests' time-outs
	k.Brokers[0].Thaw()
	wait()
	v := judgeFlow(t, k, to, flowMessages, flowLimit)
	t.Logf("%d messages: %+v", flowMessages, v)
	if v.lost > 0 || v.disordered > 0 {
		t.Errorf("%+v, want none lost and none out of order", v)
	}
	began := time.Now()
	a.Stop(time.Minute)
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the agent took %v to stop", took)
	}
}

// A broker that freezes for good holds neither the agent's stop nor what is in its channel.
func TestRealKafkaFrozenForGoodDoesNotHoldTheAgent(t *testing.T) {
	k := service.Start(t, service.Kafka{})
	createTopic(t, k.Addrs(), "frozen-from", flowPartitions, 1)
	createTopic(t, k.Addrs(), "frozen-to", flowPartitions, 1)
	a := service.Start(t, service.Agent{Conf: kafkaToKafka(k.Bootstrap(), "frozen-from", "frozen-to", "frozen", "file"), Args: []string{"--drain-timeout", "2s"}})
	if err := a.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	k.Brokers[0].Freeze()
	defer k.Brokers[0].Thaw()
	began := time.Now()
	a.Stop(2 * time.Minute)
	if took := time.Since(began); took > 45*time.Second {
		t.Errorf("the agent took %v to stop with a frozen broker", took)
	}
}

// Three agents share a group over file channels; they are killed, stopped and started again. Order holds only for as long as
// a partition stays with one agent, so that loss alone is judged.
func TestRealKafkaGroupMembersComeAndGo(t *testing.T) {
	k := service.Shared(t, service.Kafka{Brokers: 3})
	const from, to = "group-from", "group-to"
	createTopic(t, k.Addrs(), to, flowPartitions, 3)
	sent, wait := numberedTopic(t, k, from, flowMessages)
	var agents []*service.AgentServer
	for range 3 {
		agents = append(agents, service.Start(t, service.Agent{Conf: kafkaToKafka(k.Bootstrap(), from, to, "group", "file")}))
	}
	ctx, cancel := context.WithTimeout(t.Context(), flowLimit)
	defer cancel()
	for i := range 4 {
		awaitSent(t, sent, (i+1)*flowMessages/6)
		a := agents[rand.IntN(3)]
		if i%2 == 0 {
			a.Kill()
		} else {
			a.Stop(time.Minute)
		}
		if err := a.Restart(); err != nil {
			t.Fatal(err)
		}
		if err := a.AwaitReady(ctx); err != nil {
			t.Fatal(err)
		}
	}
	wait()
	v := judgeFlow(t, k, to, flowMessages, flowLimit)
	t.Logf("%d messages: %+v", flowMessages, v)
	if v.lost > 0 {
		t.Errorf("%+v, want none lost", v)
	}
}

// A topic goes through a file channel into HDFS while the agent is killed.
func TestRealKafkaToHDFSOutlivesItsAgent(t *testing.T) {
	k := service.Shared(t, service.Kafka{Brokers: 3})
	h := service.Shared(t, service.HDFS{})
	sent, wait := numberedTopic(t, k, "hdfs-from", flowMessages)
	conf, _, _ := strings.Cut(kafkaToKafka(k.Bootstrap(), "hdfs-from", "", "hdfs", "file"), "a1.sinks.k1.")
	conf += fmt.Sprintf(`
a1.channels.c1.checkpointDir = ${dir}/checkpoint
a1.channels.c1.dataDirs = ${dir}/data
a1.sinks.k1.type = hdfs
a1.sinks.k1.channel = c1
a1.sinks.k1.hdfs.path = %s/kafka
a1.sinks.k1.hdfs.fileType = DataStream
a1.sinks.k1.hdfs.batchSize = 1000
a1.sinks.k1.hdfs.rollInterval = 0
a1.sinks.k1.hdfs.rollCount = 0
a1.sinks.k1.hdfs.rollSize = 16777216
`, h.URL())
	a := service.Start(t, service.Agent{Conf: conf})
	ctx, cancel := context.WithTimeout(t.Context(), flowLimit)
	defer cancel()
	for i := range 3 {
		awaitSent(t, sent, (i+1)*flowMessages/4)
		a.Kill()
		if err := a.Restart(); err != nil {
			t.Fatal(err)
		}
		if err := a.AwaitReady(ctx); err != nil {
			t.Fatal(err)
		}
	}
	wait()
	seen := make([]bool, flowMessages)
	left, doubled := flowMessages, 0
	err := service.Await(ctx, "all numbers in HDFS", func(ctx context.Context) error {
		client := dialHDFS(t, h)
		files, err := client.ReadDir("/kafka")
		if err != nil {
			return err
		}
		clear(seen)
		left, doubled = flowMessages, 0
		for _, f := range files {
			name := "/kafka/" + f.Name()
			if strings.HasSuffix(name, ".tmp") {
				h.RecoverLease(ctx, name) // of the killed ones; the one in use is closed by the stop below
			}
			text, err := client.ReadFile(name)
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(text)) {
				i, err := strconv.Atoi(strings.TrimSpace(line))
				switch {
				case err != nil || i < 0 || i >= flowMessages:
				case seen[i]:
					doubled++
				default:
					seen[i] = true
					left--
				}
			}
		}
		if left > 0 {
			if a.Running() {
				if err := a.AwaitEmpty(ctx, "c1"); err != nil {
					return err
				}
			}
			return fmt.Errorf("%d are missing", left)
		}
		return nil
	})
	t.Logf("%d messages: %d lost, %d doubled", flowMessages, left, doubled)
	if err != nil {
		t.Error(err)
	}
}
