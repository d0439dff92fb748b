package memory

import (
	"math/bits"

	"goflume/event"
)

// ring is a queue in a circular slice, which grows to the most that was ever queued.
type ring[T any] struct {
	buf  []T // len is a power of two, or 0
	head int
	n    int
}

// push appends the items.
func (r *ring[T]) push(items ...T) {
	if need := r.n + len(items); need > len(r.buf) {
		r.grow(need)
	}
	at := (r.head + r.n) & (len(r.buf) - 1)
	copied := copy(r.buf[at:], items)
	copy(r.buf, items[copied:])
	r.n += len(items)
}

func (r *ring[T]) grow(need int) {
	buf := make([]T, powerOfTwo(need))
	a, b := r.queued()
	copy(buf[copy(buf, a):], b)
	r.buf, r.head = buf, 0
}

// at returns the i-th item.
func (r *ring[T]) at(i int) *T { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

// queued returns the items in order, in two parts.
func (r *ring[T]) queued() (a, b []T) {
	if end := r.head + r.n; end > len(r.buf) {
		return r.buf[r.head:], r.buf[:end-len(r.buf)]
	}
	return r.buf[r.head : r.head+r.n], nil
}

// pop moves the first len(dst) items to dst and lets go of them.
func (r *ring[T]) pop(dst []T) {
	a, b := r.queued()
	a = a[:min(len(a), len(dst))]
	b = b[:len(dst)-len(a)]
	copy(dst[copy(dst, a):], b)
	clear(a)
	clear(b)
	r.head = (r.head + len(dst)) & (len(r.buf) - 1)
	r.n -= len(dst)
}

// fitQueued returns how many of the queued events one transaction may take.
func fitQueued(r *ring[event.Event], maxEvents int, maxBytes int64) int {
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
