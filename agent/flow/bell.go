package flow

import (
	"context"
	"sync"
	"time"
)

// bell ends the waits of an outlet. Who changes what the outlet looks at rings it afterwards; the outlet calls ready before
// it looks, so that no ring is missed. A ring too many does no harm. The zero bell is ready for use.
type bell struct {
	mu     sync.Mutex
	ctx    context.Context // of the next wait
	cancel context.CancelFunc
	timer  *time.Timer // rings at due
	due    time.Time   // zero: the timer has rung
}

// ready returns the context of the next wait, which a ring ends.
func (b *bell) ready() context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ctx == nil || b.ctx.Err() != nil {
		b.ctx, b.cancel = context.WithCancel(context.Background())
	}
	return b.ctx
}

// arm has the bell ring at due, or before that at a time armed for earlier.
func (b *bell) arm(now, due time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.timer == nil:
		b.due = due
		b.timer = time.AfterFunc(due.Sub(now), b.ringDue)
	case b.due.IsZero() || b.due.After(due):
		b.due = due
		b.timer.Reset(due.Sub(now))
	}
}

// ringDue is the timer's ring. Whether it has rung is not a matter of the clock: who arms the bell may look at a time that
// is older than the ring.
func (b *bell) ringDue() {
	b.mu.Lock()
	b.due = time.Time{}
	b.mu.Unlock()
	b.ring()
}

// ring ends the wait, or the next one if ready was called for it.
func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cancel != nil {
		b.cancel()
	}
}

// stop ends the timer.
func (b *bell) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	if b.cancel != nil {
		b.cancel()
	}
}
