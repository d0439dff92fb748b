package seq

import (
	"context"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/internal/registry"
	"goflume/internal/retry"
	"goflume/sources"
)

func source(t *testing.T, batchSize int, total int64) sources.Source {
	t.Helper()
	s, err := New(registry.Env{}, Settings{BatchSize: batchSize, TotalEvents: total, Retry: retry.DefaultSettings})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCountsToTheTotalAndIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		out, ended := &flowtest.Recorder{}, make(chan error, 1)
		go func() { ended <- source(t, 4, 10).Run(ctx, out) }()
		synctest.Wait()
		if got, want := out.Bodies(), []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if got, want := out.Batches(), []int{4, 4, 2}; !slices.Equal(got, want) {
			t.Errorf("batches %v, want %v", got, want)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestARefusedBatchComesAgainAndAPauseSkipsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries, src, out := 0, source(t, 2, 6), &flowtest.Recorder{}
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			out.OnSend = func(context.Context, *event.Batch) error {
				switch tries++; tries {
				case 4:
					cancel()
					fallthrough
				case 2:
					return event.ErrFull
				}
				return nil
			}
			if err := src.Run(ctx, out); err != nil {
				t.Errorf("Run: %v", err)
			}
			cancel()
		}
		if got, want := out.Bodies(), []string{"0", "1", "2", "3", "4", "5"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestNumbersCostLittle(t *testing.T) {
	events := 0
	ctx, cancel := context.WithCancel(t.Context())
	out := hole(func(n int) {
		if events += n; events >= 1_000_000 {
			cancel()
		}
	})
	src := source(t, 100, math.MaxInt64)
	n := testing.AllocsPerRun(1, func() { src.Run(ctx, out) })
	if perEvent := n / float64(events); perEvent > 0.001 {
		t.Errorf("%v allocations per event", perEvent)
	}
}

// hole takes everything.
type hole func(n int)

func (h hole) Send(_ context.Context, b *event.Batch) error { h(len(b.Events)); return nil }
func (h hole) Limits() (most, room int)                     { return 0, -1 }

func TestTellsThatItRuns(t *testing.T) {
	flowtest.TellsThatItRuns(t, func(health func(error)) sources.Source {
		s, err := New(registry.Env{Health: health}, Settings{BatchSize: 1, Retry: retry.DefaultSettings})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
