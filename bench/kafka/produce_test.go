package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"goflume/conf"
	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/sinks"
	_ "goflume/sinks/kafka"
	"goflume/test/service"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // the agent's own
	os.Exit(service.Main(m))
}

const (
	recordBytes = 200
	rounds      = 3
	window      = 64 // transactions open at a time, for all that have transactions
)

// cost is what one run took, of n records.
type cost struct {
	wall, cpu time.Duration
	n         int
}

func (c cost) String() string {
	return fmt.Sprintf("%6.2f µs CPU a record, %4.0f k records/s", float64(c.cpu.Nanoseconds())/float64(c.n)/1e3, float64(c.n)/c.wall.Seconds()/1e3)
}

func used(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure runs f, which handles n records.
func measure(b *testing.B, who int, n int, f func() error) cost {
	b.Helper()
	runtime.GC()
	cpu, began := used(who), time.Now()
	if err := f(); err != nil {
		b.Fatal(err)
	}
	return cost{time.Since(began), used(who) - cpu, n}
}

func median(cs []cost) cost {
	slices.SortFunc(cs, func(a, b cost) int { return int(a.cpu - b.cpu) })
	m := cs[len(cs)/2]
	slices.SortFunc(cs, func(a, b cost) int { return int(a.wall - b.wall) })
	m.wall = cs[len(cs)/2].wall
	return m
}

// values are log-like lines, the same for all.
var values = func() [][]byte {
	all := make([][]byte, 10_000)
	for i := range all {
		s := fmt.Sprintf(`10.0.%d.%d - - [21/Nov/2026:10:%02d:%02d +0000] "GET /item/%d?ref=%x HTTP/1.1" 200 %d "-" "Mozilla/5.0 (X11; Linux x86_64)" `,
			i%256, i*7%256, i/60%60, i%60, i*31, i*2654435761, 500+i*13%9000)
		all[i] = []byte((s + strings.Repeat("abcdefghij", 20))[:recordBytes])
	}
	return all
}()

func topic(b *testing.B, addrs []string, name string) string {
	b.Helper()
	conf := sarama.NewConfig()
	conf.ClientID = "bench"
	admin, err := sarama.NewClusterAdmin(addrs, conf)
	if err != nil {
		b.Fatal(err)
	}
	defer admin.Close()
	name = strings.Map(func(r rune) rune {
		if r == '/' || r == '=' {
			return '-'
		}
		return r
	}, name)
	keep := "200000000"
	if err := admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1,
		ConfigEntries: map[string]*string{"retention.bytes": &keep}}, false); err != nil && !strings.Contains(err.Error(), "exists") {
		b.Fatal(err)
	}
	return name
}

// ours sends through the sink, as the agent does.
func ours(addrs []string, topic, codec string, batch, n int) error {
	node := &conf.Node{Agent: "a", Family: "sinks", Name: "k"}
	for k, v := range map[string]string{"type": "kafka", "channel": "c", "kafka.bootstrap.servers": strings.Join(addrs, ","),
		"kafka.topic": topic, "kafka.producer.compression.type": codec, "flumeBatchSize": strconv.Itoa(batch)} {
		node.Props = append(node.Props, conf.Property{Key: k, Value: v})
	}
	plan, issues := sinks.Registry.Decode(node)
	if err := conf.Fail(issues); err != nil {
		return err
	}
	s, err := plan.Build(registry.Env{Name: "k", Log: slog.New(slog.DiscardHandler), Metrics: metric.NewSet(metric.Sink, "a", "k", "kafka")})
	if err != nil {
		return err
	}
	ctx := context.Background()
	if err := s.Open(ctx); err != nil {
		return err
	}
	defer s.Close(ctx)
	pipe := s.(sinks.Pipelined)
	slots := make(chan []event.Event, window)
	for range window {
		slots <- make([]event.Event, batch)
	}
	var failed error
	var mu sync.Mutex
	for at := 0; at < n; at += batch {
		events := <-slots
		for i := range events {
			events[i].Body = values[(at+i)%len(values)]
		}
		if err := pipe.Start(ctx, events, func(err error) {
			if err != nil {
				mu.Lock()
				failed = err
				mu.Unlock()
			}
			slots <- events
		}); err != nil {
			return err
		}
	}
	for range window {
		<-slots
	}
	return failed
}

// franz sends the same transactions through franz-go, idempotent too.
func franz(addrs []string, topic, codec string, batch, n int) error {
	opts := []kgo.Opt{kgo.SeedBrokers(addrs...), kgo.DefaultProduceTopic(topic), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.MaxBufferedRecords(window * batch * 2), kgo.ProducerLinger(0)}
	switch codec {
	case "lz4":
		opts = append(opts, kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	case "zstd":
		opts = append(opts, kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	default:
		opts = append(opts, kgo.ProducerBatchCompression(kgo.NoCompression()))
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx := context.Background()
	type slot struct {
		records []kgo.Record
		left    int
	}
	slots := make(chan *slot, window)
	for range window {
		slots <- &slot{records: make([]kgo.Record, batch)}
	}
	var failed error
	for at := 0; at < n; at += batch {
		s := <-slots
		s.left = batch
		for i := range s.records {
			s.records[i] = kgo.Record{Value: values[(at+i)%len(values)]}
			cl.Produce(ctx, &s.records[i], func(_ *kgo.Record, err error) { // one at a time
				if err != nil {
					failed = err
				}
				if s.left--; s.left == 0 {
					slots <- s
				}
			})
		}
	}
	for range window {
		<-slots
	}
	return failed
}

// async sends through Sarama's own producer, idempotent: one request in flight.
func async(addrs []string, topic, codec string, _, n int) error {
	c := sarama.NewConfig()
	c.ClientID = "bench"
	c.Producer.Idempotent, c.Producer.RequiredAcks, c.Net.MaxOpenRequests = true, sarama.WaitForAll, 1
	c.Producer.Return.Successes = true
	c.Producer.Compression = map[string]sarama.CompressionCodec{"none": sarama.CompressionNone, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD}[codec]
	p, err := sarama.NewAsyncProducer(addrs, c)
	if err != nil {
		return err
	}
	go func() {
		for i := range n {
			p.Input() <- &sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(values[i%len(values)])}
		}
	}()
	for range n {
		select {
		case <-p.Successes():
		case err := <-p.Errors():
			return err
		}
	}
	return p.Close()
}

func BenchmarkProduce(b *testing.B) {
	k := service.Shared(b, service.Kafka{})
	peers := []struct {
		name string
		run  func(addrs []string, topic, codec string, batch, n int) error
	}{{"ours", ours}, {"franz-go", franz}, {"sarama async", async}}
	for _, codec := range []string{"none", "lz4", "zstd"} {
		for _, batch := range []int{100, 1000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", codec, batch), func(b *testing.B) {
				name := topic(b, k.Addrs(), fmt.Sprintf("%s-%d", codec, batch))
				n := 500_000
				all := make([][]cost, len(peers))
				for range rounds {
					for i, p := range peers {
						all[i] = append(all[i], measure(b, syscall.RUSAGE_SELF, n, func() error { return p.run(k.Addrs(), name, codec, batch, n) }))
					}
				}
				for i, p := range peers {
					m := median(all[i])
					b.Logf("%-12s %v", p.name, m)
					b.ReportMetric(float64(m.cpu.Nanoseconds())/float64(n), strings.ReplaceAll(p.name, " ", "-")+"-cpu-ns/record")
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// BenchmarkProduceJava is Kafka's own tool; the start of its virtual machine is part of it.
func BenchmarkProduceJava(b *testing.B) {
	k := service.Shared(b, service.Kafka{})
	argv, err := service.KafkaTool("org.apache.kafka.tools.ProducerPerformance", "--bootstrap-server", k.Bootstrap(), "--topic", topic(b, k.Addrs(), "java"),
		"--num-records", "500000", "--record-size", strconv.Itoa(recordBytes), "--throughput", "-1", "--command-property", "acks=all", "batch.size=262144", "linger.ms=10")
	if err != nil {
		b.Skip(err)
	}
	var all []cost
	for range rounds {
		all = append(all, measure(b, syscall.RUSAGE_CHILDREN, 500_000, func() error {
			out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		}))
	}
	b.Logf("%-12s %v", "java", median(all))
	b.ReportMetric(0, "ns/op")
}
