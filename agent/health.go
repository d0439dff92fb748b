package agent

import (
	"sync"
	"time"
)

// health keeps how one component fares. Its methods may be called from many goroutines.
type health struct {
	mu    sync.Mutex
	state State
	since time.Time
	last  error
	at    time.Time // of last
	count int       // of failures
	told  time.Time // when one was last logged; zero after a recovery
}

// repeat is how often a failure that goes on is logged again.
const repeat = time.Minute

// set notes the state.
func (h *health) set(state State) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.setLocked(state)
}

func (h *health) setLocked(state State) {
	if h.state != state {
		h.state, h.since = state, time.Now()
	}
	if state == Running {
		h.told = time.Time{}
	}
}

// is tells whether the component is in the state.
func (h *health) is(state State) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state == state
}

// turn notes the state where the component is in the state from.
func (h *health) turn(from, to State) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == from {
		h.setLocked(to)
	}
}

// fail notes a failure and tells whether it is to be logged: it has another text than the one before, follows on a
// recovery, or has gone on for a while.
func (h *health) fail(state State, err error) (tell bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	tell = h.told.IsZero() || h.last.Error() != err.Error() || now.Sub(h.told) >= repeat
	h.setLocked(state)
	h.last, h.at = err, now
	h.count++
	if tell {
		h.told = now
	}
	return tell
}

// into copies what is known into the status.
func (h *health) into(s *ComponentStatus) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.State, s.Since, s.Errors, s.ErrorAt = h.state, h.since, h.count, h.at
	if h.last != nil {
		s.LastError = h.last.Error()
	}
}
