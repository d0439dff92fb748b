// Package stress is the source that sends the same body over and over, for load tests.
package stress

import (
	"bytes"
	"context"
	"time"

	"goflume/event"
	"goflume/internal/registry"
	"goflume/internal/retry"
	"goflume/sources"
)

// Settings of the stress source.
type Settings struct {
	// Length of each body in bytes.
	Size int `conf:"size" min:"0"`
	// Number of events, refused ones included, after which the source is quiet; -1 is no end.
	MaxTotalEvents int64 `conf:"maxTotalEvents" min:"-1"`
	// Number of events taken by the channels after which the source is quiet; -1 is no end.
	MaxSuccessfulEvents int64 `conf:"maxSuccessfulEvents" min:"-1"`
	// Number of events sent at once.
	BatchSize int `conf:"batchSize,batch" min:"1"`
	// Most events per second; 0 is as many as the channels take.
	MaxEventsPerSecond int `conf:"maxEventsPerSecond" min:"0"`
	// Waits after the channels refused a batch, which does not come again.
	Retry retry.Settings `conf:",inline"`
}

func init() {
	registry.Add(sources.Registry, "stress", []string{"org.apache.flume.source.StressSource"}, Settings{
		Size: 500, MaxTotalEvents: -1, MaxSuccessfulEvents: -1, BatchSize: 1, Retry: retry.DefaultSettings}, New)
}

// Source sends one body again and again.
type Source struct {
	settings Settings
	health   func(error)
	body     []byte

	total, successful int64
}

// New returns a stress source.
func New(env registry.Env, s Settings) (sources.Source, error) {
	return &Source{settings: s, health: env.Report, body: bytes.Repeat([]byte{0x7F}, s.Size)}, nil
}

// Run sends events until ctx is cancelled.
func (s *Source) Run(ctx context.Context, out sources.Output) error {
	s.health(nil)
	var b event.Batch
	began, before, wait := time.Now(), s.total, s.settings.Retry.Backoff()
	for ctx.Err() == nil {
		n := s.batch()
		if n == 0 {
			<-ctx.Done()
			break
		}
		b.Reset()
		for range n {
			b.Adopt(s.body)
		}
		err := out.Send(ctx, &b)
		s.total += n
		if err == nil {
			s.successful += n
		}
		if pause := s.pause(began, s.total-before); pause > 0 {
			retry.Sleep(ctx, pause)
		}
		s.backOff(ctx, &wait, err)
	}
	return nil
}

// batch returns the size of the next batch, 0 after the last.
func (s *Source) batch() int64 {
	n := int64(s.settings.BatchSize)
	if most := s.settings.MaxTotalEvents; most >= 0 {
		n = min(n, most-s.total)
	}
	if most := s.settings.MaxSuccessfulEvents; most >= 0 {
		n = min(n, most-s.successful)
	}
	return n
}

// pause returns how long to wait so that n events since began are not too many.
func (s *Source) pause(began time.Time, n int64) time.Duration {
	if s.settings.MaxEventsPerSecond == 0 {
		return 0
	}
	due := time.Duration(float64(n) / float64(s.settings.MaxEventsPerSecond) * float64(time.Second))
	return due - time.Since(began)
}

func (s *Source) backOff(ctx context.Context, wait *retry.Backoff, err error) {
	switch {
	case err != nil:
		s.health(err)
		retry.Sleep(ctx, wait.Next())
	case wait.Tries() > 0:
		s.health(nil)
		wait.Reset()
	}
}
