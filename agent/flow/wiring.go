package flow

import (
	"context"
	"sync"
	"sync/atomic"

	"goflume/channels"
	"goflume/internal/metric"
	"goflume/internal/safe"
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
	limit    atomic.Int64      // MaxTx and 1; 0: not asked yet, as a channel answers only once it is open
	borrower channels.Borrower // the Channel, where it is one
}

func newLink(c ChannelRef) *link {
	b, _ := c.Channel.(channels.Borrower)
	return &link{ChannelRef: c, borrower: b}
}

// maxTx returns the most events of one transaction, 0 for no limit.
func (l *link) maxTx() (int, error) {
	n := l.limit.Load()
	if n == 0 {
		s, err := l.stats()
		if err != nil {
			return 0, err
		}
		n = int64(s.MaxTx) + 1
		l.limit.Store(n)
	}
	return int(n - 1), nil
}

// stats returns the channel's Stats; a panic is the error.
func (l *link) stats() (channels.Stats, error) { return safe.Value(l.Channel.Stats) }

// slot holds the wiring of now. Users enter and leave it once a batch.
type slot[W any] struct {
	now      atomic.Pointer[held[W]]
	swapping sync.Mutex
}

// held is one wiring with the number of those who use it. The slot itself is one; so is the wiring before as long as that
// is in use: who waits for the end of one waits for all before it.
type held[W any] struct {
	wiring  *W
	users   atomic.Int64
	retired chan struct{} // closed when another takes its place
	unused  chan struct{} // closed when it is retired and the last user has left
	next    *held[W]      // that took its place; set before retired is closed
	once    sync.Once
}

func newHeld[W any](w *W) *held[W] {
	h := &held[W]{wiring: w, retired: make(chan struct{}), unused: make(chan struct{})}
	h.users.Store(1)
	return h
}

func (h *held[W]) leave() {
	if h.users.Add(-1) == 0 {
		h.once.Do(func() {
			close(h.unused)
			h.next.leave()
		})
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

// swap makes w the wiring of now. The function it returns waits until nobody uses the one before, nor any before that.
func (s *slot[W]) swap(w *W) (settled func(context.Context) error) {
	s.swapping.Lock()
	defer s.swapping.Unlock()
	h := newHeld(w)
	old := s.now.Load()
	if old == nil {
		s.now.Store(h)
		return func(context.Context) error { return nil }
	}
	h.users.Add(1) // old
	old.next = h
	s.now.Store(h)
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
