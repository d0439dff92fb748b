// Package seq is the source that counts: 0, 1, 2 ... as fast as the channels take it, for trying things out.
package seq

import (
	"context"
	"math"
	"strconv"

	"goflume/event"
	"goflume/internal/registry"
	"goflume/internal/retry"
	"goflume/sources"
)

// Settings of the seq source.
type Settings struct {
	// Number of events sent at once.
	BatchSize int `conf:"batchSize,batch" min:"1"`
	// Number of events after which the source is quiet.
	TotalEvents int64 `conf:"totalEvents" min:"1"`
	// Waits while the channels refuse.
	Retry retry.Settings `conf:",inline"`
}

func init() {
	registry.Add(sources.Registry, "seq", []string{"org.apache.flume.source.SequenceGeneratorSource"},
		Settings{BatchSize: 1, TotalEvents: math.MaxInt64, Retry: retry.DefaultSettings}, New)
}

// Source counts.
type Source struct {
	settings Settings
	health   func(error)
	next     int64
}

// New returns a seq source.
func New(env registry.Env, s Settings) (sources.Source, error) {
	return &Source{settings: s, health: env.Report}, nil
}

// Run sends numbers until ctx is cancelled; called again it goes on where it was.
func (s *Source) Run(ctx context.Context, out sources.Output) error {
	s.health(nil)
	var b event.Batch
	var digits [20]byte
	for s.next < s.settings.TotalEvents && ctx.Err() == nil {
		n := min(int64(s.settings.BatchSize), s.settings.TotalEvents-s.next)
		for i := range n {
			b.Add(strconv.AppendInt(digits[:0], s.next+i, 10))
		}
		if sources.DeliverWith(ctx, out, &b, s.settings.Retry.Backoff(), s.health) != nil {
			return nil
		}
		b.Reset()
		s.next += n
	}
	<-ctx.Done()
	return nil
}
