package flowtest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"goflume/event"
	"goflume/sources"
)

// Recorder is an Output that keeps what it is sent. The fields are set before its first use.
type Recorder struct {
	Max, Room int // what Limits returns
	// OnSend, where not nil, is asked first; an error refuses the batch.
	OnSend func(ctx context.Context, b *event.Batch) error

	mu      sync.Mutex
	events  []event.Event
	copies  []event.Event // as they were when they came
	batches []int
	changed chan struct{} // closed at every change
}

var _ sources.Output = (*Recorder)(nil)

// Send implements sources.Output.
func (r *Recorder) Send(ctx context.Context, b *event.Batch) error {
	if r.OnSend != nil {
		if err := r.OnSend(ctx, b); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range b.Events {
		r.events = append(r.events, e)
		r.copies = append(r.copies, event.Event{Headers: slices.Clone(e.Headers), Body: bytes.Clone(e.Body)})
	}
	r.batches = append(r.batches, len(b.Events))
	b.Route = nil
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
	return nil
}

// Limits implements sources.Output.
func (r *Recorder) Limits() (max, room int) {
	if r.Room == 0 {
		return r.Max, -1
	}
	return r.Max, r.Room
}

// Bodies returns the bodies that came, in order.
func (r *Recorder) Bodies() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, e := range r.copies {
		all = append(all, string(e.Body))
	}
	return all
}

// Events returns copies of the events that came, as they were then.
func (r *Recorder) Events() []event.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.copies)
}

// Batches returns the number of events of each batch that came.
func (r *Recorder) Batches() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.batches)
}

// Wait waits until n events have come, and fails the test if ctx ends first.
func (r *Recorder) Wait(ctx context.Context, t testing.TB, n int) {
	t.Helper()
	for {
		r.mu.Lock()
		have := len(r.events)
		if r.changed == nil {
			r.changed = make(chan struct{})
		}
		changed := r.changed
		r.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("%d events came, want %d: %v", have, n, ctx.Err())
		}
	}
}

// Untouched tells whether all events are still what they were when they came: nobody may write to an event that was sent.
func (r *Recorder) Untouched() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, e := range r.events {
		if was := r.copies[i]; !bytes.Equal(e.Body, was.Body) || !slices.Equal(e.Headers, was.Headers) {
			return fmt.Errorf("event %d was %v %q when it was sent and is %v %q now", i, was.Headers, was.Body, e.Headers, e.Body)
		}
	}
	return nil
}
