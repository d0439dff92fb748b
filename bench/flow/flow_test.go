// Package flow measures the hand-over of prebuilt events inside the process, from an inlet over memory channels to sinks
// that count.
package flow

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"goflume/agent/flow"
	"goflume/channels"
	"goflume/channels/memory"
	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/sinks"
	"goflume/sources/selector"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

const capacity = 10_000

// newMemory returns an open memory channel.
func newMemory(t testing.TB) channels.Channel {
	t.Helper()
	c, err := memory.New(registry.Env{Name: "c1", Log: quiet, Metrics: metric.NewSet(metric.Channel, "a1", "c1", "memory")}, memory.Settings{
		Capacity: capacity, TransactionCapacity: 1000, KeepAlive: time.Minute, ByteCapacity: "0"})
	if err == nil {
		err = c.Open(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// prebuilt returns a batch of n events of 100 bytes each, in one chunk.
func prebuilt(n int) *event.Batch {
	var b event.Batch
	for range n {
		b.Add(bytes.Repeat([]byte("x"), 100))
	}
	return &b
}

// counter is a sink that counts, and says when it has counted to its goal.
type counter struct {
	batch   int
	events  atomic.Int64
	goal    atomic.Int64
	reached chan struct{} // size 1
}

func newCounter(batch int) *counter { return &counter{batch: batch, reached: make(chan struct{}, 1)} }

var _ sinks.Sink = (*counter)(nil)

// Open does nothing.
func (c *counter) Open(context.Context) error { return nil }

// Write counts.
func (c *counter) Write(_ context.Context, events []event.Event) error {
	n := int64(len(events))
	if have, goal := c.events.Add(n), c.goal.Load(); have >= goal && have-n < goal {
		c.reached <- struct{}{}
	}
	return nil
}

// BatchSize is the most events of one Write.
func (c *counter) BatchSize() int { return c.batch }

// Close does nothing.
func (c *counter) Close(context.Context) error { return nil }

// pipelined is a counter that is done at once, with transactions in flight.
type pipelined struct{ *counter }

var _ sinks.Pipelined = pipelined{}

// Start counts.
func (p pipelined) Start(ctx context.Context, events []event.Event, done func(error)) error {
	done(p.Write(ctx, events))
	return nil
}

// Window is Kafka's.
func (p pipelined) Window() int { return 64 }

// Abort has nothing to end.
func (p pipelined) Abort() {}

// start runs an outlet from the channels into the sink and returns the inlet before them.
func start(t testing.TB, s sinks.Sink, sel selector.Selector, cs ...channels.Channel) *flow.Inlet {
	t.Helper()
	var refs []flow.ChannelRef
	for i, c := range cs {
		name := fmt.Sprint("c", i+1)
		refs = append(refs, flow.ChannelRef{Name: name, Channel: c,
			Metrics: metric.NewChannel(metric.NewSet(metric.Channel, "a1", name, "memory"))})
	}
	in := flow.NewInlet("r1", metric.NewSet(metric.Source, "a1", "r1", "bench"), quiet)
	in.Rewire(&flow.InletWiring{Selector: sel, Channels: refs})
	for i, ref := range refs {
		name := fmt.Sprint("k", i+1)
		k := flow.NewSink(name, s, metric.NewSet(metric.Sink, "a1", name, "bench"), quiet)
		o := flow.NewOutlet(name, quiet)
		o.Rewire(&flow.OutletWiring{Sinks: []flow.SinkLink{{Sink: k, Channel: ref}}})
		stop, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- o.Run(stop, context.Background()) }()
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	return in
}

// halves sends every other event to the second channel.
type halves struct{ n atomic.Uint64 }

// Select implements selector.Selector.
func (h *halves) Select(*event.Event) (required, optional selector.Set) {
	return 1 << (h.n.Add(1) & 1), 0
}

func TestFlowAllocatesAtMostThreeTimesABatch(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 100)
	for _, c := range []struct {
		name     string
		sink     func(*counter) sinks.Sink
		selector selector.Selector
		channels int
	}{
		{"direct", func(c *counter) sinks.Sink { return c }, nil, 1},
		{"pipelined", func(c *counter) sinks.Sink { return pipelined{c} }, nil, 1},
		{"split", func(c *counter) sinks.Sink { return c }, &halves{}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			if raced && c.channels > 1 {
				t.Skip("the scratch of a split comes from a sync.Pool, which forgets under the race detector")
			}
			s := newCounter(100)
			var cs []channels.Channel
			for range c.channels {
				cs = append(cs, newMemory(t))
			}
			in := start(t, c.sink(s), c.selector, cs...)
			var b event.Batch
			send := func() {
				b.Reset()
				for range 100 {
					b.Add(body)
				}
				s.goal.Store(s.events.Load() + 100)
				if err := in.Send(t.Context(), &b); err != nil {
					t.Fatal(err)
				}
				<-s.reached
			}
			if n := testing.AllocsPerRun(1000, send); n > 3 {
				t.Errorf("%v allocations per 100 events, want at most 3", n)
			} else {
				t.Logf("%v allocations per 100 events", n)
			}
		})
	}
}

// rate reports events per second.
func rate(b *testing.B, batch int) {
	b.ReportMetric(float64(b.N)*float64(batch)/b.Elapsed().Seconds()/1e6, "Mevents/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkFlow hands batches from an inlet over the memory channel and an outlet to a sink.
func BenchmarkFlow(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		for _, piped := range []bool{false, true} {
			name := map[bool]string{false: "write", true: "pipelined"}[piped]
			b.Run(fmt.Sprint(name, "/batch=", n), func(b *testing.B) {
				s := newCounter(n)
				var sink sinks.Sink = s
				if piped {
					sink = pipelined{s}
				}
				in := start(b, sink, nil, newMemory(b))
				batch := prebuilt(n)
				s.goal.Store(int64(b.N) * int64(n))
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					if err := in.Send(context.Background(), batch); err != nil {
						b.Fatal(err)
					}
				}
				<-s.reached
				rate(b, n)
			})
		}
	}
}
