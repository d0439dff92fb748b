// Package fileroll is the sink that writes events to files of a local directory and starts a new one every while, as
// Flume's RollingFileSink does.
//
// A batch is written at one go behind the last one. Where that fails, the file is cut back to where the batch began, so
// that the batch, which comes again, leaves no half event behind.
package fileroll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"goflume/event"
	"goflume/internal/deadletter"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/vfs"
	"goflume/sinks"
	"goflume/sinks/serializer"
)

// Settings of the file_roll sink.
type Settings struct {
	// Directory for the files. It is made with its parents where it is missing.
	Directory string `conf:"sink.directory,required"`
	// Time after which a new file is started, also when nothing was written; 0 or less is never.
	RollInterval time.Duration `conf:"sink.rollInterval" unit:"s"`
	// Most events written at once.
	BatchSize int `conf:"sink.batchSize,batch" min:"1"`
	// How events become bytes.
	Serializer registry.Nested[serializer.Format] `conf:"sink.serializer"`
	// How files are named: DEFAULT by the start of the sink and a number, ROLLTIME by the time of day and a number.
	PathManager string `conf:"sink.pathManager" enum:"DEFAULT|ROLLTIME"`
	// What file names start with.
	Prefix string `conf:"sink.pathManager.prefix"`
	// What file names end with, without its dot.
	Extension string `conf:"sink.pathManager.extension"`
	// When written data is forced to the disk: batch, before events are taken as delivered; roll, when a file is finished;
	// none; auto is batch where the channel survives a crash, else roll.
	Sync string `conf:"sync" enum:"auto|batch|roll|none"`
	// What becomes of an event that can never be written, such as one without the schema that the serializer needs: fail,
	// drop or file:PATH.
	OnError deadletter.Policy `conf:"onError"`
}

func init() {
	registry.Add(sinks.Registry, "file_roll", []string{"org.apache.flume.sink.RollingFileSink"}, Settings{
		RollInterval: 30 * time.Second,
		BatchSize:    100,
		Serializer:   serializer.Registry.Default("TEXT"),
		PathManager:  "DEFAULT",
		Sync:         "auto",
	}, New)
}

// keepBuffer is the most memory in bytes that is kept from one batch for the next.
const keepBuffer = 4 << 20

// Sink writes rolling files.
type Sink struct {
	settings Settings
	fs       vfs.FS
	counters metric.SinkCounters
	writing  *metric.Gauge // open files
	format   serializer.Format
	names    *names
	box      *deadletter.Box

	open    bool
	rollAt  time.Time // zero for never
	current *output   // nil when a new file has to be started
	buf     []byte
}

// New returns a file_roll sink.
func New(env registry.Env, s Settings) (sinks.Sink, error) {
	format, err := s.Serializer.Build(env)
	if err != nil {
		return nil, err
	}
	if s.Sync == "auto" {
		s.Sync = "roll"
		if env.Durable {
			s.Sync = "batch"
		}
	}
	return &Sink{
		settings: s,
		fs:       vfs.OS{},
		counters: metric.NewSink(env.Metrics),
		writing:  metric.NewOpenFiles(env.Metrics),
		format:   format,
		names:    &names{settings: s},
		box:      deadletter.NewBox(s.OnError, env, vfs.OS{}),
	}, nil
}

// Open makes the directory and starts the first file.
func (s *Sink) Open(context.Context) error {
	now := time.Now()
	if err := s.makeDirectory(); err != nil {
		return err
	}
	if err := s.start(now); err != nil {
		return err
	}
	s.open = true
	if s.settings.RollInterval > 0 {
		s.rollAt = now.Add(s.settings.RollInterval)
	}
	return nil
}

// Write appends the events to the current file. They are on the disk when it returns nil if they are to be synced by
// batch, else with the operating system.
func (s *Sink) Write(_ context.Context, events []event.Event) error {
	if s.current == nil {
		if err := s.start(time.Now()); err != nil {
			return err
		}
	}
	o := s.current
	n, err := s.append(o, events)
	if err != nil {
		s.box.Discard()
		return errors.Join(err, s.restore())
	}
	if s.settings.Sync == "batch" {
		if err := o.file.Datasync(); err != nil {
			s.box.Discard()
			s.abandon()
			return fmt.Errorf("syncing a batch: %w", err)
		}
	}
	if err := s.box.Commit(); err != nil {
		s.box.Discard()
		return errors.Join(err, s.restore())
	}
	o.size += int64(n)
	return nil
}

// BatchSize is the most events of one Write.
func (s *Sink) BatchSize() int { return s.settings.BatchSize }

// Tick rolls the file when it is time, written to or not.
func (s *Sink) Tick(_ context.Context, now time.Time) (next time.Time, err error) {
	if !s.open || s.rollAt.IsZero() {
		return time.Time{}, nil
	}
	if now.Before(s.rollAt) {
		return s.rollAt, nil
	}
	missed := now.Sub(s.rollAt) / s.settings.RollInterval
	s.rollAt = s.rollAt.Add((missed + 1) * s.settings.RollInterval)
	return s.rollAt, errors.Join(s.finish(), s.start(now))
}

// Close finishes the current file.
func (s *Sink) Close(context.Context) error {
	s.open = false
	return s.finish()
}

// append serializes the events, writes them at one go and returns their length. An event that cannot be serialized goes as
// onError says.
func (s *Sink) append(o *output, events []event.Event) (n int, err error) {
	buf, begun := s.buf[:0], o.size > 0
	for i := range events {
		bad := true
		if !begun {
			buf, err = o.serializer.Begin(buf, &events[i])
			begun = err == nil
			bad = begun || errors.Is(err, serializer.ErrSchema) // else the schema cannot be read now
		}
		if err == nil {
			buf, err = o.serializer.Append(buf, &events[i])
		}
		if err != nil && bad {
			err = s.box.Refuse(&events[i], err)
		}
		if err != nil {
			return 0, fmt.Errorf("serializing for %s: %w", o.name, err)
		}
	}
	if begun {
		if buf, err = o.serializer.Flush(buf); err != nil {
			return 0, fmt.Errorf("serializing for %s: %w", o.name, err)
		}
	}
	if s.buf = buf; cap(buf) > keepBuffer {
		s.buf = nil
	}
	return o.file.WriteAt(buf, o.size)
}
