package test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"goflume/test/service"
)

// kafkaAdmin is a client of the cluster for set-up.
func kafkaAdmin(t *testing.T, addrs []string) sarama.ClusterAdmin {
	t.Helper()
	config := sarama.NewConfig()
	config.ClientID = "goflume-test"
	config.Admin.Timeout = 20 * time.Second // for what a busy broker takes longer to do
	admin, err := sarama.NewClusterAdmin(addrs, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	return admin
}

func createTopic(t *testing.T, addrs []string, name string, partitions int32, replicas int16) {
	t.Helper()
	if err := kafkaAdmin(t, addrs).CreateTopic(name, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: replicas}, false); err != nil {
		t.Fatal(err)
	}
}

// javaTool runs one of Kafka's tools and returns its standard output.
func javaTool(t *testing.T, stdin, class string, args ...string) string {
	t.Helper()
	argv, err := service.KafkaTool(class, args...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", class, err, errs.String())
	}
	return out.String()
}

// sendLines sends lines to a netcat source and reads as many answers.
func sendLines(t *testing.T, addr, lines string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	go conn.Write([]byte(lines))
	want := strings.Repeat("OK\n", strings.Count(lines, "\n"))
	got := make([]byte, 0, len(want))
	buf := make([]byte, 64<<10)
	for len(got) < len(want) {
		n, err := conn.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			t.Fatalf("after %d answers: %v", len(got)/3, err)
		}
	}
	if string(got) != want {
		t.Fatalf("answers %.60q", got)
	}
}

// linesBelow returns the whole lines of all files in a directory once there are n of them, sorted.
func linesBelow(t *testing.T, dir string, n int) []string {
	t.Helper()
	return awaitLines(t, dir, n, func(all []string) []string { return all })
}

// distinctBelow does the same with lines that may be there more than once.
func distinctBelow(t *testing.T, dir string, n int) []string {
	t.Helper()
	return awaitLines(t, dir, n, slices.Compact[[]string])
}

// awaitLines returns of the sorted lines of all files what count leaves of them, once there are n.
func awaitLines(t *testing.T, dir string, n int, count func(all []string) []string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var all []string
	err := service.Await(ctx, fmt.Sprintf("%d lines in %s", n, dir), func(context.Context) error {
		files, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		all = all[:0]
		for _, f := range files {
			b, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(b)) {
				if line, whole := strings.CutSuffix(line, "\n"); whole && line != "" {
					all = append(all, line)
				}
			}
		}
		slices.Sort(all)
		if all = count(all); len(all) < n {
			return fmt.Errorf("there are %d", len(all))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The course: text into netcat, over Kafka into files, by the two configurations of examples/.
func TestRealKafkaExamples(t *testing.T) {
	k := service.Shared(t, service.Kafka{})
	in := startExample(t, "netcat-kafka.conf", "a1", places{kafka: k})
	out := startExample(t, "kafka-files.conf", "a1", places{kafka: k})
	var want []string
	for i := range 500 {
		want = append(want, fmt.Sprintf("line %03d", i))
	}
	sendLines(t, in.Addr("netcat"), strings.Join(want, "\n")+"\n")
	if got := linesBelow(t, filepath.Join(out.Dir, "out"), len(want)); !slices.Equal(got, want) {
		t.Errorf("%d lines in the files, want the %d sent", len(got), len(want))
	}
}

// Two agents with a Kafka channel between them: one has only sources, the other only sinks.
func TestRealKafkaChannelExample(t *testing.T) {
	k := service.Shared(t, service.Kafka{})
	front := startExample(t, "kafka-channel.conf", "front", places{kafka: k})
	back := startExample(t, "kafka-channel.conf", "back", places{kafka: k})
	sendLines(t, front.Addr("netcat"), "one\ntwo\nthree\n")
	if got := linesBelow(t, filepath.Join(back.Dir, "out"), 3); !slices.Equal(got, []string{"one", "three", "two"}) {
		t.Errorf("files hold %v", got)
	}
	back.Kill() // what it had not committed comes to the next one; what it had must not be lost
	sendLines(t, front.Addr("netcat"), "four\nfive\n")
	if err := back.Restart(); err != nil {
		t.Fatal(err)
	}
	if got := distinctBelow(t, filepath.Join(back.Dir, "out"), 5); !slices.Equal(got, []string{"five", "four", "one", "three", "two"}) {
		t.Errorf("files hold %v", got)
	}
}

// Java's console tools are the other side of source and sink.
func TestRealKafkaConsoleTools(t *testing.T) {
	k := service.Shared(t, service.Kafka{})
	createTopic(t, k.Addrs(), "java-out", 3, 1)
	createTopic(t, k.Addrs(), "java-in", 3, 1)
	a := service.Start(t, service.Agent{Conf: fmt.Sprintf(`
a1.sources = net kaf
a1.channels = c1 c2
a1.sinks = files toKafka
a1.sources.net.type = netcat
a1.sources.net.bind = 127.0.0.1
a1.sources.net.port = ${port:netcat}
a1.sources.net.channels = c1
a1.channels.c1.type = memory
a1.sinks.toKafka.type = org.apache.flume.sink.kafka.KafkaSink
a1.sinks.toKafka.channel = c1
a1.sinks.toKafka.kafka.bootstrap.servers = %[1]s
a1.sinks.toKafka.kafka.topic = java-in
a1.sinks.toKafka.kafka.producer.compression.type = lz4
a1.sources.kaf.type = org.apache.flume.source.kafka.KafkaSource
a1.sources.kaf.channels = c2
a1.sources.kaf.kafka.bootstrap.servers = %[1]s
a1.sources.kaf.kafka.topics = java-out
a1.sources.kaf.kafka.consumer.group.id = console
a1.sources.kaf.kafka.consumer.auto.offset.reset = earliest
a1.channels.c2.type = memory
a1.channels.c2.capacity = 10000
a1.channels.c2.transactionCapacity = 1000
a1.sinks.files.type = file_roll
a1.sinks.files.channel = c2
a1.sinks.files.sink.directory = ${dir}/out
a1.sinks.files.sink.rollInterval = 0
`, k.Bootstrap())})
	var want []string
	for i := range 2000 {
		want = append(want, fmt.Sprintf("from java %04d", i))
	}
	javaTool(t, strings.Join(want, "\n")+"\n", "org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", k.Bootstrap(),
		"--topic", "java-out", "--command-property", "compression.type=zstd")
	if got := linesBelow(t, filepath.Join(a.Dir, "out"), len(want)); !slices.Equal(got, want) {
		t.Errorf("%d lines in our files, want Java's %d", len(got), len(want))
	}

	want = want[:0]
	for i := range 300 {
		want = append(want, fmt.Sprintf("from us %04d", i))
	}
	sendLines(t, a.Addr("netcat"), strings.Join(want, "\n")+"\n")
	got := strings.Fields(strings.ReplaceAll(javaTool(t, "", "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", k.Bootstrap(),
		"--topic", "java-in", "--from-beginning", "--max-messages", "300", "--timeout-ms", "60000"), "from us ", "from-us-"))
	slices.Sort(got)
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], "from us ", "from-us-")
	}
	if !slices.Equal(got, want) {
		t.Errorf("Java's consumer read %d lines, want our %d", len(got), len(want))
	}
}

// The same keys through Java's producer and through our sink land in the same partitions.
func TestRealKafkaKeysLandWhereJavaPutsThem(t *testing.T) {
	k := service.Shared(t, service.Kafka{})
	createTopic(t, k.Addrs(), "keys-java", 12, 1)
	createTopic(t, k.Addrs(), "keys-ours", 12, 1)
	const n = 10_000
	var lines strings.Builder
	rnd := rand.New(rand.NewPCG(5, 7))
	keys := map[string]bool{}
	for len(keys) < n {
		b := make([]byte, 1+rnd.IntN(20))
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		key := hex.EncodeToString(b)
		if !keys[key] {
			keys[key] = true
			fmt.Fprintf(&lines, "%s\tv\n", key)
		}
	}
	javaTool(t, lines.String(), "org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", k.Bootstrap(), "--topic", "keys-java",
		"--reader-property", "parse.key=true")
	// Our source makes the record's key the header `key`, from which our sink makes the key again.
	service.Start(t, service.Agent{Conf: fmt.Sprintf(`
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = kafka
a1.sources.r1.channels = c1
a1.sources.r1.kafka.bootstrap.servers = %[1]s
a1.sources.r1.kafka.topics = keys-java
a1.sources.r1.setTopicHeader = false
a1.sources.r1.kafka.consumer.auto.offset.reset = earliest
a1.channels.c1.type = memory
a1.channels.c1.capacity = 10000
a1.channels.c1.transactionCapacity = 1000
a1.sinks.k1.type = kafka
a1.sinks.k1.channel = c1
a1.sinks.k1.kafka.bootstrap.servers = %[1]s
a1.sinks.k1.kafka.topic = keys-ours
`, k.Bootstrap())})
	java, ours := keyPartitions(t, k, "keys-java", n), keyPartitions(t, k, "keys-ours", n)
	wrong := 0
	for key := range keys {
		if java[key] != ours[key] {
			wrong++
		}
	}
	if len(java) != n || len(ours) != n || wrong > 0 {
		t.Errorf("%d keys by Java, %d by us, %d in another partition", len(java), len(ours), wrong)
	}
}

// keyPartitions reads n records of a topic and returns each key's partition, from 1.
func keyPartitions(t *testing.T, k *service.KafkaCluster, topic string, n int) map[string]int {
	t.Helper()
	all := map[string]int{}
	for m := range readTopic(t, k.Addrs(), topic, n, 4*time.Minute) {
		all[string(m.Key)] = int(m.Partition) + 1
	}
	return all
}

// readTopic yields the records of a topic from its beginning, partition by partition in order, until n were read or the
// time is over.
func readTopic(t *testing.T, addrs []string, topic string, n int, limit time.Duration) func(func(*sarama.ConsumerMessage) bool) {
	t.Helper()
	return func(yield func(*sarama.ConsumerMessage) bool) {
		config := sarama.NewConfig()
		config.ClientID = "goflume-test"
		client, err := sarama.NewClient(addrs, config)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		consumer, err := sarama.NewConsumerFromClient(client)
		if err != nil {
			t.Fatal(err)
		}
		defer consumer.Close()
		ids, err := client.Partitions(topic)
		if err != nil {
			t.Fatal(err)
		}
		messages := make(chan *sarama.ConsumerMessage, 1000)
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		for _, id := range ids {
			pc, err := consumer.ConsumePartition(topic, id, sarama.OffsetOldest)
			if err != nil {
				t.Fatal(err)
			}
			defer pc.Close()
			go func() {
				for m := range pc.Messages() {
					select {
					case messages <- m:
					case <-ctx.Done():
						return
					}
				}
			}()
		}
		for range n {
			select {
			case m := <-messages:
				if !yield(m) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}
