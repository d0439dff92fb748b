package stress

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/internal/registry"
	"goflume/internal/retry"
	"goflume/sources"
)

// send runs a source for so long and returns the sizes of its batches. Every third batch is refused.
func send(t *testing.T, s Settings, d time.Duration) (tried, taken []int, bodies []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		out := &flowtest.Recorder{}
		out.OnSend = func(_ context.Context, b *event.Batch) error {
			if tried = append(tried, len(b.Events)); len(tried)%3 == 0 {
				return event.ErrFull
			}
			return nil
		}
		s.Retry = retry.DefaultSettings
		src, err := New(registry.Env{}, s)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		if err := src.Run(ctx, out); err != nil {
			t.Errorf("Run: %v", err)
		}
		taken, bodies = out.Batches(), out.Bodies()
	})
	return tried, taken, bodies
}

func TestTotalCountsWhatWasRefused(t *testing.T) {
	tried, taken, bodies := send(t, Settings{Size: 3, MaxTotalEvents: 10, MaxSuccessfulEvents: -1, BatchSize: 3}, time.Hour)
	if want := []int{3, 3, 3, 1}; !slices.Equal(tried, want) {
		t.Errorf("tried %v, want %v", tried, want)
	}
	if want := []int{3, 3, 1}; !slices.Equal(taken, want) {
		t.Errorf("taken %v, want %v", taken, want)
	}
	if want := strings.Repeat("\x7f", 3); bodies[0] != want {
		t.Errorf("body %q, want %q", bodies[0], want)
	}
}

func TestSuccessfulDoesNot(t *testing.T) {
	tried, taken, _ := send(t, Settings{MaxTotalEvents: -1, MaxSuccessfulEvents: 10, BatchSize: 4}, time.Hour)
	if want := []int{4, 4, 2, 2}; !slices.Equal(tried, want) {
		t.Errorf("tried %v, want %v", tried, want)
	}
	if want := []int{4, 4, 2}; !slices.Equal(taken, want) {
		t.Errorf("taken %v, want %v", taken, want)
	}
}

func TestRateIsKept(t *testing.T) {
	tried, _, _ := send(t, Settings{MaxTotalEvents: -1, MaxSuccessfulEvents: -1, BatchSize: 10, MaxEventsPerSecond: 5}, time.Minute)
	if got := len(tried); got < 28 || got > 31 {
		t.Errorf("%d batches of 10 in a minute, want 30", got)
	}
}

func TestTellsThatItRuns(t *testing.T) {
	flowtest.TellsThatItRuns(t, func(health func(error)) sources.Source {
		s, err := New(registry.Env{Health: health}, Settings{BatchSize: 1, MaxTotalEvents: 0, Retry: retry.DefaultSettings})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
