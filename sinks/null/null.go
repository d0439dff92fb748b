// Package null is the sink that takes events and forgets them, for measuring what stands before it.
package null

import (
	"context"
	"fmt"
	"log/slog"

	"goflume/event"
	"goflume/internal/registry"
	"goflume/sinks"
)

// Settings of the null sink.
type Settings struct {
	// Most events taken at once.
	BatchSize int `conf:"batchSize,batch" min:"1"`
	// Number of events after which a line in the log says how many there were.
	LogEveryNEvents int64 `conf:"logEveryNEvents" min:"1"`
}

func init() {
	registry.Add(sinks.Registry, "null", []string{"org.apache.flume.sink.NullSink"},
		Settings{BatchSize: 100, LogEveryNEvents: 10000}, New)
}

// Sink counts events.
type Sink struct {
	settings Settings
	name     string
	log      *slog.Logger
	events   int64
}

// New returns a null sink.
func New(env registry.Env, s Settings) (sinks.Sink, error) {
	return &Sink{settings: s, name: env.Name, log: env.Log}, nil
}

// Open does nothing.
func (s *Sink) Open(context.Context) error { return nil }

// Write forgets the events.
func (s *Sink) Write(_ context.Context, events []event.Event) error {
	every := s.settings.LogEveryNEvents
	before := s.events / every
	s.events += int64(len(events))
	if now := s.events / every; now > before {
		s.log.Info(fmt.Sprintf("Null sink %s successful processed %d events.", s.name, now*every))
	}
	return nil
}

// BatchSize is the most events of one Write.
func (s *Sink) BatchSize() int { return s.settings.BatchSize }

// Close does nothing.
func (s *Sink) Close(context.Context) error { return nil }
