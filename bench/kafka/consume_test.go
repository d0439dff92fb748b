package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"goflume/conf"
	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/sources"
	_ "goflume/sources/kafka"
	"goflume/test/service"
)

// sink is an Output that counts and ends the run at the last event.
type sink struct {
	left atomic.Int64
	end  context.CancelFunc
}

func (s *sink) Send(_ context.Context, b *event.Batch) error {
	if s.left.Add(-int64(len(b.Events))) <= 0 {
		s.end()
	}
	return nil
}

func (s *sink) Limits() (max, room int) { return 0, -1 }

func oursReads(addrs []string, topic, group string, n int) error {
	node := &conf.Node{Agent: "a", Family: "sources", Name: "r"}
	for k, v := range map[string]string{"type": "kafka", "channels": "c", "kafka.bootstrap.servers": strings.Join(addrs, ","), "kafka.topics": topic,
		"kafka.consumer.group.id": group, "kafka.consumer.auto.offset.reset": "earliest"} {
		node.Props = append(node.Props, conf.Property{Key: k, Value: v})
	}
	plan, issues := sources.Registry.Decode(node)
	if err := conf.Fail(issues); err != nil {
		return err
	}
	s, err := plan.Build(registry.Env{Name: "r", Log: slog.New(slog.DiscardHandler), Metrics: metric.NewSet(metric.Source, "a", "r", "kafka")})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	out := &sink{end: cancel}
	out.left.Store(int64(n))
	if err := s.Run(ctx, out); err != nil {
		return err
	}
	if left := out.left.Load(); left > 0 {
		return fmt.Errorf("%d of %d records are missing", left, n)
	}
	return nil
}

func franzReads(addrs []string, topic, group string, n int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx := context.Background()
	for n > 0 {
		fs := cl.PollRecords(ctx, 1000)
		if err := fs.Err0(); err != nil {
			return err
		}
		n -= fs.NumRecords()
		cl.CommitUncommittedOffsets(ctx)
	}
	return nil
}

// counter is Sarama's handler that does nothing but count, and marks every thousandth.
type counter struct {
	left *atomic.Int64
	end  context.CancelFunc
}

func (counter) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (counter) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (c counter) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	n := 0
	for m := range claim.Messages() {
		if n++; n%1000 == 0 {
			s.MarkMessage(m, "")
		}
		if c.left.Add(-1) == 0 {
			c.end()
		}
	}
	return nil
}

func saramaReads(addrs []string, topic, group string, n int) error {
	c := sarama.NewConfig()
	c.ClientID, c.Consumer.Offsets.Initial = "bench", sarama.OffsetOldest
	g, err := sarama.NewConsumerGroup(addrs, group, c)
	if err != nil {
		return err
	}
	defer g.Close()
	ctx, cancel := context.WithCancel(context.Background())
	var left atomic.Int64
	left.Store(int64(n))
	return g.Consume(ctx, []string{topic}, counter{&left, cancel})
}

func BenchmarkConsume(b *testing.B) {
	k := service.Shared(b, service.Kafka{})
	name := topic(b, k.Addrs(), "consume")
	const n = 500_000
	if err := franz(k.Addrs(), name, "none", 1000, n); err != nil {
		b.Fatal(err)
	}
	peers := []struct {
		name string
		run  func(addrs []string, topic, group string, n int) error
	}{{"ours", oursReads}, {"franz-go", franzReads}, {"sarama group", saramaReads}}
	all := make([][]cost, len(peers))
	for round := range rounds {
		for i, p := range peers {
			all[i] = append(all[i], measure(b, syscall.RUSAGE_SELF, n, func() error {
				return p.run(k.Addrs(), name, fmt.Sprintf("%s-%d", strings.ReplaceAll(p.name, " ", "-"), round), n)
			}))
		}
	}
	for i, p := range peers {
		m := median(all[i])
		b.Logf("%-12s %v", p.name, m)
		b.ReportMetric(float64(m.cpu.Nanoseconds())/n, strings.ReplaceAll(p.name, " ", "-")+"-cpu-ns/record")
	}
	b.ReportMetric(0, "ns/op")
}
