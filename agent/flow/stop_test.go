package flow

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/flowtest"
)

// slow is an OnWrite that takes a second.
func slow(context.Context, []event.Event) error {
	time.Sleep(time.Second)
	return nil
}

func TestStopFinishesTheBatchAndTakesNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 30)
		s := &flowtest.FakeSink{Batch: 10, OnWrite: slow}
		r := start(t, one(newSink("k1", s), c))
		time.Sleep(1500 * time.Millisecond)
		if err := r.end(); err != nil {
			t.Error(err)
		}
		wantBodies(t, s, texts(0, 20))
		wantBodies(t, c, texts(20, 30))
	})
}

func TestStopDrainsWhatWouldBeLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 30)
		fails := 2
		s := &flowtest.FakeSink{Batch: 10, OnWrite: func(ctx context.Context, e []event.Event) error {
			if fails--; fails >= 0 {
				return errors.New("down for a while")
			}
			return slow(ctx, e)
		}}
		w := one(newSink("k1", s), c)
		w.Sinks[0].Drain = true
		r := start(t, w)
		synctest.Wait()
		if err := r.end(); err != nil {
			t.Error(err)
		}
		wantBodies(t, s, texts(0, 30))
	})
}

func TestDrainingOutletWaitsForWhatOthersHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 3)
		other, err := c.Take(t.Context(), 3, 0)
		if err != nil {
			t.Fatal(err)
		}
		s := &flowtest.FakeSink{}
		w := one(newSink("k1", s), c)
		w.Sinks[0].Drain = true
		r := start(t, w)
		r.stop()
		time.Sleep(time.Minute)
		if err := other.Rollback(); err != nil {
			t.Fatal(err)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
		wantBodies(t, s, texts(0, 3))
	})
}

func TestDrainEmptiesChannelsThatTheGroupDoesNotPick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c1, c2 := &flowtest.FakeChannel{}, &flowtest.FakeChannel{}
		fill(t, c2, 0, 3)
		s2 := &flowtest.FakeSink{}
		r := start(t, &OutletWiring{Processor: &script{picks: []int{0}}, Sinks: []SinkLink{
			{Sink: newSink("k1", &flowtest.FakeSink{}), Channel: ref("c1", c1), Drain: true},
			{Sink: newSink("k2", s2), Channel: ref("c2", c2), Drain: true}}})
		synctest.Wait()
		if err := r.end(); err != nil {
			t.Error(err)
		}
		wantBodies(t, s2, texts(0, 3))
	})
}

func TestPipelineDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 100)
		p := &flowtest.FakePipe{FakeSink: flowtest.FakeSink{Batch: 10, OnWrite: slow}, Auto: true, Size: 1}
		w := one(newSink("k1", p), c)
		w.Sinks[0].Drain = true
		r := start(t, w)
		time.Sleep(1500 * time.Millisecond)
		if err := r.end(); err != nil {
			t.Error(err)
		}
		wantBodies(t, p, texts(0, 100))
	})
}

func TestHardStopEndsADrainThatCannotSucceed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 30)
		s := &flowtest.FakeSink{OnOpen: func(context.Context) error { return errors.New("refused") }}
		w := one(newSink("k1", s), c)
		w.Sinks[0].Drain = true
		r := start(t, w)
		r.stop()
		time.Sleep(30 * time.Second)
		r.hard()
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
		wantBodies(t, c, texts(0, 30))
	})
}

func TestHardStopCancelsTheWriteUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 3)
		s := &flowtest.FakeSink{OnWrite: func(ctx context.Context, _ []event.Event) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		k := newSink("k1", s)
		r := start(t, one(k, c))
		synctest.Wait()
		if st := k.Status(); st.Writing.IsZero() {
			t.Error("the status does not show the Write that runs")
		}
		r.stop()
		synctest.Wait()
		began := time.Now()
		r.hard()
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("ended %v after the hard stop, want at once", d)
		}
		wantBodies(t, c, texts(0, 3))
	})
}

func TestSinkThatIgnoresTheHardStopIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 3)
		release := make(chan struct{})
		s := &flowtest.FakeSink{OnWrite: func(context.Context, []event.Event) error {
			<-release
			return errors.New("late")
		}}
		k := newSink("k1", s)
		r := start(t, one(k, c))
		synctest.Wait()
		r.stop()
		r.hard()
		began := time.Now()
		if err := <-r.ended; !errors.Is(err, errStuck) {
			t.Errorf("Run: %v, want %v", err, errStuck)
		}
		if d := time.Since(began); d != patience {
			t.Errorf("given up after %v, want %v", d, patience)
		}
		if st := k.Status(); st.State != Failed {
			t.Errorf("state %s, want FAILED", st.State)
		}
		if err := k.Close(t.Context()); err == nil {
			t.Error("Close of a sink that is still in Write: no error")
		}
		close(release)
		synctest.Wait()
		wantBodies(t, c, texts(0, 3))
	})
}

func TestRunCanBeCalledAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		s := &flowtest.FakeSink{}
		r := start(t, one(newSink("k1", s), c))
		fill(t, c, 0, 3)
		synctest.Wait()
		r.stop()
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
		fill(t, c, 3, 6)
		stop, cancel := context.WithCancel(t.Context())
		go func() { r.ended <- r.outlet.Run(stop, t.Context()) }()
		synctest.Wait()
		cancel()
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
		wantBodies(t, s, texts(0, 6))
		if opens, _ := s.Calls(); opens != 1 {
			t.Errorf("%d opens, want 1", opens)
		}
	})
}

func TestOutletRewiresBetweenBatchesAndSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c1, c2 := &flowtest.FakeChannel{}, &flowtest.FakeChannel{}
		fill(t, c1, 0, 20)
		s := &flowtest.FakeSink{Batch: 10, OnWrite: slow}
		k := newSink("k1", s)
		r := start(t, one(k, c1))
		time.Sleep(500 * time.Millisecond)
		settled := r.outlet.Rewire(one(k, c2))
		fill(t, c2, 20, 25)
		began := time.Now()
		if err := settled(t.Context()); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d != 500*time.Millisecond {
			t.Errorf("settled after %v, want the 500 ms that the batch still took", d)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		wantBodies(t, s, append(texts(0, 10), texts(20, 25)...))
		wantBodies(t, c1, texts(10, 20))
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestSinkMovesToAnotherOutletWithoutBeingClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		s := &flowtest.FakeSink{}
		k := newSink("k1", s)
		r1 := start(t, one(k, c))
		fill(t, c, 0, 3)
		synctest.Wait()
		settled := r1.outlet.Rewire(nil)
		if err := settled(t.Context()); err != nil {
			t.Error(err)
		}
		fill(t, c, 3, 6)
		synctest.Wait()
		wantBodies(t, s, texts(0, 3))
		r2 := start(t, group(&inOrder{make([]time.Time, 2)}, c, k, newSink("k2", &flowtest.FakeSink{})))
		synctest.Wait()
		wantBodies(t, s, texts(0, 6))
		if opens, closes := s.Calls(); opens != 1 || closes != 0 {
			t.Errorf("%d opens and %d closes, want 1 and 0", opens, closes)
		}
		if err := errors.Join(r1.end(), r2.end()); err != nil {
			t.Error(err)
		}
	})
}
