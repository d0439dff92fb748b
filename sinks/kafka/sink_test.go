package kafka

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"goflume/conf"
	"goflume/event"
	"goflume/internal/avro"
	"goflume/internal/flowtest"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/sinks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func fake(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// decode reads settings as they stand in a file, key and value in turn.
func decode(t *testing.T, kv ...string) (*conf.Node, registry.Plan[sinks.Sink], []conf.Issue) {
	t.Helper()
	n := &conf.Node{Agent: "a1", Family: "sinks", Name: "k1"}
	kv = append([]string{"type", "kafka", "channel", "c1"}, kv...)
	for i := 0; i < len(kv); i += 2 {
		n.Props = append(n.Props, conf.Property{Key: kv[i], Value: kv[i+1]})
	}
	p, issues := sinks.Registry.Decode(n)
	return n, p, issues
}

// build makes a sink onto the cluster.
func build(t *testing.T, c *kfake.Cluster, kv ...string) (*Sink, *metric.Set) {
	t.Helper()
	kv = append([]string{"kafka.bootstrap.servers", strings.Join(c.ListenAddrs(), ", "), "kafka.topic", "t",
		"kafka.producer.request.timeout.ms", "2000", "kafka.producer.max.block.ms", "20000", "kafka.producer.delivery.timeout.ms", "15000",
		"kafka.producer.retry.backoff.ms", "10"}, kv...)
	_, p, issues := decode(t, kv...)
	if err := conf.Fail(issues); err != nil {
		t.Fatal(err)
	}
	set := metric.NewSet(metric.Sink, "a1", "k1", "kafka")
	s, err := p.Build(registry.Env{Agent: "a1", Name: "k1", Log: slog.New(slog.DiscardHandler), Metrics: set})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return s.(*Sink), set
}

func open(t *testing.T, c *kfake.Cluster, kv ...string) (*Sink, *metric.Set) {
	t.Helper()
	s, set := build(t, c, kv...)
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, set
}

// records reads all of a topic, partition after partition.
func records(t *testing.T, c *kfake.Cluster, topic string) []*sarama.ConsumerMessage {
	t.Helper()
	conf := sarama.NewConfig()
	conf.ClientID, conf.Consumer.MaxWaitTime = "reader", 10*time.Millisecond
	client, err := sarama.NewClient(c.ListenAddrs(), conf)
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
	var all []*sarama.ConsumerMessage
	for _, id := range ids {
		end, err := client.GetOffset(topic, id, sarama.OffsetNewest)
		if err != nil {
			t.Fatal(err)
		}
		pc, err := consumer.ConsumePartition(topic, id, 0)
		if err != nil {
			t.Fatal(err)
		}
		for range end {
			all = append(all, <-pc.Messages())
		}
		pc.Close()
	}
	return all
}

func values(ms []*sarama.ConsumerMessage) []string {
	all := []string{}
	for _, m := range ms {
		all = append(all, string(m.Value))
	}
	return all
}

func ev(body string, headers ...string) event.Event {
	e := event.Event{Body: []byte(body)}
	for i := 0; i < len(headers); i += 2 {
		e.Headers = append(e.Headers, event.Header{Key: headers[i], Value: headers[i+1]})
	}
	return e
}

func TestConformance(t *testing.T) {
	flowtest.Sink(t, func(t *testing.T) (sinks.Sink, func() []string) {
		c := fake(t, kfake.SeedTopics(1, "t"))
		s, _ := build(t, c)
		return s, func() []string { return values(records(t, c, "t")) }
	})
}

func TestPropertiesOfFlumeBefore17(t *testing.T) {
	_, p, issues := decode(t, "brokerList", "b1:9092,b2:9092", "topic", "old", "requiredAcks", "1", "batchSize", "7")
	deprecated := 0
	for _, i := range issues {
		if i.Code == "FL310" {
			deprecated++
		}
	}
	s := p.Settings.(Settings)
	if deprecated != 4 || conf.HasErrors(issues) || !slices.Equal(s.Servers, []string{"b1:9092", "b2:9092"}) || s.Topic != "old" || s.Acks != "1" || s.BatchSize != 7 {
		t.Errorf("%d times FL310, settings %+v", deprecated, s)
	}
	_, _, issues = decode(t, "kafka.bootstrap.servers", "b:1", "kafka.producer.lingerms", "5", "kafka.producer.transactional.id", "x",
		"kafka.producer.send.buffer.bytes", "1")
	var errs, warnings int
	for _, i := range issues {
		switch i.Severity {
		case conf.Error:
			errs++
		case conf.Warning:
			warnings++
		}
	}
	if errs != 1 || warnings != 2 {
		t.Errorf("%d errors and %d warnings, want 1 and 2: %v", errs, warnings, issues)
	}
}

func TestTopicKeyPartitionTimeAndHeaders(t *testing.T) {
	c := fake(t, kfake.SeedTopics(4, "t", "other", "logs-web"))
	s, _ := open(t, c, "partitionIdHeader", "part", "timestampHeader", "ts", "header.host", "x-host", "defaultPartitionId", "3")
	err := s.Write(t.Context(), []event.Event{
		ev("a", "key", "k", "part", "2", "ts", "1700000000123", "host", "h1"),
		ev("b", "topic", "other", "ts", "not a time"),
	})
	if err != nil {
		t.Fatal(err)
	}
	a := records(t, c, "t")[0]
	if a.Partition != 2 || string(a.Key) != "k" || a.Timestamp.UnixMilli() != 1700000000123 || len(a.Headers) != 1 ||
		string(a.Headers[0].Key) != "x-host" || string(a.Headers[0].Value) != "h1" {
		t.Errorf("first record %+v", a)
	}
	b := records(t, c, "other")[0]
	if b.Partition != 3 || b.Key != nil || time.Since(b.Timestamp).Abs() > time.Minute || len(b.Headers) != 0 {
		t.Errorf("second record %+v", b)
	}

	s, _ = open(t, c, "kafka.topic", "logs-%{app}")
	if err := s.Write(t.Context(), []event.Event{ev("c", "app", "web")}); err != nil {
		t.Fatal(err)
	}
	if got := values(records(t, c, "logs-web")); !slices.Equal(got, []string{"c"}) {
		t.Errorf("topic by escape holds %v", got)
	}
	s, _ = open(t, c, "allowTopicOverride", "false")
	if err := s.Write(t.Context(), []event.Event{ev("d", "topic", "other")}); err != nil {
		t.Fatal(err)
	}
	if got := values(records(t, c, "t")); !slices.Equal(got, []string{"d", "a"}) && !slices.Equal(got, []string{"a", "d"}) {
		t.Errorf("without override topic t holds %v", got)
	}
}

func TestFlumeEventFormat(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	s, _ := open(t, c, "useFlumeEventFormat", "true")
	e := ev("hi", "k", "v")
	if err := s.Write(t.Context(), []event.Event{e, ev("")}); err != nil {
		t.Fatal(err)
	}
	got := values(records(t, c, "t"))
	if got[0] != string(avro.AppendEvent(nil, &e)) || got[1] != "\x00\x00" {
		t.Errorf("got %x", got)
	}
}

func TestEmptyBodyIsNoTombstone(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	s, _ := open(t, c)
	if err := s.Write(t.Context(), []event.Event{{}}); err != nil {
		t.Fatal(err)
	}
	if m := records(t, c, "t")[0]; m.Value == nil {
		t.Error("an event without a body became a record without a value, which deletes keys of compacted topics")
	}
}

func TestEventsThatCannotBeDelivered(t *testing.T) {
	bad := func() []event.Event {
		return []event.Event{
			ev("good 1"),
			ev("x", "topic", "no such/topic"),
			ev("x", "topic", "missing"),
			ev("x", "part", "three"),
			ev("x", "part", "99"),
			ev("x", "part", "-1"),
			ev("x", "part", "-5"),
			ev("x", "part", "2147483647"),
			ev(strings.Repeat("x", 2<<20)),
			ev("good 2"),
		}
	}
	t.Run("fail", func(t *testing.T) {
		c := fake(t, kfake.SeedTopics(1, "t"))
		for i := 1; i < len(bad())-1; i++ {
			s, set := open(t, c, "partitionIdHeader", "part")
			err := s.Write(t.Context(), bad()[i:i+1])
			if err == nil || !strings.Contains(err.Error(), "onError") {
				t.Errorf("event %d: %v, want an error that says what to do", i, err)
			}
			if n := set.Counter("RollbackCount", "", "").Value(); n != 1 {
				t.Errorf("RollbackCount %d, want 1", n)
			}
		}
	})
	t.Run("drop", func(t *testing.T) {
		c := fake(t, kfake.SeedTopics(1, "t"))
		s, set := open(t, c, "partitionIdHeader", "part", "onError", "drop")
		if err := s.Write(t.Context(), bad()); err != nil {
			t.Fatal(err)
		}
		if got := values(records(t, c, "t")); !slices.Equal(got, []string{"good 1", "good 2"}) {
			t.Errorf("topic holds %v", got)
		}
		if n := metric.NewSink(set).Dropped.Value(); n != 8 {
			t.Errorf("%d events counted as dropped, want 8", n)
		}
	})
	t.Run("file", func(t *testing.T) {
		c := fake(t, kfake.SeedTopics(1, "t"))
		file := filepath.Join(t.TempDir(), "dead", "letters")
		s, _ := open(t, c, "partitionIdHeader", "part", "onError", "file:"+file)
		if err := s.Write(t.Context(), bad()); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(file)
		if err != nil || strings.Count(string(b), "\n") != 8 {
			t.Errorf("dead letters: %d lines, %v; want 8", strings.Count(string(b), "\n"), err)
		}
	})
	t.Run("refused by the broker", func(t *testing.T) {
		c := fake(t)
		if err := c.CreateTopic("t", 1, map[string]string{"max.message.bytes": "3000"}); err != nil {
			t.Fatal(err)
		}
		s, set := open(t, c, "onError", "drop")
		if err := s.Write(t.Context(), []event.Event{ev("a"), ev(strings.Repeat("x", 5000)), ev("b")}); err != nil {
			t.Fatal(err)
		}
		if got := values(records(t, c, "t")); !slices.Equal(got, []string{"a", "b"}) || metric.NewSink(set).Dropped.Value() != 1 {
			t.Errorf("topic holds %v, %d dropped", got, metric.NewSink(set).Dropped.Value())
		}
	})
}

func TestBrokerThatRefusesFailsTheWrite(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	var refuse atomic.Bool
	refuse.Store(true)
	c.ControlKey(0, func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		return nil, fmt.Errorf("closed"), refuse.Load()
	})
	s, set := open(t, c, "kafka.producer.delivery.timeout.ms", "3000")
	if err := s.Write(t.Context(), []event.Event{ev("a")}); err == nil || !strings.Contains(err.Error(), "not acknowledged") {
		t.Fatalf("Write: %v, want the time limit's error", err)
	}
	refuse.Store(false)
	if err := s.Write(t.Context(), []event.Event{ev("a")}); err != nil {
		t.Fatal(err)
	}
	if got := values(records(t, c, "t")); !slices.Equal(got, []string{"a"}) {
		t.Errorf("topic holds %v", got)
	}
	if metric.NewSink(set).ConnectionCreated.Value() < 2 {
		t.Error("connections are not counted")
	}
}

func TestReopeningLeavesNothingBehind(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	s, set := build(t, c)
	for i := range 5 {
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(t.Context(), []event.Event{ev(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, goleak.IgnoreTopFunction("github.com/twmb/franz-go/pkg/kfake.(*Cluster).run"), goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*clientConn).read"),
		goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*clientConn).write"), goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*broker).listen"))
	m := metric.NewSink(set)
	if m.ConnectionCreated.Value() != m.ConnectionClosed.Value() {
		t.Errorf("%d connections created, %d closed", m.ConnectionCreated.Value(), m.ConnectionClosed.Value())
	}
}
