package flow

import (
	"context"
	"sync"
	"sync/atomic"

	"goflume/channels"
	"goflume/internal/metric"
)

// ChannelRef is a channel as the flow knows it.
type ChannelRef struct {
	Name    string
	Channel channels.Channel
	Metrics metric.ChannelCounters
}

// link is a channel in one wiring.
type link struct {
	ChannelRef
	limit atomic.Int64 // MaxTx and 1; 0: not asked yet, as a channel answers only once it is open
}

// maxTx returns the most events of one transaction, 0 for no limit.
func (l *link) maxTx() int {
	n := l.limit.Load()
	if n == 0 {
		n = int64(l.Channel.Stats().MaxTx) + 1
		l.limit.Store(n)
	}
	return int(n - 1)
}

// slot holds the wiring of now. Users enter and leave it once a batch.
type slot[W any] struct{ now atomic.Pointer[held[W]] }

// held is one wiring with the number of those who use it, of which the slot itself is one.
type held[W any] struct {
	wiring  *W
	users   atomic.Int64
	retired chan struct{} // closed when another takes its place
	unused  chan struct{} // closed when it is retired and the last user has left
	once    sync.Once
}

func newHeld[W any](w *W) *held[W] {
	h := &held[W]{wiring: w, retired: make(chan struct{}), unused: make(chan struct{})}
	h.users.Store(1)
	return h
}

func (h *held[W]) leave() {
	if h.users.Add(-1) == 0 {
		h.once.Do(func() { close(h.unused) })
	}
}

// enter returns the wiring of now, to be left by its leave.
func (s *slot[W]) enter() *held[W] {
	for {
		h := s.now.Load()
		h.users.Add(1)
		if s.now.Load() == h {
			return h
		}
		h.leave()
	}
}

// swap makes w the wiring of now. The function it returns waits until nobody uses the one before.
func (s *slot[W]) swap(w *W) (settled func(context.Context) error) {
	old := s.now.Swap(newHeld(w))
	if old == nil {
		return func(context.Context) error { return nil }
	}
	close(old.retired)
	old.leave()
	return func(ctx context.Context) error {
		select {
		case <-old.unused:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
