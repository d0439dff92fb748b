// Package logger is the sink that logs events at INFO, for trying things out: headers, and the first bytes of the body as a
// hex dump, in the very line of Flume's LoggerSink that its tutorials tell to look for.
package logger

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"goflume/event"
	"goflume/internal/javafmt"
	"goflume/internal/registry"
	"goflume/sinks"
)

// Settings of the logger sink.
type Settings struct {
	// Most bytes of a body that are logged. Flume reads this property and then always logs 16.
	MaxBytesToLog int `conf:"maxBytesToLog" min:"0"`
}

func init() {
	registry.Add(sinks.Registry, "logger", []string{"org.apache.flume.sink.LoggerSink"}, Settings{MaxBytesToLog: 16}, New)
}

// batchSize is small, so that an event is seen soon after it came even where the log is slow.
const batchSize = 100

// Sink logs events.
type Sink struct {
	log      *slog.Logger
	maxBytes int
	line     []byte // scratch
}

// New returns a logger sink.
func New(env registry.Env, s Settings) (sinks.Sink, error) {
	return &Sink{log: env.Log, maxBytes: s.MaxBytesToLog}, nil
}

// Open does nothing.
func (s *Sink) Open(context.Context) error { return nil }

// Write logs the events. An event is delivered when the log has taken its line.
func (s *Sink) Write(ctx context.Context, events []event.Event) error {
	h := s.log.Handler()
	if !h.Enabled(ctx, slog.LevelInfo) {
		return nil
	}
	for i := range events {
		s.line = appendEvent(s.line[:0], &events[i], s.maxBytes)
		if err := h.Handle(ctx, slog.NewRecord(time.Now(), slog.LevelInfo, string(s.line), 0)); err != nil {
			return fmt.Errorf("logging an event: %w", err)
		}
	}
	return nil
}

// BatchSize is the most events of one Write.
func (s *Sink) BatchSize() int { return batchSize }

// Close does nothing.
func (s *Sink) Close(context.Context) error { return nil }

// appendEvent appends the event as Flume's EventHelper prints it, but for control characters of headers: a header of somebody
// else's must not begin a line of the log, nor speak to a terminal.
func appendEvent(dst []byte, e *event.Event, maxBytes int) []byte {
	dst = append(dst, "Event: { headers:"...)
	from := len(dst)
	dst = javafmt.AppendHeaders(dst, e.Headers)
	dotControls(dst[from:])
	dst = append(dst, " body:"...)
	dst = appendDump(dst, e.Body[:min(len(e.Body), maxBytes)])
	return append(dst, " }"...)
}

// dotControls puts dots in the place of control characters: ASCII's, and those of two bytes in UTF-8 (U+0080 to U+009F).
func dotControls(text []byte) {
	for i, c := range text {
		switch {
		case c < ' ' || c == 0x7f:
			text[i] = '.'
		case c == 0xc2 && i+1 < len(text) && text[i+1] >= 0x80 && text[i+1] < 0xa0:
			text[i], text[i+1] = '.', '.'
		}
	}
}
