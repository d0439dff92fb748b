package retry

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestWaitsGrowUpToTheirMost(t *testing.T) {
	for _, c := range []struct {
		step, most time.Duration
		want       []time.Duration
	}{
		{time.Second, 3500 * time.Millisecond, []time.Duration{1e9, 2e9, 3e9, 35e8, 35e8}},
		{time.Second, 2 * time.Second, []time.Duration{1e9, 2e9, 2e9}},
		{0, time.Second, []time.Duration{0, 0}},
		{time.Minute, time.Second, []time.Duration{1e9, 1e9}},
		{math.MaxInt64, 5 * time.Second, []time.Duration{5e9, 5e9, 5e9}},
		{math.MaxInt64, math.MaxInt64, []time.Duration{math.MaxInt64, math.MaxInt64, math.MaxInt64}},
	} {
		b := Settings{Step: c.step, Max: c.most}.Backoff()
		var got []time.Duration
		for range c.want {
			got = append(got, b.Next())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("step %v, at most %v: %v, want %v", c.step, c.most, got, c.want)
		}
		if b.Reset(); b.Next() != c.want[0] {
			t.Errorf("step %v: a reset does not start over", c.step)
		}
	}
}
