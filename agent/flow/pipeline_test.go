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

func TestPipelineCommitsInTakeOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 50)
		p := &flowtest.FakePipe{FakeSink: flowtest.FakeSink{Batch: 10}, Size: 3}
		k := newSink("k1", p)
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
		k := newSink("k1", p)
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

func TestPipelineStartErrorRollsBackInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 30)
		starts := 0
		p := &flowtest.FakePipe{FakeSink: flowtest.FakeSink{Batch: 10}}
		p.OnStart = func(context.Context, []event.Event) error {
			if starts++; starts == 3 {
				return errors.New("no connection") // while two are in flight that only Abort ends
			}
			return nil
		}
		k := newSink("k1", p)
		r := start(t, one(k, c))
		synctest.Wait()
		if got := c.Bodies(); !slices.Equal(got, texts(0, 30)) {
			t.Errorf("in the channel: %v, want all", got)
		}
		if p.Aborts() != 1 {
			t.Errorf("%d aborts, want 1", p.Aborts())
		}
		wantCount(t, "retried", k.count.Retried.Value(), 30)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for _, f := range p.InFlight() {
			f.End(nil)
		}
		synctest.Wait()
		wantBodies(t, p, texts(0, 30))
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestPipelineStopFinishesWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 100)
		p := &flowtest.FakePipe{FakeSink: flowtest.FakeSink{Batch: 10}, Size: 2}
		r := start(t, one(newSink("k1", p), c))
		synctest.Wait()
		r.stop()
		synctest.Wait()
		for _, f := range p.InFlight() {
			f.End(nil)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
		wantBodies(t, p, texts(0, 20))
		if got := c.Bodies(); !slices.Equal(got, texts(20, 100)) {
			t.Errorf("in the channel: %v, want 20..99", got)
		}
	})
}

func TestPipelineHardStopAborts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 40)
		p := &flowtest.FakePipe{FakeSink: flowtest.FakeSink{Batch: 10}}
		r := start(t, one(newSink("k1", p), c))
		synctest.Wait()
		r.stop()
		time.Sleep(time.Minute)
		r.hard()
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
		if got := c.Bodies(); !slices.Equal(got, texts(0, 40)) {
			t.Errorf("in the channel: %v, want all", got)
		}
	})
}

func TestPipelineCommitErrorIsDeliveredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		commits := 0
		c := &flowtest.FakeChannel{OnCommit: func([]event.Event) error {
			if commits++; commits == 2 {
				return errors.New("disk is full")
			}
			return nil
		}}
		fill(t, c, 0, 30)
		p := &flowtest.FakePipe{FakeSink: flowtest.FakeSink{Batch: 10}, Auto: true, Size: 1}
		k := newSink("k1", p)
		r := start(t, one(k, c))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		got := p.Bodies()
		slices.Sort(got)
		want := append(texts(0, 30), texts(10, 20)...)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("written: %v, want each once and 10..19 twice", got)
		}
		wantCount(t, "channel read failures", k.count.ChannelReadFail.Value(), 1)
		if s := c.Stats(); s.Size != 0 || s.Held != 0 {
			t.Errorf("%+v, want an empty channel", s)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

// A sink may say from batch to batch whether it gains from several in flight.
func TestAWindowOfOneIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 30)
		starts := 0
		p := &flowtest.FakePipe{Auto: true, Size: 1, OnStart: func(context.Context, []event.Event) error { starts++; return nil }}
		p.Batch = 10
		p.OnWrite = func(context.Context, []event.Event) error { p.Size++; return nil }
		r := start(t, one(newSink("k1", p), c))
		synctest.Wait()
		wantBodies(t, p, texts(0, 30))
		if starts != 2 {
			t.Errorf("%d batches started, want 2 after one that was written", starts)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

// doubleReporter reports each batch twice, the second time with an error.
type doubleReporter struct{ *flowtest.FakePipe }

func (d doubleReporter) Start(ctx context.Context, events []event.Event, done func(error)) error {
	return d.FakePipe.Start(ctx, events, func(err error) {
		done(err)
		done(errors.New("again"))
	})
}

func TestSecondReportOfABatchIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 30)
		p := &flowtest.FakePipe{FakeSink: flowtest.FakeSink{Batch: 10}, Auto: true}
		k := newSink("k1", doubleReporter{p})
		r := start(t, one(k, c))
		synctest.Wait()
		wantBodies(t, p, texts(0, 30))
		wantCount(t, "write failures", k.count.WriteFail.Value(), 0)
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

// forgetful never reports a batch.
type forgetful struct{ flowtest.FakeSink }

func (f *forgetful) Start(context.Context, []event.Event, func(error)) error { return nil }
func (f *forgetful) Window() int                                             { return 2 }
func (f *forgetful) Abort()                                                  {}

var _ sinks.Pipelined = (*forgetful)(nil)

func TestBatchNeverReportedGoesBackAtTheHardStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 3)
		r := start(t, one(newSink("k1", &forgetful{}), c))
		synctest.Wait()
		r.stop()
		r.hard()
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
		wantBodies(t, c, texts(0, 3))
	})
}

// tickingPipe is a pipelined sink whose batches end at a Tick.
type tickingPipe struct {
	*flowtest.FakePipe
	ticks    int
	starting bool
	met      bool // Tick and Start ran at once
}

func (p *tickingPipe) Start(ctx context.Context, events []event.Event, done func(error)) error {
	p.starting = true
	defer func() { p.starting = false }()
	return p.FakePipe.Start(ctx, events, done)
}

func (p *tickingPipe) Tick(_ context.Context, now time.Time) (time.Time, error) {
	p.met = p.met || p.starting
	p.ticks++
	for _, f := range p.InFlight() {
		f.End(nil)
	}
	return now.Add(time.Second), nil
}

func TestPipelineIsTickedWhileBatchesAreInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &flowtest.FakeChannel{}
		fill(t, c, 0, 100)
		p := &tickingPipe{FakePipe: &flowtest.FakePipe{FakeSink: flowtest.FakeSink{Batch: 10}}}
		r := start(t, one(newSink("k1", p), c))
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		wantBodies(t, p, texts(0, 80))
		r.stop() // the last two batches end with the next tick
		if err := r.end(); err != nil {
			t.Error(err)
		}
		wantBodies(t, p, texts(0, 100))
		if p.met {
			t.Error("Tick ran during Start")
		}
	})
}
