package flowtest

import (
	"context"
	"slices"
	"sync"
	"time"

	"goflume/event"
	"goflume/sinks"
)

// FakeSink is a sink that records what it was given and fails as it is told. The fields are set before its first use.
type FakeSink struct {
	Batch int // BatchSize; 0 means 100
	// Where not nil they are called, and their error is returned. What OnWrite refused is not recorded.
	OnOpen  func(ctx context.Context) error
	OnWrite func(ctx context.Context, events []event.Event) error
	OnClose func(ctx context.Context) error

	mu     sync.Mutex
	bodies []string
	writes []int
	opens  int
	closes int
}

var _ sinks.Sink = (*FakeSink)(nil)

// Open implements sinks.Sink.
func (s *FakeSink) Open(ctx context.Context) error {
	s.mu.Lock()
	s.opens++
	s.mu.Unlock()
	if s.OnOpen != nil {
		return s.OnOpen(ctx)
	}
	return nil
}

// Write implements sinks.Sink.
func (s *FakeSink) Write(ctx context.Context, events []event.Event) error {
	if s.OnWrite != nil {
		if err := s.OnWrite(ctx, events); err != nil {
			return err
		}
	}
	s.record(events)
	return nil
}

func (s *FakeSink) record(events []event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		s.bodies = append(s.bodies, string(e.Body))
	}
	s.writes = append(s.writes, len(events))
}

// BatchSize implements sinks.Sink.
func (s *FakeSink) BatchSize() int {
	if s.Batch == 0 {
		return 100
	}
	return s.Batch
}

// Close implements sinks.Sink.
func (s *FakeSink) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closes++
	s.mu.Unlock()
	if s.OnClose != nil {
		return s.OnClose(ctx)
	}
	return nil
}

// Bodies returns what was written, in order.
func (s *FakeSink) Bodies() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bodies)
}

// Writes returns the number of events of each batch that was written.
func (s *FakeSink) Writes() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.writes)
}

// Calls returns how often Open and Close were called.
func (s *FakeSink) Calls() (opens, closes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opens, s.closes
}

// FakeTicker is a FakeSink with a Tick.
type FakeTicker struct {
	FakeSink
	OnTick func(ctx context.Context, now time.Time) (next time.Time, err error)
}

var _ sinks.Ticker = (*FakeTicker)(nil)

// Tick implements sinks.Ticker.
func (s *FakeTicker) Tick(ctx context.Context, now time.Time) (time.Time, error) {
	return s.OnTick(ctx, now)
}
