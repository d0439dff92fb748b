package kafka

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	"goflume/internal/retry"
	"goflume/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func fake(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(10 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func decode(kv ...string) (registry.Plan[sources.Source], []conf.Issue) {
	n := &conf.Node{Agent: "a1", Family: "sources", Name: "r1"}
	kv = append([]string{"type", "kafka", "channels", "c1"}, kv...)
	for i := 0; i < len(kv); i += 2 {
		n.Props = append(n.Props, conf.Property{Key: kv[i], Value: kv[i+1]})
	}
	return sources.Registry.Decode(n)
}

func build(t *testing.T, c *kfake.Cluster, health func(error), kv ...string) (*Source, *metric.Set) {
	t.Helper()
	base := map[string]string{"kafka.bootstrap.servers": strings.Join(c.ListenAddrs(), ","), "kafka.topics": "t",
		"kafka.consumer.auto.offset.reset": "earliest", "kafka.consumer.heartbeat.interval.ms": "100",
		"kafka.consumer.session.timeout.ms": "6000", "kafka.consumer.fetch.max.wait.ms": "20",
		"kafka.consumer.max.poll.interval.ms": "5000", "kafka.consumer.metadata.max.age.ms": "200",
		"batchDurationMillis": "20", "backoffSleepIncrement": "10", "maxBackoffSleep": "20"}
	for i := 0; i < len(kv); i += 2 {
		base[kv[i]] = kv[i+1]
	}
	var flat []string
	for k, v := range base {
		if v != "" {
			flat = append(flat, k, v)
		}
	}
	p, issues := decode(flat...)
	if err := conf.Fail(issues); err != nil {
		t.Fatal(err)
	}
	set := metric.NewSet(metric.Source, "a1", "r1", "kafka")
	s, err := p.Build(registry.Env{Agent: "a1", Name: "r1", Log: slog.New(slog.DiscardHandler), Metrics: set, Health: health})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*Source), set
}

// run starts the source; the function returned ends it.
func run(t *testing.T, s sources.Source, out sources.Output) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, out) }()
	var once sync.Once
	end = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("Run: %v", err)
				}
			case <-time.After(time.Minute):
				t.Error("Run does not end")
			}
		})
	}
	t.Cleanup(end)
	return end
}

func bound(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// produce writes messages to Kafka.
func produce(t *testing.T, c *kfake.Cluster, ms ...*sarama.ProducerMessage) {
	t.Helper()
	conf := sarama.NewConfig()
	conf.ClientID, conf.Producer.Return.Successes, conf.Producer.Partitioner = "writer", true, sarama.NewManualPartitioner
	p, err := sarama.NewSyncProducer(c.ListenAddrs(), conf)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.SendMessages(ms); err != nil {
		t.Fatal(err)
	}
}

func text(topic string, partition int32, values ...string) (ms []*sarama.ProducerMessage) {
	for _, v := range values {
		ms = append(ms, &sarama.ProducerMessage{Topic: topic, Partition: partition, Value: sarama.StringEncoder(v)})
	}
	return ms
}

func numbers(from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, strconv.Itoa(i))
	}
	return all
}

// committed is the group's offset of partition 0 of topic t, -1 for none.
func committed(t *testing.T, c *kfake.Cluster) int64 {
	t.Helper()
	return committedIn(t, c, "t", 1)
}

// committedIn is the sum of the group's offsets of the topic's first n partitions, -1 for none.
func committedIn(t *testing.T, c *kfake.Cluster, topic string, n int32) (sum int64) {
	t.Helper()
	conf := sarama.NewConfig()
	conf.ClientID = "looker"
	admin, err := sarama.NewClusterAdmin(c.ListenAddrs(), conf)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	var ids []int32
	for id := range n {
		ids = append(ids, id)
	}
	res, err := admin.ListConsumerGroupOffsets("flume", map[string][]int32{topic: ids})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		sum += res.GetBlock(topic, id).Offset
	}
	return sum
}

func TestConformance(t *testing.T) {
	clusters := map[sources.Source]*kfake.Cluster{}
	next := map[sources.Source]int{}
	flowtest.Source(t, flowtest.SourceCase{
		New: func(t *testing.T) sources.Source {
			c := fake(t, kfake.SeedTopics(1, "t"))
			s, _ := build(t, c, nil)
			clusters[s] = c
			return s
		},
		Feed: func(t *testing.T, s sources.Source, n int) []string {
			vs := numbers(next[s], next[s]+n)
			next[s] += n
			produce(t, clusters[s], text("t", 0, vs...)...)
			return vs
		},
		Retries: true,
	})
}

func TestSettingsAreChecked(t *testing.T) {
	p, issues := decode("kafka.bootstrap.servers", "b:1", "topic", "old, older", "groupId", "g", "zookeeperConnect", "z:2181")
	s := p.Settings.(Settings)
	if conf.HasErrors(issues) || len(issues) != 3 || !slices.Equal(s.Topics, []string{"old", "older"}) || s.Group != "g" {
		t.Errorf("issues %v, settings %+v", issues, s)
	}
	for _, kv := range [][]string{
		{"zookeeperConnect", "z:2181", "kafka.topics", "t"},
		{"kafka.bootstrap.servers", "b:1"},
		{"kafka.bootstrap.servers", "b:1", "kafka.topics.regex", "a("},
		{"kafka.bootstrap.servers", "b:1", "kafka.topics", "t", "kafka.consumer.interceptor.classes", "x"},
		{"kafka.bootstrap.servers", "b:1", "kafka.topics", "t", "kafka.consumer.value.deserializer", "com.example.X"},
		{"kafka.bootstrap.servers", "b:1", "kafka.topics", "t", "kafka.consumer.auto.offset.reset", "smallest"},
	} {
		if _, issues := decode(kv...); !conf.HasErrors(issues) {
			t.Errorf("%v: no error", kv)
		}
	}
}

func TestHeadersAndBody(t *testing.T) {
	c := fake(t, kfake.SeedTopics(3, "t"))
	s, _ := build(t, c, nil, "header.app", "x-app", "header.none", "x-none")
	out := &flowtest.Recorder{}
	run(t, s, out)
	produce(t, c, &sarama.ProducerMessage{Topic: "t", Partition: 2, Key: sarama.StringEncoder("k1"), Value: sarama.StringEncoder("body"),
		Timestamp: time.UnixMilli(1700000000123), Headers: []sarama.RecordHeader{{Key: []byte("x-app"), Value: []byte("first")},
			{Key: []byte("x-app"), Value: []byte("web")}}},
		&sarama.ProducerMessage{Topic: "t", Partition: 2, Timestamp: time.UnixMilli(1700000000124)})
	out.Wait(bound(t), t, 2)
	e := out.Events()[0]
	for k, v := range map[string]string{"timestamp": "1700000000123", "topic": "t", "partition": "2", "offset": "0", "key": "k1", "app": "web"} {
		if got, _ := e.Header(k); got != v {
			t.Errorf("header %s is %q, want %q", k, got, v)
		}
	}
	if len(e.Headers) != 6 || string(e.Body) != "body" {
		t.Errorf("headers %v, body %q", e.Headers, e.Body)
	}
	if e := out.Events()[1]; len(e.Body) != 0 || len(e.Headers) != 4 {
		t.Errorf("record without key and value: %v %q", e.Headers, e.Body)
	}
}

func TestFlumeEventsKeepTheirHeaders(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	s, _ := build(t, c, nil, "useFlumeEventFormat", "true")
	out := &flowtest.Recorder{}
	run(t, s, out)
	in := event.Event{Headers: []event.Header{{Key: "timestamp", Value: "5"}, {Key: "topic", Value: "mine"}, {Key: "key", Value: "old"}}, Body: []byte("b")}
	produce(t, c, &sarama.ProducerMessage{Topic: "t", Key: sarama.StringEncoder("new"), Value: sarama.ByteEncoder(avro.AppendEvent(nil, &in))})
	out.Wait(bound(t), t, 1)
	e := out.Events()[0]
	for k, v := range map[string]string{"timestamp": "5", "topic": "mine", "key": "new", "partition": "0"} {
		if got, _ := e.Header(k); got != v {
			t.Errorf("header %s is %q, want %q", k, got, v)
		}
	}
	if string(e.Body) != "b" {
		t.Errorf("body %q", e.Body)
	}
}

func TestRecordsThatAreNoFlumeEvents(t *testing.T) {
	good := func(body string) string {
		e := event.Event{Body: []byte(body)}
		return string(avro.AppendEvent(nil, &e))
	}
	t.Run("drop", func(t *testing.T) {
		c := fake(t, kfake.SeedTopics(1, "t"))
		produce(t, c, text("t", 0, good("a"), "no avro", good("b"), "\x02")...)
		s, set := build(t, c, nil, "useFlumeEventFormat", "true", "onError", "drop")
		out := &flowtest.Recorder{}
		end := run(t, s, out)
		out.Wait(bound(t), t, 2)
		produce(t, c, text("t", 0, good("c"))...)
		out.Wait(bound(t), t, 3)
		end()
		if got := out.Bodies(); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("got %v", got)
		}
		if s.bad.Value() != 2 || committed(t, c) != 5 {
			t.Errorf("%d bad records counted, offset %d committed; want 2 and 5", s.bad.Value(), committed(t, c))
		}
		_ = set
	})
	t.Run("file", func(t *testing.T) {
		c := fake(t, kfake.SeedTopics(1, "t"))
		produce(t, c, text("t", 0, "no avro", good("b"))...)
		file := filepath.Join(t.TempDir(), "bad")
		s, _ := build(t, c, nil, "useFlumeEventFormat", "true", "onError", "file:"+file)
		out := &flowtest.Recorder{}
		run(t, s, out)
		out.Wait(bound(t), t, 1)
		if b, err := os.ReadFile(file); err != nil || !strings.Contains(string(b), `"body":"no avro"`) {
			t.Errorf("file holds %s, %v", b, err)
		}
	})
	t.Run("fail", func(t *testing.T) {
		c := fake(t, kfake.SeedTopics(1, "t"))
		produce(t, c, text("t", 0, good("a"), "no avro", good("b"))...)
		told := make(chan error, 100)
		s, _ := build(t, c, func(err error) {
			if err != nil {
				told <- err
			}
		}, "useFlumeEventFormat", "true")
		out := &flowtest.Recorder{}
		end := run(t, s, out)
		err := <-told
		for _, want := range []string{`topic "t" partition 0 offset 1`, "onError"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("health: %v, want a text with %s", err, want)
			}
		}
		<-told // tried again, not skipped
		end()
		if got := out.Bodies(); !slices.Equal(got, []string{"a"}) || committed(t, c) != 1 {
			t.Errorf("delivered %v, offset %d committed; want a alone, and 1", got, committed(t, c))
		}
	})
}

func TestOffsetsFollowDelivery(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	produce(t, c, text("t", 0, numbers(0, 10)...)...)
	s, _ := build(t, c, nil)
	refused := make(chan struct{}, 100)
	out := &flowtest.Recorder{OnSend: func(context.Context, *event.Batch) error {
		refused <- struct{}{}
		return &event.Refused{Kind: event.ErrFull, Text: "full"}
	}}
	end := run(t, s, out)
	<-refused
	<-refused
	end()
	if n := committed(t, c); n > 0 {
		t.Errorf("offset %d is committed though no channel holds the events", n)
	}
	out = &flowtest.Recorder{}
	s, _ = build(t, c, nil)
	end = run(t, s, out)
	out.Wait(bound(t), t, 10)
	end()
	if n := committed(t, c); n != 10 {
		t.Errorf("offset %d is committed, want 10", n)
	}
	if got := out.Bodies(); !slices.Equal(got, numbers(0, 10)) {
		t.Errorf("got %v", got)
	}
}

func TestNothingBehindALostBatchIsCommitted(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	produce(t, c, text("t", 0, numbers(0, 50)...)...)
	s, _ := build(t, c, nil, "batchSize", "10", "batchDurationMillis", "60000")
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	out := &flowtest.Recorder{OnSend: func(context.Context, *event.Batch) error {
		if n++; n == 2 || n == 3 { // the second batch, and its last try after the stop; others would be taken
			cancel()
			return &event.Refused{Kind: event.ErrFull, Text: "full"}
		}
		return nil
	}}
	if err := s.Run(ctx, out); err != nil {
		t.Fatal(err)
	}
	if got := committed(t, c); got != 10 {
		t.Errorf("offset %d is committed, want 10: what follows the batch that was refused must come again", got)
	}
}

func TestMembersShareAndHandOver(t *testing.T) {
	for _, strategy := range []string{"range", "roundrobin", "sticky", "cooperative-sticky"} {
		t.Run(strategy, func(t *testing.T) {
			c := fake(t, kfake.SeedTopics(6, "t"))
			var mu sync.Mutex
			seen := map[string]int{}
			last := map[string]int{}
			record := func(_ context.Context, b *event.Batch) error {
				mu.Lock()
				defer mu.Unlock()
				for i := range b.Events {
					e := &b.Events[i]
					p, _ := e.Header("partition")
					n, _ := strconv.Atoi(string(e.Body))
					if seen[string(e.Body)] == 0 && n < last[p] {
						t.Errorf("partition %s: %d after %d", p, n, last[p])
					}
					last[p] = max(last[p], n)
					seen[string(e.Body)]++
				}
				return nil
			}
			count := func() int { mu.Lock(); defer mu.Unlock(); return len(seen) }
			member := func() func() {
				s, _ := build(t, c, nil, "kafka.consumer.partition.assignment.strategy", strategy)
				return run(t, s, &flowtest.Recorder{OnSend: record})
			}
			at := 0
			feed := func(n int) {
				for ; n > 0; n -= 60 {
					var ms []*sarama.ProducerMessage
					for range 60 {
						ms = append(ms, text("t", int32(at%6), strconv.Itoa(at))...)
						at++
					}
					produce(t, c, ms...)
				}
			}
			all := func() {
				t.Helper()
				for ctx := bound(t); count() < at; {
					if ctx.Err() != nil {
						t.Fatalf("%d of %d records came", count(), at)
					}
					select {
					case <-time.After(5 * time.Millisecond):
					case <-ctx.Done():
					}
				}
			}
			end1 := member()
			feed(300)
			end2 := member()
			feed(300)
			end3 := member()
			feed(300)
			leave := func(end func()) {
				t.Helper()
				if strategy == "cooperative-sticky" {
					// It delivers on while the group rebalances. One that leaves before that is over may find no way to commit any more.
					all()
					until(t, "commits of all", func() bool { return committedIn(t, c, "t", 6) == int64(at) })
				}
				end()
			}
			leave(end1)
			feed(300)
			all()
			leave(end2)
			feed(120)
			all()
			end3()
			doubled := 0
			for _, n := range seen {
				doubled += n - 1
			}
			if doubled > 0 {
				t.Errorf("%d of %d records came twice with orderly hand-overs", doubled, at)
			}
		})
	}
}

func TestALostSessionDoublesNothing(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	s, _ := build(t, c, nil)
	out := &flowtest.Recorder{}
	end := run(t, s, out)
	produce(t, c, text("t", 0, numbers(0, 5)...)...)
	out.Wait(bound(t), t, 5)
	for ctx := bound(t); committed(t, c) != 5; {
		if err := retry.Sleep(ctx, 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	var joins atomic.Int64
	c.ControlKey(11, func(kmsg.Request) (kmsg.Response, error, bool) {
		joins.Add(1)
		return nil, nil, false
	})
	before := joins.Load()
	// Commits fail first. Once all is delivered heartbeats fail too, whose connection carries the records as well.
	var commits, heartbeats atomic.Bool
	for key, broken := range map[int16]*atomic.Bool{8: &commits, 12: &heartbeats} {
		c.ControlKey(key, func(kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			return nil, errors.New("dropped"), broken.Load()
		})
	}
	commits.Store(true)
	produce(t, c, text("t", 0, numbers(5, 10)...)...)
	out.Wait(bound(t), t, 10)
	heartbeats.Store(true)
	for ctx := bound(t); joins.Load() == before; {
		if err := retry.Sleep(ctx, 10*time.Millisecond); err != nil {
			t.Fatal("the session was not lost")
		}
	}
	commits.Store(false)
	heartbeats.Store(false)
	produce(t, c, text("t", 0, numbers(10, 15)...)...)
	out.Wait(bound(t), t, 15)
	end()
	if got := out.Bodies(); !slices.Equal(got, numbers(0, 15)) {
		t.Errorf("got %v, want each once", got)
	}
	if s.repeated.Value() != 5 || committed(t, c) != 15 {
		t.Errorf("%d repeated records counted, offset %d committed; want 5 and 15", s.repeated.Value(), committed(t, c))
	}
}

func TestANewLeaderThatLagsResetsNothing(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	s, _ := build(t, c, nil)
	out := &flowtest.Recorder{}
	produce(t, c, text("t", 0, numbers(0, 10)...)...)
	end := run(t, s, out)
	out.Wait(bound(t), t, 10)
	end()
	// For its first answers the leader says that the log is shorter than what the group has committed.
	lies := 0
	c.ControlKey(2, func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		in := req.(*kmsg.ListOffsetsRequest)
		if lies++; lies > 4 {
			return nil, nil, false
		}
		res := in.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, topic := range in.Topics {
			rt := kmsg.NewListOffsetsResponseTopic()
			rt.Topic = topic.Topic
			for _, p := range topic.Partitions {
				rp := kmsg.NewListOffsetsResponseTopicPartition()
				rp.Partition, rp.Offset = p.Partition, 0
				if p.Timestamp == sarama.OffsetNewest {
					rp.Offset = 4
				}
				rt.Partitions = append(rt.Partitions, rp)
			}
			res.Topics = append(res.Topics, rt)
		}
		return res, nil, true
	})
	again, _ := build(t, c, nil)
	out = &flowtest.Recorder{}
	end = run(t, again, out)
	produce(t, c, text("t", 0, "new")...)
	out.Wait(bound(t), t, 1)
	end()
	if got := out.Bodies(); !slices.Equal(got, []string{"new"}) || lies < 3 {
		t.Errorf("got %v after %d looks, want the new record alone", got, lies)
	}
}

func TestAnOffsetThatIsGoneForGoodIsReset(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	s, _ := build(t, c, nil)
	out := &flowtest.Recorder{}
	produce(t, c, text("t", 0, numbers(0, 10)...)...)
	end := run(t, s, out)
	out.Wait(bound(t), t, 10)
	end()
	produce(t, c, text("t", 0, numbers(10, 20)...)...)
	if err := c.DeleteRecords("t", 0, 15); err != nil {
		t.Fatal(err)
	}
	again, _ := build(t, c, nil)
	out = &flowtest.Recorder{}
	end = run(t, again, out)
	out.Wait(bound(t), t, 5)
	end()
	if got := out.Bodies(); !slices.Equal(got, numbers(15, 20)) {
		t.Errorf("got %v, want what is left", got)
	}
}
