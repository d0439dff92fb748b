// Package retry holds the waits between tries.
package retry

import (
	"context"
	"time"
)

// Backoff is a growing wait: Step, 2 Step, 3 Step ... up to Max, as Flume's runners wait. The zero count starts over.
type Backoff struct {
	Step, Max time.Duration

	tries int
}

// Default is what Flume's sink runner and pollable sources wait: 1 s more each time, up to 5 s.
func Default() Backoff { return Backoff{Step: time.Second, Max: 5 * time.Second} }

// Settings are the waits that Flume's pollable sources can be given.
type Settings struct {
	// What each failure in a row adds to the wait before the next try.
	Step time.Duration `conf:"backoffSleepIncrement" unit:"ms" min:"0"`
	// Longest wait before the next try.
	Max time.Duration `conf:"maxBackoffSleep" unit:"ms" min:"0"`
}

// DefaultSettings give Default.
var DefaultSettings = Settings{Step: time.Second, Max: 5 * time.Second}

// Backoff returns the waits from their start.
func (s Settings) Backoff() Backoff { return Backoff{Step: s.Step, Max: s.Max} }

// Next returns how long to wait now.
func (b *Backoff) Next() time.Duration {
	b.tries++
	if b.Step > 0 && time.Duration(b.tries) > b.Max/b.Step { // the product may be more than a Duration holds
		return b.Max
	}
	return time.Duration(b.tries) * b.Step
}

// Reset starts over after a success.
func (b *Backoff) Reset() { b.tries = 0 }

// Tries returns the number of waits since the last Reset.
func (b *Backoff) Tries() int { return b.tries }

// Doubled returns d doubled n times, at most limit.
func Doubled(d time.Duration, n int, limit time.Duration) time.Duration {
	for ; n > 0 && d < limit; n-- {
		d *= 2
	}
	return min(d, limit)
}

// Sleep waits for d or until ctx ends, and tells with ctx.Err() which.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
