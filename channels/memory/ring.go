package memory

import (
	"math/bits"

	"goflume/event"
)

// ring is a queue of events in a circular slice, which grows to the most that was ever queued.
type ring struct {
	buf  []event.Event // len is a power of two, or 0
	head int
	n    int
}

// push appends the events.
func (r *ring) push(events []event.Event) {
	if need := r.n + len(events); need > len(r.buf) {
		r.grow(need)
	}
	at := (r.head + r.n) & (len(r.buf) - 1)
	copied := copy(r.buf[at:], events)
	copy(r.buf, events[copied:])
	r.n += len(events)
}

func (r *ring) grow(need int) {
	buf := make([]event.Event, powerOfTwo(need))
	a, b := r.queued()
	copy(buf[copy(buf, a):], b)
	r.buf, r.head = buf, 0
}

// queued returns the events in order, in two parts.
func (r *ring) queued() (a, b []event.Event) {
	if end := r.head + r.n; end > len(r.buf) {
		return r.buf[r.head:], r.buf[:end-len(r.buf)]
	}
	return r.buf[r.head : r.head+r.n], nil
}

// pop moves the first len(dst) events to dst and lets go of them.
func (r *ring) pop(dst []event.Event) {
	a, b := r.queued()
	a = a[:min(len(a), len(dst))]
	b = b[:len(dst)-len(a)]
	copy(dst[copy(dst, a):], b)
	clear(a)
	clear(b)
	r.head = (r.head + len(dst)) & (len(r.buf) - 1)
	r.n -= len(dst)
}

// fit returns how many of the queued events one transaction may take.
func (r *ring) fit(maxEvents int, maxBytes int64) int {
	if maxBytes <= 0 {
		return min(r.n, max(maxEvents, 1))
	}
	a, b := r.queued()
	n := fit(a, maxEvents, maxBytes)
	if n < len(a) || n >= maxEvents {
		return n
	}
	for i := range a {
		maxBytes -= int64(len(a[i].Body))
	}
	if len(b) == 0 || maxBytes < int64(len(b[0].Body)) {
		return n
	}
	return n + fit(b, maxEvents-n, maxBytes)
}

// fit returns how many of the events, which are not empty, make at most maxEvents and maxBytes (0 is no limit), but at
// least one.
func fit(events []event.Event, maxEvents int, maxBytes int64) int {
	n := min(len(events), max(maxEvents, 1))
	if maxBytes <= 0 {
		return n
	}
	for i := range events[:n] {
		maxBytes -= int64(len(events[i].Body))
		if maxBytes < 0 {
			return max(i, 1)
		}
	}
	return n
}

// powerOfTwo returns the smallest one that is at least n, which is positive.
func powerOfTwo(n int) int { return 1 << bits.Len(uint(n-1)) }
