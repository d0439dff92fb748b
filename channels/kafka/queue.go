package kafka

import (
	"context"
	"slices"
	"sync"
	"time"

	"goflume/event"
)

// The queue holds at most about this many events and bytes, of all partitions, that no transaction has taken.
const (
	queueEvents = 20_000
	queueBytes  = 32 << 20
)

// entry is an event that was read from the topic.
type entry struct {
	event    event.Event
	p        *partition
	offset   int64
	nth      uint64 // of its partition's, since the claim began
	sequence uint64 // over all partitions
	put      int64  // Unix milliseconds, by the record
}

// partition is what is known of one claim's events.
type partition struct {
	mark func(next int64) // notes the offset for the next commit

	// Under the queue's mu:
	read  uint64           // events that were queued
	next  uint64           // the first event that is not committed yet
	early map[uint64]int64 // offsets of committed ones behind it
	held  int
	over  bool          // the claim ends: nothing is delivered again
	lost  bool          // another member may have it
	idle  chan struct{} // closed when over and held is 0
}

// queue is between the claims and the takers.
type queue struct {
	mu sync.Mutex

	entries []entry // by sequence
	bytes   int64   // of their bodies
	held    int
	inHand  int64 // bytes of what is held
	last    uint64
	failed  error // of the consumer, until it reads again
	closed  bool
	change  chan struct{} // closed and replaced at a change that somebody waits for
	waiting int
	done    map[int32]committed // by partition
}

// committed is the offset behind what was committed here, over all claims of a partition, and when the last one ended.
type committed struct {
	next  int64
	ended time.Time
}

// lately is how long ago a claim may have ended for its offsets to mean the same log to the next one.
const lately = time.Minute

func (q *queue) init() { q.change, q.done = make(chan struct{}), map[int32]committed{} }

// begin returns the offset behind what was committed here before of the partition, 0 for nothing.
func (q *queue) begin(partition int32) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if d := q.done[partition]; time.Since(d.ended) <= lately {
		return d.next
	}
	delete(q.done, partition)
	return 0
}

// markedLocked notes that what stands before next is committed.
func (q *queue) markedLocked(partition int32, next int64) {
	d := q.done[partition]
	d.next, d.ended = max(d.next, next), time.Now()
	q.done[partition] = d
}

func (q *queue) wakeLocked() {
	if q.waiting > 0 {
		close(q.change)
		q.change = make(chan struct{})
	}
}

// awaitLocked waits for a change, without the lock.
func (q *queue) awaitLocked(ctx context.Context) error {
	change := q.change
	q.waiting++
	q.mu.Unlock()
	var err error
	select {
	case <-change:
	case <-ctx.Done():
		err = ctx.Err()
	}
	q.mu.Lock()
	q.waiting--
	return err
}

// add queues events of one partition, in order, once there is room. It returns an error when ctx ends.
func (q *queue) add(ctx context.Context, p *partition, entries []entry) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.entries) >= queueEvents || q.bytes >= queueBytes {
		if err := q.awaitLocked(ctx); err != nil {
			return err
		}
	}
	for i := range entries {
		q.last++
		entries[i].sequence, entries[i].nth, entries[i].p = q.last, p.read, p
		p.read++
		q.bytes += int64(len(entries[i].event.Body))
	}
	q.entries = append(q.entries, entries...)
	q.wakeLocked()
	return nil
}

// skip counts a record that is not to be delivered as committed.
func (q *queue) skip(p *partition, offset int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p.read++
	q.doneLocked(p, p.read-1, offset)
}

// take waits for events and returns the first ones.
func (q *queue) take(ctx context.Context, maxEvents int, maxBytes int64) ([]entry, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch {
		case q.closed:
			return nil, errClosed
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case len(q.entries) > 0:
			return q.takeLocked(maxEvents, maxBytes), nil
		case q.failed != nil:
			return nil, q.failed
		}
		if err := q.awaitLocked(ctx); err != nil && !q.closed {
			return nil, err
		}
	}
}

func (q *queue) takeLocked(maxEvents int, maxBytes int64) []entry {
	n, bytes := 0, int64(0)
	for n < len(q.entries) && n < max(maxEvents, 1) {
		size := int64(len(q.entries[n].event.Body))
		if n > 0 && maxBytes > 0 && bytes+size > maxBytes {
			break
		}
		bytes += size
		q.entries[n].p.held++
		n++
	}
	taken := slices.Clone(q.entries[:n])
	clear(q.entries[:n])
	q.entries = q.entries[n:]
	q.bytes -= bytes
	q.inHand += bytes
	q.held += n
	q.wakeLocked()
	return taken
}

// commit notes that the entries are done with, and returns how many of them belong to partitions that were lost.
func (q *queue) commit(entries []entry) (lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range entries {
		e := &entries[i]
		if e.p.lost || q.closed {
			lost++
		} else {
			q.doneLocked(e.p, e.nth, e.offset)
		}
		q.letGoLocked(e)
	}
	q.wakeLocked()
	return lost
}

// settled waits until all events of the partition are committed, or ctx ends.
func (q *queue) settled(ctx context.Context, p *partition) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for p.next != p.read && !q.closed {
		if q.awaitLocked(ctx) != nil {
			return
		}
	}
}

// doneLocked moves the partition's offset past its nth event, if all before it are done with.
func (q *queue) doneLocked(p *partition, nth uint64, offset int64) {
	if nth != p.next {
		if p.early == nil {
			p.early = map[uint64]int64{}
		}
		p.early[nth] = offset
		return
	}
	p.next++
	for len(p.early) > 0 {
		o, ok := p.early[p.next]
		if !ok {
			break
		}
		delete(p.early, p.next)
		offset = o
		p.next++
	}
	p.mark(offset + 1)
}

// letGoLocked ends a transaction's hold of an entry.
func (q *queue) letGoLocked(e *entry) {
	q.held--
	q.inHand -= int64(len(e.event.Body))
	if e.p.held--; e.p.held == 0 && e.p.over && e.p.idle != nil {
		close(e.p.idle)
		e.p.idle = nil
	}
}

// rollback puts the entries back in their place by sequence. Those of a partition that ends are left to its next reader.
func (q *queue) rollback(entries []entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	back := entries[:0]
	for i := range entries {
		e := &entries[i]
		q.letGoLocked(e)
		if !e.p.over && !q.closed {
			back = append(back, *e)
			q.bytes += int64(len(e.event.Body))
		}
	}
	if len(back) == 0 {
		return
	}
	merged := make([]entry, 0, len(back)+len(q.entries))
	rest := q.entries
	for len(back) > 0 && len(rest) > 0 {
		if back[0].sequence < rest[0].sequence {
			merged, back = append(merged, back[0]), back[1:]
		} else {
			merged, rest = append(merged, rest[0]), rest[1:]
		}
	}
	q.entries = append(append(merged, back...), rest...)
	q.wakeLocked()
}

// end takes what is queued of the partition away and returns a channel that is closed once no transaction holds any of it.
func (q *queue) end(p *partition) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	p.over = true
	q.entries = slices.DeleteFunc(q.entries, func(e entry) bool {
		if e.p != p {
			return false
		}
		q.bytes -= int64(len(e.event.Body))
		return true
	})
	q.wakeLocked()
	idle := make(chan struct{})
	if p.held == 0 || q.closed {
		close(idle)
	} else {
		p.idle = idle
	}
	return idle
}

// lose notes that another member may read the partition from now on.
func (q *queue) lose(p *partition) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p.lost, p.idle = true, nil
}

// health notes what the consumer says of itself.
func (q *queue) health(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failed = err
	if err != nil {
		q.wakeLocked()
	}
}

func (q *queue) stats() (held int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held, q.bytes + q.inHand
}

// oldest returns when the first event of what no transaction has taken was put, the zero time for none.
func (q *queue) oldest() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.entries) == 0 {
		return time.Time{}
	}
	return time.UnixMilli(q.entries[0].put)
}

// close ends all waiting; what is held counts as rolled back.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wakeLocked()
}
