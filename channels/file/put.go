package file

import (
	"context"
	"fmt"
	"time"

	"goflume/event"
)

// Put implements channels.Channel.
func (c *Channel) Put(ctx context.Context, events []event.Event) error {
	n := len(events)
	if n == 0 {
		return nil
	}
	if n > c.set.TransactionCapacity {
		return &event.Refused{Kind: event.ErrTooLarge, Text: fmt.Sprintf(
			"Put queue for FileBackedTransaction of capacity %d full, consider committing more frequently, increasing capacity or increasing thread count. [channel=%s]",
			c.set.TransactionCapacity, c.env.Name)}
	}
	if err := c.enter(); err != nil {
		return err
	}
	defer c.ops.Done()
	var bodies int64
	for i := range events {
		bodies += int64(len(events[i].Body))
	}
	err := c.put(ctx, events, bodies)
	if err != nil {
		c.m.putErrors.Add(1)
	}
	return err
}

// PutBorrowed implements channels.Borrower: nothing of the events is kept but their encoded form.
func (c *Channel) PutBorrowed(ctx context.Context, events []event.Event, _ []*event.Chunk) error {
	return c.Put(ctx, events)
}

// KeepBorrowed implements channels.Borrower: what is queued is taken from memory that nobody uses again.
func (c *Channel) KeepBorrowed() {
	c.takeMu.Lock()
	defer c.takeMu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lanes {
		for i := range l.cache {
			l.cache[i].mem.hold()
		}
		for i := range l.heads {
			l.heads[i].mem.hold()
		}
	}
	for i := range c.again {
		c.again[i].mem.hold()
	}
}

func (c *Channel) put(ctx context.Context, events []event.Event, bodies int64) error {
	if err := c.checkSpace(); err != nil {
		return err
	}
	if err := c.reserve(ctx, len(events), bodies); err != nil {
		return err
	}
	cm := &commit{count: len(events), bytes: bodies, wake: make(chan signal, 1)}
	var err error
	cm.frames, err = encodeEvents(cm.first[:0], events, c.now().UnixMilli())
	if err == nil {
		for i := range cm.frames {
			cm.size += c.lengthOnDisk(&cm.frames[i])
		}
		err = c.commit(cm)
	}
	if err != nil {
		c.release(len(events), bodies)
	}
	return err
}

// lengthOnDisk returns what the frame takes once it is encrypted, if it will be.
func (c *Channel) lengthOnDisk(f *outFrame) int64 {
	if c.keys.active != "" && f.typ == framePut {
		return headerSize + padded(int64(f.size)+gcmOverhead)
	}
	return f.length()
}

const gcmOverhead = 16

// room keeps count of what is in the channel or on its way in, and who waits.
type room struct {
	used      int   // events published, not done, or reserved
	usedBytes int64 // of their bodies
	waiting   []*roomWaiter
}

type roomWaiter struct {
	n     int
	bytes int64
	ok    chan struct{} // closed when the room is the waiter's
}

func (c *Channel) fitsLocked(n int, bytes int64) bool {
	r := &c.room
	return r.used+n <= c.set.Capacity &&
		(c.set.ByteCapacity == 0 || r.usedBytes+bytes <= c.set.ByteCapacity)
}

// reserve takes room for n events, first come first served, and waits for it as long as keep-alive and ctx allow.
func (c *Channel) reserve(ctx context.Context, n int, bytes int64) error {
	if c.set.ByteCapacity > 0 && bytes > c.set.ByteCapacity {
		return &event.Refused{Kind: event.ErrTooLarge, Text: fmt.Sprintf(
			"Batch of %d bytes exceeds byteCapacity %d. [channel=%s]", bytes, c.set.ByteCapacity, c.env.Name)}
	}
	c.mu.Lock()
	r := &c.room
	if len(r.waiting) == 0 && c.fitsLocked(n, bytes) {
		r.used += n
		r.usedBytes += bytes
		c.mu.Unlock()
		return nil
	}
	w := &roomWaiter{n, bytes, make(chan struct{})}
	r.waiting = append(r.waiting, w)
	c.mu.Unlock()

	began := time.Now()
	wait := time.NewTimer(c.set.KeepAlive)
	defer wait.Stop()
	select {
	case <-w.ok:
	case <-wait.C:
	case <-ctx.Done():
	case <-c.stopping:
	}
	c.m.putBlocked.Add(time.Since(began).Seconds())
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-w.ok:
		return nil
	default:
	}
	for i, o := range r.waiting {
		if o == w {
			r.waiting = append(r.waiting[:i], r.waiting[i+1:]...)
			break
		}
	}
	c.grantLocked() // those behind may be smaller
	if err := c.closedLocked(); err != nil {
		return err
	}
	return &event.Refused{Kind: event.ErrFull, Text: fmt.Sprintf(
		"The channel has reached it's capacity. This might be the result of a sink on the channel having too low of batch size, a downstream system running slower than normal, or that the channel capacity is just too low. [channel=%s]",
		c.env.Name)}
}

// release gives room back.
func (c *Channel) release(n int, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.releaseLocked(n, bytes)
}

func (c *Channel) releaseLocked(n int, bytes int64) {
	c.room.used -= n
	c.room.usedBytes -= bytes
	c.grantLocked()
}

func (c *Channel) grantLocked() {
	r := &c.room
	for len(r.waiting) > 0 && c.fitsLocked(r.waiting[0].n, r.waiting[0].bytes) {
		w := r.waiting[0]
		r.waiting = r.waiting[1:]
		r.used += w.n
		r.usedBytes += w.bytes
		close(w.ok)
	}
}
