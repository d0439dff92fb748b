package flow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/sinks/processor"
)

// script is a processor that picks by a list, over and over, and notes what it is told.
type script struct {
	picks []int

	mu    sync.Mutex
	at    int
	notes []string
}

var _ processor.Processor = (*script)(nil)

func (p *script) Pick(time.Time) (int, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.picks[p.at%len(p.picks)]
	p.at++
	return i, time.Second
}

func (p *script) Done(sink int, err error, _ time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	what := "ok"
	if err != nil {
		what = err.Error()
	}
	p.notes = append(p.notes, fmt.Sprint(sink, " ", what))
}

func (p *script) told() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.notes)
}

// inOrder prefers the first sink that did not fail within the last 10 s, as failover does.
type inOrder struct{ until []time.Time }

func (p *inOrder) Pick(now time.Time) (int, time.Duration) {
	for i, u := range p.until {
		if !u.After(now) {
			return i, 0
		}
	}
	return -1, time.Second
}

func (p *inOrder) Done(sink int, err error, now time.Time) {
	if err != nil {
		p.until[sink] = now.Add(10 * time.Second)
	}
}

// group wires sinks to one channel.
func group(p processor.Processor, c *flowtest.FakeChannel, ks ...*Sink) *OutletWiring {
	w := &OutletWiring{Processor: p}
	for _, k := range ks {
		w.Sinks = append(w.Sinks, SinkLink{Sink: k, Channel: ref("c1", c)})
	}
	return w
}

func TestGroupFailsOverWithoutAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		down := true
		s1 := &flowtest.FakeSink{OnWrite: func(context.Context, []event.Event) error {
			if down {
				return errors.New("down")
			}
			return nil
		}}
		s2 := &flowtest.FakeSink{}
		k1, k2 := newSink("k1", s1), newSink("k2", s2)
		r := start(t, group(&inOrder{make([]time.Time, 2)}, c, k1, k2))
		fill(t, c, 0, 3)
		synctest.Wait()
		wantBodies(t, s2, texts(0, 3))
		if a, b := k1.Status().State, k2.Status().State; a != Backoff || b != Running {
			t.Errorf("states %s and %s, want BACKOFF and RUNNING", a, b)
		}
		down = false
		time.Sleep(11 * time.Second)
		fill(t, c, 3, 6)
		synctest.Wait()
		wantBodies(t, s1, texts(3, 6))
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestGroupWaitsWhenAllHaveFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 3)
		tries := 0
		bad := func(context.Context, []event.Event) error {
			tries++
			return errors.New("down")
		}
		k1, k2 := newSink("k1", &flowtest.FakeSink{OnWrite: bad}), newSink("k2", &flowtest.FakeSink{OnWrite: bad})
		r := start(t, group(&script{picks: []int{0, 1}}, c, k1, k2))
		time.Sleep(10500 * time.Millisecond) // rounds at 0, 1, 3, 6, 10 s
		synctest.Wait()
		if tries != 10 {
			t.Errorf("%d tries in 10.5 s, want 10", tries)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestGroupOnDifferentChannelsPicksEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c1, c2 := &flowtest.FakeChannel{}, &flowtest.FakeChannel{}
		s1, s2 := &flowtest.FakeSink{}, &flowtest.FakeSink{}
		p := &script{picks: []int{0, 1}}
		r := start(t, &OutletWiring{Processor: p, Sinks: []SinkLink{
			{Sink: newSink("k1", s1), Channel: ref("c1", c1)}, {Sink: newSink("k2", s2), Channel: ref("c2", c2)}}})
		synctest.Wait()
		fill(t, c2, 0, 3) // while the group waits for c1
		time.Sleep(turn)
		synctest.Wait()
		wantBodies(t, s2, texts(0, 3))
		if got := p.told(); !slices.Equal(got, []string{"1 ok"}) {
			t.Errorf("told %v, want nothing of the empty take", got)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestPipelinedSinksOfAGroupRunOneAtATimeWhenPicksAlternate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 40)
		p1 := &flowtest.FakePipe{FakeSink: flowtest.FakeSink{Batch: 10}}
		p2 := &flowtest.FakePipe{FakeSink: flowtest.FakeSink{Batch: 10}}
		r := start(t, group(&script{picks: []int{0, 1}}, c, newSink("k1", p1), newSink("k2", p2)))
		for range 2 {
			synctest.Wait()
			if a, b := p1.InFlight(), p2.InFlight(); len(a) != 1 || len(b) != 0 {
				t.Fatalf("%d and %d in flight, want 1 and 0", len(a), len(b))
			}
			p1.InFlight()[0].End(nil)
			synctest.Wait()
			if a, b := p1.InFlight(), p2.InFlight(); len(a) != 0 || len(b) != 1 {
				t.Fatalf("%d and %d in flight, want 0 and 1", len(a), len(b))
			}
			p2.InFlight()[0].End(nil)
		}
		synctest.Wait()
		wantBodies(t, p1, append(texts(0, 10), texts(20, 30)...))
		wantBodies(t, p2, append(texts(10, 20), texts(30, 40)...))
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestSinkThatDoesNotOpenHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 3)
		s1 := &flowtest.FakeSink{OnOpen: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		s2 := &flowtest.FakeSink{}
		k1 := newSink("k1", s1)
		r := start(t, group(&inOrder{make([]time.Time, 2)}, c, k1, newSink("k2", s2)))
		time.Sleep(patience + time.Second)
		synctest.Wait()
		wantBodies(t, s2, texts(0, 3))
		if st := k1.Status(); st.State != Starting {
			t.Errorf("state %s, want STARTING", st.State)
		}
		if err := r.end(); err != nil { // cuts the Open short
			t.Error(err)
		}
	})
}
