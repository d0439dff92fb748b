package test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"goflume/internal/kafka"
	"goflume/internal/metric"
	"goflume/test/service"
)

const flowPartitions = 6

// numberedTopic fills a topic with 0 ... n-1, number i in partition i mod 6, while faults come and go. The function
// returned waits until all are there; sent is how many are. Who fills it is our own producer: what it lost, doubled or
// changed places of would be judged as the agent's.
func numberedTopic(t *testing.T, k *service.KafkaCluster, topic string, n int) (sent *atomic.Int64, wait func()) {
	t.Helper()
	createTopic(t, k.Addrs(), topic, flowPartitions, int16(len(k.Brokers)))
	cfg, err := kafka.ReadProducer("", "all", map[string]string{"request.timeout.ms": "5000", "buffer.memory": "268435456"}).ProducerConfig()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Brokers, cfg.Log = k.Addrs(), slog.New(slog.DiscardHandler)
	cfg.Created, cfg.Closed, cfg.Failed, cfg.Repeated = new(metric.Counter), new(metric.Counter), new(metric.Counter), new(metric.Counter)
	p := kafka.NewProducer(cfg)
	if err := p.Open(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	sent = new(atomic.Int64)
	failed := make(chan error, 1)
	fail := func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	keys := partitionKeys(t)
	fed := make(chan struct{})
	began := time.Now()
	const together = 100
	go func() {
		defer close(fed)
		var open sync.WaitGroup
		defer open.Wait()
		for i := 0; i < n; i += together {
			time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / flowRate))) // so that there is a flow while faults come and go
			to, err := p.Topic(t.Context(), topic, flowPartitions)
			if err != nil {
				fail(err)
				return
			}
			tx := p.NewTransaction(together)
			for j := i; j < min(i+together, n); j++ {
				value := tx.Bytes(12)
				value = strconv.AppendInt(value[:0], int64(j), 10)
				if err := tx.Add(kafka.Message{Topic: to, Partition: int32(j % flowPartitions), Key: keys[j%flowPartitions],
					Value: value, Time: time.Now()}); err != nil {
					fail(err)
					return
				}
			}
			open.Add(1)
			if err := p.Send(t.Context(), tx, func(err error) {
				if sent.Add(together); err != nil {
					fail(err)
				}
				open.Done()
			}); err != nil {
				open.Done()
				fail(err)
				return
			}
		}
	}()
	t.Cleanup(p.Close)
	return sent, func() {
		t.Helper()
		<-fed
		p.Close()
		select {
		case err := <-failed:
			t.Fatalf("filling topic %s: %v", topic, err)
		default:
		}
		if n := cfg.Repeated.Value(); n > 0 {
			t.Errorf("%d messages were filled in twice: brokers come and go, but know a batch again", n)
		}
	}
}

// partitionKeys are keys that choose partition 0, 1 and so on.
func partitionKeys(t *testing.T) (keys [flowPartitions][]byte) {
	t.Helper()
	p := sarama.NewMurmur2Partitioner("")
	for i, left := 0, flowPartitions; left > 0; i++ {
		key := strconv.Itoa(i)
		at, err := p.Partition(&sarama.ProducerMessage{Key: sarama.StringEncoder(key)}, flowPartitions)
		if err != nil {
			t.Fatal(err)
		}
		if keys[at] == nil {
			keys[at] = []byte(key)
			left--
		}
	}
	return keys
}

// flowVerdict is what became of numbered messages.
type flowVerdict struct{ lost, doubled, disordered int }

// judge takes in numbers in the order in which they are read.
type judge struct {
	flowVerdict
	seen []bool
	last [flowPartitions]int
}

func newJudge(n int) *judge { return &judge{flowVerdict: flowVerdict{lost: n}, seen: make([]bool, n)} }

// take notes one number; only its first occurrence counts for the order.
func (j *judge) take(i int) {
	if j.seen[i] {
		j.doubled++
		return
	}
	j.seen[i] = true
	j.lost--
	last := &j.last[i%flowPartitions]
	if i < *last {
		j.disordered++
	}
	*last = i
}

// judgeFlow reads the topic until each number was there or nothing more comes.
func judgeFlow(t *testing.T, k *service.KafkaCluster, topic string, n int, limit time.Duration) flowVerdict {
	t.Helper()
	j := newJudge(n)
	for m := range readTopic(t, k.Addrs(), topic, 3*n, limit) {
		i, err := strconv.Atoi(string(m.Value))
		if err != nil || i < 0 || i >= n {
			t.Fatalf("partition %d offset %d: %.40q was never sent", m.Partition, m.Offset, m.Value)
		}
		if int(m.Partition) != i%flowPartitions {
			t.Fatalf("%d is in partition %d", i, m.Partition)
		}
		if j.take(i); j.lost == 0 {
			break
		}
	}
	return j.flowVerdict
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
	if err := k.AwaitBrokers(ctx, 3); err != nil {
		t.Fatal(err)
	}
	wait()
	v := judgeFlow(t, k, to, flowMessages, flowLimit)
	t.Logf("%d messages: %+v", flowMessages, v)
	if v.lost > 0 || v.disordered > 0 {
		t.Errorf("%+v, want none lost and none out of order", v)
	}
	began := time.Now()
	a.Stop(time.Minute)
	if took := time.Since(began); took > 55*time.Second {
		t.Errorf("the agent took %v to stop", took)
	}
}

// A broker that freezes for good holds neither the agent's stop nor what is in its channel.
func TestRealKafkaFrozenForGoodDoesNotHoldTheAgent(t *testing.T) {
	k := service.Start(t, service.Kafka{})
	createTopic(t, k.Addrs(), "frozen-from", flowPartitions, 1)
	createTopic(t, k.Addrs(), "frozen-to", flowPartitions, 1)
	a := service.Start(t, service.Agent{Conf: kafkaToKafka(k.Bootstrap(), "frozen-from", "frozen-to", "frozen", "file"), Args: []string{"--drain-timeout", "2s"}})
	k.Brokers[0].Freeze()
	defer k.Brokers[0].Thaw()
	began := time.Now()
	a.Stop(2 * time.Minute)
	if took := time.Since(began); took > 90*time.Second {
		t.Errorf("the agent took %v to stop with a frozen broker", took)
	}
}

// Three agents share a group; they are killed, stopped and started again. With a file channel in the agents order holds only
// for as long as a partition stays with one of them, so that loss alone is judged. With Kafka as the channel the order holds
// over hand-overs too: what one agent has not committed comes to the next, from there on.
func TestRealKafkaGroupMembersComeAndGo(t *testing.T) {
	k := service.Shared(t, service.Kafka{Brokers: 3})
	for _, flow := range []struct {
		name    string
		conf    func(from, to string) string
		ordered bool
	}{
		{"range-file", func(from, to string) string {
			return kafkaToKafka(k.Bootstrap(), from, to, from, "file") + strategy("a1.sources.r1", "range")
		}, false},
		{"cooperative-file", func(from, to string) string {
			return kafkaToKafka(k.Bootstrap(), from, to, from, "file") + strategy("a1.sources.r1", "cooperative-sticky")
		}, false},
		{"range-channel", func(from, to string) string {
			return channelToKafka(k.Bootstrap(), from, to) + strategy("a1.channels.c1", "range")
		}, true},
		{"cooperative-channel", func(from, to string) string {
			return channelToKafka(k.Bootstrap(), from, to) + strategy("a1.channels.c1", "cooperative-sticky")
		}, true},
	} {
		t.Run(flow.name, func(t *testing.T) {
			if flowsTogether {
				t.Parallel()
			}
			membersComeAndGo(t, k, flow.name, flow.conf, flow.ordered)
		})
	}
}

func strategy(component, name string) string {
	return fmt.Sprintf("%s.kafka.consumer.partition.assignment.strategy = %s\n", component, name)
}

func membersComeAndGo(t *testing.T, k *service.KafkaCluster, name string, conf func(from, to string) string, ordered bool) {
	from, to := name+"-from", name+"-to"
	createTopic(t, k.Addrs(), to, flowPartitions, 3)
	sent, wait := numberedTopic(t, k, from, flowMessages)
	var agents []*service.AgentServer
	for range 3 {
		agents = append(agents, service.Start(t, service.Agent{Conf: conf(from, to)}))
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
	if v.lost > 0 || ordered && v.disordered > 0 {
		t.Errorf("%+v, want none lost, and none out of order over Kafka's channel", v)
	}
}

// channelToKafka copies one topic, which is a channel of bodies, to another. Keys choose the partitions.
func channelToKafka(bootstrap, from, to string) string {
	return fmt.Sprintf(`
a1.channels = c1
a1.sinks = k1
a1.channels.c1.type = kafka
a1.channels.c1.kafka.bootstrap.servers = %[1]s
a1.channels.c1.kafka.topic = %[2]s
a1.channels.c1.kafka.consumer.group.id = %[2]s
a1.channels.c1.parseAsFlumeEvent = false
a1.channels.c1.kafka.consumer.session.timeout.ms = 6000
a1.channels.c1.kafka.consumer.heartbeat.interval.ms = 1000
a1.channels.c1.kafka.consumer.request.timeout.ms = 5000
a1.sinks.k1.type = kafka
a1.sinks.k1.channel = c1
a1.sinks.k1.flumeBatchSize = 500
a1.sinks.k1.allowTopicOverride = false
a1.sinks.k1.kafka.bootstrap.servers = %[1]s
a1.sinks.k1.kafka.topic = %[3]s
a1.sinks.k1.kafka.producer.request.timeout.ms = 5000
`, bootstrap, from, to)
}

// A topic goes through a file channel into HDFS while the agent is killed, brokers are killed and one freezes.
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
	for i := range 6 {
		awaitSent(t, sent, (i+1)*flowMessages/8)
		if i == 5 {
			k.Brokers[1].Freeze()
			time.Sleep(9 * time.Second)
			k.Brokers[1].Thaw()
			if err := k.AwaitBrokers(ctx, 3); err != nil {
				t.Fatal(err)
			}
			break
		}
		if i%2 == 0 {
			a.Kill()
			if err := errors.Join(a.Restart(), a.AwaitReady(ctx)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		k.Brokers[i/2].Kill()
		if err := errors.Join(k.Brokers[i/2].Restart(), k.AwaitBrokers(ctx, 3)); err != nil {
			t.Fatal(err)
		}
	}
	wait()
	ctx, cancel = context.WithTimeout(t.Context(), flowLimit) // a file may be recovered when its lease is a minute old
	defer cancel()
	awaitCommitted(ctx, t, k, "hdfs", "hdfs-from")
	if err := a.AwaitEmpty(ctx, "c1"); err != nil {
		t.Fatal(err)
	}
	awaitWhole(ctx, t, a)
	a.Stop(time.Minute)
	j := newJudge(flowMessages)
	client := dialHDFS(t, h)
	for _, name := range walkFiles(t, client, "/kafka") { // their names are in the order in which they were opened
		text, err := client.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			number, whole := strings.CutSuffix(line, "\n") // a killed agent's last line may be torn
			if i, err := strconv.Atoi(number); whole && err == nil && i >= 0 && i < flowMessages {
				j.take(i)
			}
		}
	}
	t.Logf("%d messages: %+v", flowMessages, j.flowVerdict)
	if j.lost > 0 || j.disordered > 0 {
		t.Errorf("%+v, want none lost, and none out of order within a partition", j.flowVerdict)
	}
}

// awaitCommitted waits until a group has committed all of a topic.
func awaitCommitted(ctx context.Context, t *testing.T, k *service.KafkaCluster, group, topic string) {
	t.Helper()
	config := sarama.NewConfig()
	config.ClientID = "goflume-test"
	client, err := sarama.NewClient(k.Addrs(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kafkaAdmin(t, k.Addrs())
	err = service.Await(ctx, "the end of topic "+topic, func(context.Context) error {
		ids, err := client.Partitions(topic)
		if err != nil {
			return err
		}
		committed, err := admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: ids})
		if err != nil {
			return err
		}
		for _, id := range ids {
			end, err := client.GetOffset(topic, id, sarama.OffsetNewest)
			if err != nil {
				return err
			}
			if block := committed.GetBlock(topic, id); block == nil || block.Offset < end {
				return fmt.Errorf("partition %d ends at %d, committed is %+v", id, end, block)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
