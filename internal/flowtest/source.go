package flowtest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"goflume/event"
	"goflume/sources"
)

// SourceCase says how to test a source type.
type SourceCase struct {
	// New returns a source that does not run.
	New func(t *testing.T) sources.Source
	// Feed has the running source bring in n events, such as by sending it lines, and returns their bodies in order. It is
	// called up to twice for a source and says other bodies each time. A client that is refused goes on.
	Feed func(t *testing.T, s sources.Source, n int) []string
	// Retries says that the source owns its position and sends again what was refused.
	Retries bool
}

// Source runs the conformance suite of sources.
func Source(t *testing.T, c SourceCase) {
	t.Run("Delivers", c.delivers)
	t.Run("RunsAgain", c.runsAgain)
	t.Run("SurvivesRefusals", c.survivesRefusals)
	t.Run("EndsWhileRefused", c.endsWhileRefused)
	t.Run("EndsWhenCancelledBefore", c.endsAtOnce)
}

// run starts the source. The function returned ends it and waits for Run, which must return nil.
func (SourceCase) run(t *testing.T, s sources.Source, out sources.Output) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, out) }()
	return func() {
		t.Helper()
		cancel()
		select {
		case err := <-done:
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("Run: %v", err)
			}
		case <-within(t).Done():
			t.Fatalf("Run has not returned %v after its context ended", bound)
		}
	}
}

// TellsThatItRuns runs a source that has nothing to wait for until it says that it runs: what says nothing is waited for at
// every start and reload. build gives the source that Health.
func TellsThatItRuns(t *testing.T, build func(health func(error)) sources.Source) {
	t.Helper()
	told, once := make(chan struct{}), sync.Once{}
	end := SourceCase{}.run(t, build(func(err error) {
		if err != nil {
			t.Errorf("the source says %v", err)
		}
		once.Do(func() { close(told) })
	}), &Recorder{})
	defer end()
	select {
	case <-told:
	case <-within(t).Done():
		t.Error("the source has not said that it runs")
	}
}

func (c SourceCase) delivers(t *testing.T) {
	s, out := c.New(t), &Recorder{}
	end := c.run(t, s, out)
	sent := c.Feed(t, s, 10)
	out.Wait(within(t), t, len(sent))
	sent = append(sent, c.Feed(t, s, 3)...)
	out.Wait(within(t), t, len(sent))
	end()
	want(t, "delivered", out.Bodies(), sent)
	if err := out.Untouched(); err != nil {
		t.Error(err)
	}
}

// runsAgain: a paused source is one whose Run has returned.
func (c SourceCase) runsAgain(t *testing.T) {
	s, out := c.New(t), &Recorder{}
	end := c.run(t, s, out)
	sent := c.Feed(t, s, 3)
	out.Wait(within(t), t, len(sent))
	end()
	end = c.run(t, s, out)
	sent = append(sent, c.Feed(t, s, 3)...)
	out.Wait(within(t), t, len(sent))
	end()
	want(t, "delivered by two runs", out.Bodies(), sent)
}

func (c SourceCase) survivesRefusals(t *testing.T) {
	var refusals atomic.Int32
	refused := make(chan struct{})
	out := &Recorder{OnSend: func(context.Context, *event.Batch) error {
		if refusals.Add(1) == 1 {
			close(refused)
			return &event.Refused{Kind: event.ErrFull, Text: "no room"}
		}
		return nil
	}}
	s := c.New(t)
	end := c.run(t, s, out)
	first := c.Feed(t, s, 1)
	select {
	case <-refused:
	case <-within(t).Done():
		t.Fatal("nothing was sent")
	}
	if c.Retries {
		out.Wait(within(t), t, len(first))
	} else {
		first = nil // its client was told
	}
	sent := append(first, c.Feed(t, s, 2)...)
	out.Wait(within(t), t, len(sent))
	end()
	want(t, "delivered", out.Bodies(), sent)
}

func (c SourceCase) endsWhileRefused(t *testing.T) {
	sent := make(chan struct{}, 1)
	out := &Recorder{OnSend: func(context.Context, *event.Batch) error {
		select {
		case sent <- struct{}{}:
		default:
		}
		return &event.Refused{Kind: event.ErrFull, Text: "no room"}
	}}
	s := c.New(t)
	end := c.run(t, s, out)
	c.Feed(t, s, 1)
	select {
	case <-sent:
	case <-within(t).Done():
		t.Fatal("nothing was sent")
	}
	end()
}

func (c SourceCase) endsAtOnce(t *testing.T) {
	done := make(chan struct{})
	s := c.New(t)
	go func() {
		defer close(done)
		_ = s.Run(now(t), &Recorder{}) // a bind cut short may be an error
	}()
	select {
	case <-done:
	case <-within(t).Done():
		t.Fatalf("Run with a cancelled context has not returned after %v", bound)
	}
}

// FakeSource is a source that does what OnRun does.
type FakeSource struct {
	OnRun func(ctx context.Context, out sources.Output) error
}

var _ sources.Source = (*FakeSource)(nil)

// Run implements sources.Source.
func (s *FakeSource) Run(ctx context.Context, out sources.Output) error { return s.OnRun(ctx, out) }
