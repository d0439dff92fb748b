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
			{"takes", ch.Takes.Value(), 3},
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
		if got := k.count.Backoff.Value(); got != 5 || k.health.well() {
			t.Errorf("waits for %v s, want 5", got)
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
		if got := k.count.Backoff.Value(); got != 0 || !k.health.well() {
			t.Errorf("waits for %v s when it delivers again", got)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestBatchIsNoLargerThanTheChannelAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{MaxTx: 4}
		fill(t, c, 0, 4)
		fill(t, c, 4, 6)
		s := &flowtest.FakeSink{Batch: 10}
		k := newSink("k1", s)
		r := start(t, one(k, c))
		synctest.Wait()
		if got := s.Writes(); !slices.Equal(got, []int{4, 2}) {
			t.Errorf("batches %v, want 4 2", got)
		}
		wantCount(t, "complete", k.count.BatchComplete.Value(), 1)
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestIdleTakesCountAsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newSink("k1", &flowtest.FakeSink{})
		w := one(k, &flowtest.FakeChannel{})
		r := start(t, w)
		time.Sleep(3*idle + time.Second)
		synctest.Wait()
		wantCount(t, "empty", k.count.BatchEmpty.Value(), 3)
		wantCount(t, "takes attempted", w.Sinks[0].Channel.Metrics.TakeAttempt.Value(), 3)
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestFailedTakeIsRetriedAndIsNoFailureOfTheSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := 3
		c := &flowtest.FakeChannel{OnTake: func() error {
			if left--; left >= 0 {
				return errors.New("disk is gone")
			}
			return nil
		}}
		fill(t, c, 0, 3)
		s := &flowtest.FakeSink{}
		k := newSink("k1", s)
		p := &script{picks: []int{0}}
		w := one(k, c)
		w.Processor = p
		r := start(t, w)
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		if st := k.Status(); st.State != Backoff || st.Err == nil {
			t.Errorf("%+v, want BACKOFF with the channel's error", st)
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		wantBodies(t, s, texts(0, 3))
		wantCount(t, "channel read failures", k.count.ChannelReadFail.Value(), 3)
		wantCount(t, "write failures", k.count.WriteFail.Value(), 0)
		if err := r.end(); err != nil {
			t.Error(err)
		}
		if got := p.told(); !slices.Equal(got, []string{"0 ok"}) {
			t.Errorf("the processor was told %v, want the sink's result alone", got)
		}
	})
}

func TestFailedCommitIsDeliveredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := true
		c := &flowtest.FakeChannel{OnCommit: func([]event.Event) error {
			if fail {
				fail = false
				return errors.New("disk is full")
			}
			return nil
		}}
		fill(t, c, 0, 3)
		s := &flowtest.FakeSink{}
		k := newSink("k1", s)
		r := start(t, one(k, c))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		wantBodies(t, s, append(texts(0, 3), texts(0, 3)...))
		wantCount(t, "channel read failures", k.count.ChannelReadFail.Value(), 1)
		wantCount(t, "delivered", k.count.DrainSuccess.Value(), 3)
		wantCount(t, "attempted", k.count.DrainAttempt.Value(), 6)
		if st := k.Status(); st.State != Running {
			t.Errorf("state %s, want RUNNING", st.State)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestClosedChannelIsNoBusyLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		k := newSink("k1", &flowtest.FakeSink{})
		r := start(t, one(k, c))
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := k.count.ChannelReadFail.Value(); n < 10 || n > 20 {
			t.Errorf("%d takes in a minute, want one each 5 s and some at first", n)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}
