package flow

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/sinks"
)

// running is an outlet that runs in a bubble.
type running struct {
	t          *testing.T
	outlet     *Outlet
	stop, hard context.CancelFunc
	ended      chan error
}

func start(t *testing.T, w *OutletWiring) *running {
	t.Helper()
	stop, cancelStop := context.WithCancel(t.Context())
	hard, cancelHard := context.WithCancel(t.Context())
	r := &running{t: t, outlet: newOutlet(), stop: cancelStop, hard: cancelHard, ended: make(chan error, 1)}
	r.outlet.Rewire(w)
	go func() { r.ended <- r.outlet.Run(stop, hard) }()
	return r
}

// end stops the outlet and returns what Run returned.
func (r *running) end() error {
	r.t.Helper()
	r.stop()
	err := <-r.ended
	r.hard()
	return err
}

func one(k *Sink, c *flowtest.FakeChannel) *OutletWiring {
	return &OutletWiring{Sinks: []SinkLink{{Sink: k, Channel: ref("c1", c)}}}
}

func wantBodies(t *testing.T, s interface{ Bodies() []string }, want []string) {
	t.Helper()
	if got := s.Bodies(); !slices.Equal(got, want) {
		t.Errorf("written: %v, want %v", got, want)
	}
}

func TestOutletDeliversInOrderAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 25)
		s := &flowtest.FakeSink{Batch: 10}
		k := newSink("k1", s)
		w := one(k, c)
		r := start(t, w)
		synctest.Wait()
		wantBodies(t, s, texts(0, 25))
		if got := s.Writes(); !slices.Equal(got, []int{10, 10, 5}) {
			t.Errorf("batches %v, want 10 10 5", got)
		}
		n, ch := k.count, w.Sinks[0].Channel.Metrics
		for _, c := range []struct {
			name      string
			got, want int64
		}{
			{"complete", n.BatchComplete.Value(), 2}, {"underflow", n.BatchUnderflow.Value(), 1},
			{"attempt", n.DrainAttempt.Value(), 25}, {"success", n.DrainSuccess.Value(), 25},
			{"take attempt", ch.TakeAttempt.Value(), 26}, {"take success", ch.TakeSuccess.Value(), 25},
		} {
			if c.got != c.want {
				t.Errorf("%s: %d, want %d", c.name, c.got, c.want)
			}
		}
		if st := k.Status(); st.State != Running || !st.Delivered {
			t.Errorf("status %+v, want RUNNING and delivered", st)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
		if err := k.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if st := k.Status(); st.State != Stopped {
			t.Errorf("state %s after Close, want STOPPED", st.State)
		}
	})
}

func TestFailedWriteIsRolledBackAndRetriedWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 3)
		began := time.Now()
		var tries []time.Duration
		down := errors.New("destination is down")
		s := &flowtest.FakeSink{OnWrite: func(context.Context, []event.Event) error {
			tries = append(tries, time.Since(began))
			if len(tries) < 8 {
				return down
			}
			return nil
		}}
		k := newSink("k1", s)
		r := start(t, one(k, c))
		time.Sleep(20500 * time.Millisecond)
		synctest.Wait()
		if st := k.Status(); st.State != Backoff || !errors.Is(st.Err, down) || st.Errors != 7 {
			t.Errorf("status %+v, want BACKOFF after 7 failures", st)
		}
		if got := k.count.Retried.Value(); got != 21 {
			t.Errorf("%d events retried, want 21", got)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		var want []time.Duration
		for _, s := range []int{0, 1, 3, 6, 10, 15, 20, 25} {
			want = append(want, time.Duration(s)*time.Second)
		}
		if !slices.Equal(tries, want) {
			t.Errorf("tried at %v, want %v", tries, want)
		}
		wantBodies(t, s, texts(0, 3))
		if st := k.Status(); st.State != Running {
			t.Errorf("state %s, want RUNNING", st.State)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestPipelineCommitsInTakeOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 50)
		p := &flowtest.FakePipe{FakeSink: flowtest.FakeSink{Batch: 10}, Size: 3}
		k := newSink("k1", sinks.Sink(p))
		r := start(t, one(k, c))
		synctest.Wait()
		open := p.InFlight()
		if len(open) != 3 {
			t.Fatalf("%d batches in flight, want the window of 3", len(open))
		}
		open[1].End(nil)
		open[2].End(nil)
		synctest.Wait()
		if s := c.Stats(); s.Held != 30 {
			t.Errorf("%d held before the first has ended, want 30", s.Held)
		}
		open[0].End(nil)
		synctest.Wait()
		if s := c.Stats(); s.Held != 20 || s.Size != 0 {
			t.Errorf("%+v, want the last two batches held", s)
		}
		for _, f := range p.InFlight() {
			f.End(nil)
		}
		synctest.Wait()
		if s := c.Stats(); s.Held != 0 {
			t.Errorf("%d held, want 0", s.Held)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestPipelineFailureGivesAllBackInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 50)
		p := &flowtest.FakePipe{FakeSink: flowtest.FakeSink{Batch: 10}}
		k := newSink("k1", sinks.Sink(p))
		r := start(t, one(k, c))
		synctest.Wait()
		open := p.InFlight()
		open[0].End(nil)
		open[2].End(nil) // goes back too: it lies behind the one that fails
		open[1].End(errors.New("broken"))
		synctest.Wait()
		if got := c.Bodies(); !slices.Equal(got, texts(10, 50)) {
			t.Errorf("in the channel: %v, want 10..49", got)
		}
		if p.Aborts() != 1 || k.count.WriteFail.Value() != 1 {
			t.Errorf("%d aborts, %d failures, want 1 and 1", p.Aborts(), k.count.WriteFail.Value())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for len(p.InFlight()) > 0 {
			p.InFlight()[0].End(nil)
			synctest.Wait()
		}
		want := slices.Concat(texts(0, 10), texts(20, 30), texts(10, 50))
		wantBodies(t, p, want)
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}
