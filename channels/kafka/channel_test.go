package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"goflume/channels"
	"goflume/conf"
	"goflume/event"
	"goflume/internal/avro"
	"goflume/internal/flowtest"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func fake(t *testing.T, partitions int32, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(10 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.CreateTopic("flume-channel", partitions, map[string]string{"max.message.bytes": "3000000"}); err != nil {
		t.Fatal(err)
	}
	return c
}

func decode(kv ...string) (registry.Plan[channels.Channel], []conf.Issue) {
	n := &conf.Node{Agent: "a1", Family: "channels", Name: "c1"}
	kv = append([]string{"type", "kafka"}, kv...)
	for i := 0; i < len(kv); i += 2 {
		n.Props = append(n.Props, conf.Property{Key: kv[i], Value: kv[i+1]})
	}
	return channels.Registry.Decode(n)
}

func build(t *testing.T, c *kfake.Cluster, kv ...string) *Channel {
	t.Helper()
	kv = append([]string{"kafka.bootstrap.servers", strings.Join(c.ListenAddrs(), ","), "kafka.consumer.heartbeat.interval.ms", "100",
		"kafka.consumer.session.timeout.ms", "6000", "kafka.pollTimeout", "20", "kafka.producer.max.request.size", "2500000",
		"kafka.producer.request.timeout.ms", "2000", "kafka.producer.retry.backoff.ms", "10", "kafka.producer.max.block.ms", "20000"}, kv...)
	p, issues := decode(kv...)
	if err := conf.Fail(issues); err != nil {
		t.Fatal(err)
	}
	ch, err := p.Build(registry.Env{Agent: "a1", Name: "c1", Log: slog.New(slog.DiscardHandler), Metrics: metric.NewSet(metric.Channel, "a1", "c1", "kafka")})
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ch.Close() })
	return ch.(*Channel)
}

func bound(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func take(t *testing.T, c channels.Channel, n int) channels.Tx {
	t.Helper()
	tx, err := c.Take(bound(t), n, 0)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func bodies(tx channels.Tx) (all []string) {
	for _, e := range tx.Events() {
		all = append(all, string(e.Body))
	}
	return all
}

// drain takes n events and commits them.
func drain(t *testing.T, c channels.Channel, n int) (all []string) {
	t.Helper()
	for len(all) < n {
		tx := take(t, c, n-len(all))
		all = append(all, bodies(tx)...)
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func put(t *testing.T, c channels.Channel, from, to int) {
	t.Helper()
	if err := c.Put(bound(t), flowtest.Numbered(from, to)); err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	flowtest.Channel(t, func(t *testing.T, _, _ int) channels.Channel { return build(t, fake(t, 1)) })
}

func TestSettings(t *testing.T) {
	p, issues := decode("brokerList", "b:1", "topic", "x", "groupId", "g", "readSmallestOffset", "false", "pollTimeout", "7",
		"kafka.producer.linger.ms", "5", "kafka.consumer.fetch.min.bytes", "2")
	s := p.Settings.(Settings)
	g, err := s.consumer().GroupConfig()
	if conf.HasErrors(issues) || len(issues) != 5 || err != nil || g.Conn.Consumer.Offsets.Initial != sarama.OffsetNewest ||
		g.Conn.Consumer.MaxWaitTime != 7*time.Millisecond || s.Topic != "x" || s.Group != "g" {
		t.Errorf("issues %v, %v, settings %+v", issues, err, s)
	}
	s = Settings{OffsetReset: "earliest", PollTimeout: time.Second}
	if g, err = s.consumer().GroupConfig(); err != nil || g.Conn.Consumer.Offsets.Initial != sarama.OffsetOldest {
		t.Errorf("a new group begins at %d, %v; want the earliest event", g.Conn.Consumer.Offsets.Initial, err)
	}
	for _, kv := range [][]string{{}, {"kafka.bootstrap.servers", "b:1", "kafka.producer.acks", "2"},
		{"kafka.bootstrap.servers", "b:1", "kafka.consumer.interceptor.classes", "x"}} {
		if _, issues := decode(kv...); !conf.HasErrors(issues) {
			t.Errorf("%v: no error", kv)
		}
	}
}

func TestOneAgentPutsAndAnotherTakes(t *testing.T) {
	c := fake(t, 3)
	sourcesOnly, sinksOnly := build(t, c), build(t, c)
	put(t, sourcesOnly, 0, 100)
	got := drain(t, sinksOnly, 100)
	slices.Sort(got)
	want := flowtest.Numbers(0, 100)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d events, want those that were put", len(got))
	}
}

func TestWhatIsNotCommittedComesToTheNextRun(t *testing.T) {
	c := fake(t, 1)
	first := build(t, c)
	put(t, first, 0, 10)
	a, b := take(t, first, 3), take(t, first, 3)
	drain(t, first, 4)
	if err := b.Commit(); err != nil { // behind a, which stays open
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := build(t, c)
	if got := drain(t, second, 10); !slices.Equal(got, flowtest.Numbers(0, 10)) {
		t.Errorf("got %v: a commit must not pass an event that is held", got)
	}
	_ = a
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	third := build(t, c)
	put(t, third, 10, 12)
	if got := drain(t, third, 2); !slices.Equal(got, []string{"10", "11"}) {
		t.Errorf("got %v, want what was put after the rest was committed", got)
	}
}

func TestMembersShareThePartitions(t *testing.T) {
	c := fake(t, 4)
	one := build(t, c)
	put(t, one, 0, 40)
	got := drain(t, one, 40)
	two := build(t, c)
	// The second member joins at its first Take; both drain until all is there.
	ctx, cancel := context.WithCancel(bound(t))
	defer cancel()
	var fromTwo atomic.Int64
	seen := make(chan string, 10_000)
	done := make(chan struct{}, 2)
	for i, ch := range []*Channel{one, two} {
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				tx, err := ch.Take(ctx, 50, 0)
				if err != nil {
					return
				}
				for _, b := range bodies(tx) {
					seen <- b
				}
				if i == 1 {
					fromTwo.Add(int64(len(tx.Events())))
				}
				if tx.Commit() != nil {
					return
				}
			}
		}()
	}
	count := map[string]int{}
	for at := 40; fromTwo.Load() == 0 || len(count) < at-40; {
		if ctx.Err() != nil {
			t.Fatal("the second member gets nothing")
		}
		if fromTwo.Load() == 0 {
			put(t, one, at, at+40)
			at += 40
		}
		if err := retry.Sleep(ctx, 10*time.Millisecond); err != nil {
			t.Fatal("the second member gets nothing")
		}
		for more := true; more; {
			select {
			case b := <-seen:
				count[b]++
			default:
				more = false
			}
		}
	}
	cancel()
	<-done
	<-done
	if len(got) != 40 {
		t.Errorf("%d events before, want 40", len(got))
	}
}

func TestCommitAfterThePartitionIsGoneIsCounted(t *testing.T) {
	q := queue{}
	q.init()
	marked := int64(-1)
	p := &partition{mark: func(next int64) { marked = next }}
	if err := q.add(t.Context(), p, []entry{{offset: 5}, {offset: 6}, {offset: 8}}); err != nil {
		t.Fatal(err)
	}
	first, _ := q.take(t.Context(), 1, 0)
	second, _ := q.take(t.Context(), 1, 0)
	if q.commit(second); marked != -1 {
		t.Errorf("offset %d marked though 5 is held", marked)
	}
	idle := q.end(p)
	if q.commit(first); marked != 7 {
		t.Errorf("offset %d marked, want 7", marked)
	}
	<-idle // the third was never taken: it is the next reader's
	if len(q.entries) != 0 {
		t.Errorf("%d entries of a partition that ended", len(q.entries))
	}
	q = queue{}
	q.init()
	p = &partition{mark: func(int64) { t.Error("marked after the partition was lost") }}
	if err := q.add(t.Context(), p, []entry{{offset: 5}, {offset: 6}}); err != nil {
		t.Fatal(err)
	}
	held, _ := q.take(t.Context(), 2, 0)
	q.end(p)
	q.lose(p)
	if lost := q.commit(held); lost != 2 {
		t.Errorf("%d counted as lost, want 2", lost)
	}
}

func TestQueueIsBounded(t *testing.T) {
	q := queue{}
	q.init()
	p := &partition{mark: func(int64) {}}
	for range queueEvents / slab {
		if err := q.add(t.Context(), p, make([]entry, slab)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.add(ctx, p, make([]entry, 1)); err == nil {
		t.Error("the full queue took one more")
	}
	taken, _ := q.take(t.Context(), 10, 0)
	if err := q.add(ctx, p, make([]entry, 1)); err != nil {
		t.Errorf("no room after a take: %v", err)
	}
	q.rollback(taken)
}

func TestRecordsThatAreNoFlumeEvents(t *testing.T) {
	produce := func(t *testing.T, c *kfake.Cluster, values ...string) {
		t.Helper()
		conf := sarama.NewConfig()
		conf.ClientID, conf.Producer.Return.Successes = "writer", true
		p, err := sarama.NewSyncProducer(c.ListenAddrs(), conf)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		for _, v := range values {
			if _, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: "flume-channel", Value: sarama.StringEncoder(v)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	good := func(s string) string {
		e := event.Event{Body: []byte(s)}
		return string(avro.AppendEvent(nil, &e))
	}
	t.Run("fail", func(t *testing.T) {
		c := fake(t, 1)
		produce(t, c, good("a"), "no avro", good("b"))
		ch := build(t, c)
		if got := drain(t, ch, 1); got[0] != "a" {
			t.Errorf("got %v, want what came before the bad record", got)
		}
		_, err := ch.Take(bound(t), 1, 0)
		if err == nil || !strings.Contains(err.Error(), `offset 1`) {
			t.Errorf("Take: %v, want the bad record's place", err)
		}
	})
	t.Run("drop", func(t *testing.T) {
		c := fake(t, 1)
		produce(t, c, "no avro", good("a"), "no avro", good("b"), "no avro")
		ch := build(t, c, "onError", "drop")
		if got := drain(t, ch, 2); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("bodies alone", func(t *testing.T) {
		c := fake(t, 1)
		produce(t, c, "no avro")
		ch := build(t, c, "parseAsFlumeEvent", "false")
		put(t, ch, 0, 1)
		if got := drain(t, ch, 2); !slices.Equal(got, []string{"no avro", "0"}) {
			t.Errorf("got %v", got)
		}
	})
}

func TestKeyIsAHeaderBothWays(t *testing.T) {
	c := fake(t, 8)
	ch := build(t, c, "parseAsFlumeEvent", "false")
	if err := ch.Put(bound(t), []event.Event{{Body: []byte("x"), Headers: []event.Header{{Key: "key", Value: "k1"}, {Key: "lost", Value: "v"}}}}); err != nil {
		t.Fatal(err)
	}
	tx := take(t, ch, 1)
	if hs := tx.Events()[0].Headers; len(hs) != 1 || hs[0] != (event.Header{Key: "key", Value: "k1"}) {
		t.Errorf("headers %v, want the key", hs)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func TestPutTellsWhatItCannotPromise(t *testing.T) {
	c := fake(t, 1)
	var refuse atomic.Bool
	refuse.Store(true)
	c.ControlKey(0, func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		return nil, fmt.Errorf("closed"), refuse.Load()
	})
	ch := build(t, c, "kafka.producer.delivery.timeout.ms", "3000")
	if err := ch.Put(bound(t), flowtest.Numbered(0, 3)); err == nil {
		t.Error("Put promised what no broker has")
	}
	if err := ch.Put(bound(t), []event.Event{{Body: make([]byte, 4<<20)}}); !errors.Is(err, event.ErrTooLarge) {
		t.Errorf("Put of 4 MiB: %v, want ErrTooLarge", err)
	}
	refuse.Store(false)
	put(t, ch, 5, 6)
	if got := drain(t, ch, 1); !slices.Equal(got, []string{"5"}) {
		t.Errorf("got %v", got)
	}
}

func TestPutWithoutWaitingForRoom(t *testing.T) {
	c := fake(t, 1)
	hold := make(chan struct{})
	var once atomic.Bool
	c.ControlKey(0, func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if once.CompareAndSwap(false, true) {
			c.SleepControl(func() { <-hold })
		}
		return nil, nil, false
	})
	ch := build(t, c, "kafka.producer.buffer.memory", "10", "keep-alive", "0")
	first := make(chan error)
	go func() { first <- ch.Put(bound(t), flowtest.Numbered(0, 1)) }()
	for !once.Load() {
		select {
		case <-time.After(time.Millisecond):
		case <-bound(t).Done():
			t.Fatal("nothing was sent")
		}
	}
	if err := ch.Put(bound(t), flowtest.Numbered(1, 2)); !errors.Is(err, event.ErrFull) {
		t.Errorf("Put without room: %v, want ErrFull", err)
	}
	close(hold)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestOpenAndCloseWithoutBrokers(t *testing.T) {
	c := fake(t, 1)
	ch := build(t, c, "kafka.bootstrap.servers", "127.0.0.1:1", "kafka.producer.max.block.ms", "100")
	if err := ch.Put(bound(t), flowtest.Numbered(0, 1)); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("Put: %v, want the broker that cannot be reached", err)
	}
	if _, err := ch.Take(bound(t), 1, 0); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("Take: %v, want the broker that cannot be reached", err)
	}
	if err := ch.Close(); err != nil {
		t.Fatal(err)
	}
}

// What a reload does to a channel many times over.
func TestClosingLeavesNothingBehind(t *testing.T) {
	c := fake(t, 2)
	for i := range 5 {
		ch := build(t, c)
		put(t, ch, i, i+1)
		if got := drain(t, ch, 1); len(got) != 1 {
			t.Fatalf("drained %v", got)
		}
		if err := ch.Close(); err != nil {
			t.Fatal(err)
		}
		if j, l := ch.counters.joined.Value(), ch.counters.leaves.Value(); j != l || j == 0 {
			t.Errorf("%d joins, %d leaves", j, l)
		}
		if o, l := ch.counters.connected.Value(), ch.counters.left.Value(); o != l || o == 0 {
			t.Errorf("%d connections made, %d closed", o, l)
		}
	}
	metrics.DefaultRegistry.Each(func(name string, _ any) { t.Errorf("meter %s is left", name) })
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*Cluster).run"),
		goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*clientConn).read"),
		goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*clientConn).write"),
		goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*broker).listen"),
		goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*group).manage"))
}
