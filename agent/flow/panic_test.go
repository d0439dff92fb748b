package flow

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"goflume/channels"
	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/sinks/processor"
)

// bomb panics at the calls that its list numbers, counted from 1.
type bomb struct {
	at []int

	mu    sync.Mutex
	calls int
}

func (b *bomb) tick() {
	b.mu.Lock()
	b.calls++
	off := slices.Contains(b.at, b.calls)
	b.mu.Unlock()
	if off {
		panic("bomb")
	}
}

// nervous is a processor of one sink that panics.
type nervous struct{ pick, done bomb }

func (p *nervous) Pick(time.Time) (int, time.Duration) { p.pick.tick(); return 0, 0 }

func (p *nervous) Done(int, error, time.Time) { p.done.tick() }

var _ processor.Processor = (*nervous)(nil)

// shyChannel is a channel whose Stats panics.
type shyChannel struct {
	*flowtest.FakeChannel
	stats bomb
}

func (c *shyChannel) Stats() channels.Stats { c.stats.tick(); return c.FakeChannel.Stats() }

// shySink panics when it is asked for the size of a batch.
type shySink struct {
	*flowtest.FakeSink
	size bomb
}

func (s *shySink) BatchSize() int { s.size.tick(); return 10 }

func TestPanicsAroundASinkEndNoOutlet(t *testing.T) {
	firsts := []int{1, 2, 3, 5, 8}
	for _, c := range []struct {
		name      string
		processor processor.Processor
		stats     []int
		size      []int
	}{
		{name: "Pick", processor: &nervous{pick: bomb{at: firsts}}},
		{name: "Done", processor: &nervous{done: bomb{at: firsts}}},
		{name: "Stats", stats: firsts},
		{name: "BatchSize", size: firsts},
	} {
		for _, pipelined := range []bool{false, true} {
			if pipelined && c.size != nil {
				continue // the same code
			}
			name := c.name
			if pipelined {
				name += " pipelined"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ch := &shyChannel{FakeChannel: &flowtest.FakeChannel{}, stats: bomb{at: c.stats}}
					fill(t, ch.FakeChannel, 0, 55)
					pipe := &flowtest.FakePipe{FakeSink: flowtest.FakeSink{Batch: 10}, Auto: true, Size: 3}
					k := newSink("k1", &shySink{FakeSink: &pipe.FakeSink, size: bomb{at: c.size}})
					if pipelined {
						k = newSink("k1", pipe)
					}
					p := c.processor
					if n, ok := p.(*nervous); ok { // one for each run
						p = &nervous{pick: bomb{at: n.pick.at}, done: bomb{at: n.done.at}}
					}
					r := start(t, &OutletWiring{Processor: p, Sinks: []SinkLink{{Sink: k, Channel: ref("c1", ch), Drain: true}}})
					time.Sleep(time.Minute)
					wantBodies(t, pipe, texts(0, 55))
					for i := 55; i < 65; i++ { // one call of Done each
						fill(t, ch.FakeChannel, i, i+1)
						time.Sleep(10 * time.Second)
					}
					st := k.Status()
					if st.State != Running || st.Errors == 0 || !strings.Contains(st.Err.Error(), "bomb") {
						t.Errorf("status %+v, want RUNNING again, and the panics counted", st)
					}
					if err := r.end(); err != nil {
						t.Error(err)
					}
					wantBodies(t, pipe, texts(0, 65))
					if s := ch.FakeChannel.Stats(); s.Size+s.Held != 0 {
						t.Errorf("the channel holds %+v", s)
					}
				})
			})
		}
	}
}

func TestPanickingStatsOfAChannelPanicsNoSource(t *testing.T) {
	ch := &shyChannel{FakeChannel: &flowtest.FakeChannel{MaxTx: 10}, stats: bomb{at: []int{1, 2, 4}}}
	in := newInlet()
	in.Rewire(&InletWiring{Channels: []ChannelRef{ref("c1", ch)}})
	if most, room := in.Limits(); most != 0 || room != -1 {
		t.Errorf("limits %d, %d; want none known", most, room)
	}
	b := numbers(0, 25)
	err := in.Send(t.Context(), b)
	if err == nil || !strings.Contains(err.Error(), "bomb") {
		t.Errorf("Send: %v, want the panic as an error", err)
	}
	if err := in.Send(t.Context(), b); err != nil {
		t.Errorf("Send again: %v", err)
	}
	if got := ch.Bodies(); !slices.Equal(got, texts(0, 25)) {
		t.Errorf("the channel holds %v", got)
	}
}

// A Done that panics with other batches in flight leaves none of them in an open transaction.
func TestPanicWithBatchesInFlightDeliversAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 200)
		p := &flowtest.FakePipe{FakeSink: flowtest.FakeSink{Batch: 10, OnWrite: func(ctx context.Context, _ []event.Event) error {
			return nil
		}}, Size: 5}
		var ends sync.WaitGroup
		p.OnStart = func(context.Context, []event.Event) error {
			ends.Go(func() {
				time.Sleep(100 * time.Millisecond)
				for _, f := range p.InFlight() {
					f.End(nil)
				}
			})
			return nil
		}
		w := &OutletWiring{Processor: &nervous{done: bomb{at: []int{1, 2, 3}}}, Sinks: []SinkLink{{Sink: newSink("k1", p), Channel: ref("c1", c), Drain: true}}}
		r := start(t, w)
		time.Sleep(time.Minute)
		if err := r.end(); err != nil {
			t.Error(err)
		}
		ends.Wait()
		got, want := p.Bodies(), texts(0, 200) // ended in any order
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("written: %v, want each of 200 once", got)
		}
	})
}
