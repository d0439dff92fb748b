package flow

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/flowtest"
)

func TestOpenIsRetriedWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 3)
		began := time.Now()
		var tries []time.Duration
		s := &flowtest.FakeSink{OnOpen: func(context.Context) error {
			if tries = append(tries, time.Since(began)); len(tries) < 4 {
				return errors.New("connection refused")
			}
			return nil
		}}
		k := newSink("k1", s)
		r := start(t, one(k, c))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if st := k.Status(); st.State != Backoff || st.Delivered || st.Errors != 3 {
			t.Errorf("%+v, want BACKOFF after 3 failures", st)
		}
		wantCount(t, "taken before it is open", int64(c.Stats().Held), 0)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if want := []time.Duration{0, time.Second, 3 * time.Second, 6 * time.Second}; !slices.Equal(tries, want) {
			t.Errorf("opened at %v, want %v", tries, want)
		}
		wantBodies(t, s, texts(0, 3))
		if st := k.Status(); st.State != Running || !st.Delivered {
			t.Errorf("%+v, want RUNNING", st)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

// schedule is a ticker that wants every second, and notes when it was ticked.
type schedule struct {
	began time.Time
	at    []time.Duration
}

func (s *schedule) tick(_ context.Context, now time.Time) (time.Time, error) {
	s.at = append(s.at, now.Sub(s.began))
	return now.Add(time.Second), nil
}

func TestTickRunsAlsoWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sched := &schedule{began: time.Now()}
		k := newSink("k1", &flowtest.FakeTicker{OnTick: sched.tick})
		r := start(t, one(k, &flowtest.FakeChannel{}))
		time.Sleep(4500 * time.Millisecond)
		synctest.Wait()
		var want []time.Duration
		for i := range 5 {
			want = append(want, time.Duration(i)*time.Second)
		}
		if !slices.Equal(sched.at, want) {
			t.Errorf("ticked at %v, want %v", sched.at, want)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestTickRunsForTheSinkThatIsNotPickedAndNeverDuringWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		var writing atomic.Bool
		met := false
		busy, idler := &schedule{began: time.Now()}, &schedule{began: time.Now()}
		s1 := &flowtest.FakeTicker{OnTick: func(ctx context.Context, now time.Time) (time.Time, error) {
			met = met || writing.Load()
			return busy.tick(ctx, now)
		}}
		s1.OnWrite = func(context.Context, []event.Event) error {
			writing.Store(true)
			time.Sleep(700 * time.Millisecond)
			writing.Store(false)
			return nil
		}
		k1, k2 := newSink("k1", s1), newSink("k2", &flowtest.FakeTicker{OnTick: idler.tick})
		for i := range 10 {
			fill(t, c, i, i+1)
		}
		s1.Batch = 1
		r := start(t, group(&inOrder{make([]time.Time, 2)}, c, k1, k2))
		time.Sleep(8 * time.Second)
		synctest.Wait()
		if met {
			t.Error("Tick ran during Write")
		}
		if len(busy.at) < 5 || len(idler.at) < 5 {
			t.Errorf("ticked %d and %d times in 8 s, want each second or soon after", len(busy.at), len(idler.at))
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestTickerWithNothingPlannedIsAskedAfterEachWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		ticks := 0
		s := &flowtest.FakeTicker{OnTick: func(context.Context, time.Time) (time.Time, error) {
			ticks++
			return time.Time{}, nil
		}}
		r := start(t, one(newSink("k1", s), c))
		time.Sleep(time.Hour)
		synctest.Wait()
		if ticks != 1 {
			t.Errorf("%d ticks of an idle sink, want the one after Open", ticks)
		}
		for i := range 3 {
			fill(t, c, i, i+1)
			synctest.Wait()
		}
		if ticks != 4 {
			t.Errorf("%d ticks after 3 writes, want 4", ticks)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestFailedTickIsShownAndRetriedWhileDeliveryGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		left := 2
		s := &flowtest.FakeTicker{OnTick: func(_ context.Context, now time.Time) (time.Time, error) {
			if left--; left >= 0 {
				return time.Time{}, errors.New("rename refused")
			}
			return time.Time{}, nil
		}}
		k := newSink("k1", s)
		r := start(t, one(k, c))
		synctest.Wait()
		fill(t, c, 0, 3)
		synctest.Wait()
		wantBodies(t, s, texts(0, 3))
		if st := k.Status(); st.State != Backoff || st.Err == nil {
			t.Errorf("%+v, want BACKOFF with the error of Tick", st)
		}
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if st := k.Status(); st.State != Running || st.Errors != 2 {
			t.Errorf("%+v, want RUNNING after 2 failures", st)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestPanicIsAFailureAndTheSinkIsOpenedAgain(t *testing.T) {
	for _, where := range []string{"write", "tick", "start"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &flowtest.FakeChannel{}
				fill(t, c, 0, 3)
				broken := true
				crash := func(context.Context, []event.Event) error {
					if broken {
						broken = false
						panic("sink bug")
					}
					return nil
				}
				var k *Sink
				var s interface {
					Bodies() []string
					Calls() (int, int)
				}
				switch where {
				case "write":
					f := &flowtest.FakeSink{OnWrite: crash}
					s, k = f, newSink("k1", f)
				case "tick":
					f := &flowtest.FakeTicker{OnTick: func(ctx context.Context, _ time.Time) (time.Time, error) {
						return time.Time{}, crash(ctx, nil)
					}}
					s, k = f, newSink("k1", f)
				case "start":
					f := &flowtest.FakePipe{OnStart: crash, Auto: true}
					s, k = f, newSink("k1", f)
				}
				r := start(t, one(k, c))
				time.Sleep(2 * time.Second)
				synctest.Wait()
				wantBodies(t, s, texts(0, 3))
				if opens, closes := s.Calls(); opens != 2 || closes != 1 {
					t.Errorf("%d opens and %d closes, want 2 and 1", opens, closes)
				}
				if st := k.Status(); st.State != Running || st.Errors != 1 || !strings.Contains(st.Err.Error(), "sink bug") {
					t.Errorf("%+v, want RUNNING after the panic", st)
				}
				if err := r.end(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestCloseGivesUpOnASinkThatDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := &flowtest.FakeSink{OnClose: func(context.Context) error {
			<-release
			return nil
		}}
		k := newSink("k1", s)
		r := start(t, one(k, &flowtest.FakeChannel{}))
		synctest.Wait()
		if err := r.end(); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := k.Close(ctx); !errors.Is(err, errStuck) {
			t.Errorf("Close: %v, want %v", err, errStuck)
		}
		if d := time.Since(began); d != time.Second+patience {
			t.Errorf("gave up after %v, want %v", d, time.Second+patience)
		}
		if st := k.Status(); st.State != Failed {
			t.Errorf("state %s, want FAILED", st.State)
		}
		if err := k.Close(ctx); err == nil {
			t.Error("second Close of a stuck sink: no error")
		}
		close(release)
	})
}

func TestCloseOfASinkThatWasNeverOpenedDoesNothing(t *testing.T) {
	s := &flowtest.FakeSink{}
	k := newSink("k1", s)
	if err := k.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, closes := s.Calls(); closes != 0 {
		t.Errorf("%d closes, want 0", closes)
	}
}
