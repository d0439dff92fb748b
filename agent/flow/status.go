package flow

import (
	"sync"
	"time"
)

// State says how a sink fares, in the words of the REST interface.
type State string

// The states of a sink.
const (
	Starting State = "STARTING" // not opened yet
	Running  State = "RUNNING"
	Backoff  State = "BACKOFF" // failed and waits before the next try
	Failed   State = "FAILED"  // did not come back from a call; needs a human
	Stopped  State = "STOPPED" // closed
)

// Status is a sink at one moment.
type Status struct {
	State     State
	Since     time.Time // of State
	Err       error     // the last one, nil if there was none
	ErrAt     time.Time // of Err
	Errors    int       // since the start
	Writing   time.Time // when the Write that runs now began; zero: none runs, or the sink is pipelined
	Delivered bool      // a batch was delivered, or the destination was reached, since the start
}

// health keeps a Status. Its methods may be called from many goroutines.
type health struct {
	mu     sync.Mutex
	status Status
}

func newHealth() *health {
	return &health{status: Status{State: Starting, Since: time.Now()}}
}

// get returns the status of now.
func (h *health) get() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status
}

// well tells whether the sink does its work.
func (h *health) well() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status.State == Running
}

// fail notes a failure and returns whether it is news: another state or another text than before.
func (h *health) fail(state State, err error) (news bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &h.status
	news = s.State != state || s.Err == nil || s.Err.Error() != err.Error()
	h.setLocked(state)
	s.Err, s.ErrAt = err, time.Now()
	s.Errors++
	return news
}

// set notes a state and returns the one before.
func (h *health) set(state State, delivered bool) (before State) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status.Delivered = h.status.Delivered || delivered
	return h.setLocked(state)
}

func (h *health) setLocked(state State) (before State) {
	before = h.status.State
	if before != state {
		h.status.State, h.status.Since = state, time.Now()
	}
	return before
}
