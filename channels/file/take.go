package file

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"goflume/channels"
	"goflume/event"
)

// piece is a run of events of one frame, on their way to a transaction, in one, or back from one.
type piece struct {
	seq    uint64 // of the first event
	events []event.Event
	mem    *memory // that they are in, held; or nil
	at     pos     // of the frame, in lane
	lane   *lane
	time   int64 // of the put, Unix milliseconds
}

func (p *piece) end() uint64 { return p.seq + uint64(len(p.events)) }

// Tx is a take-transaction.
type Tx struct {
	c      *Channel
	events []event.Event
	pieces []piece
	bytes  int64
	ended  bool
}

var (
	_ channels.Tx    = (*Tx)(nil)
	_ channels.Dated = (*Tx)(nil)
)

// PutAt implements channels.Dated: it is written in the log.
func (t *Tx) PutAt() time.Time {
	at := int64(math.MaxInt64)
	for i := range t.pieces {
		at = min(at, t.pieces[i].time)
	}
	if len(t.pieces) == 0 {
		return time.Time{}
	}
	return time.UnixMilli(at)
}

// Take implements channels.Channel. maxEvents above transactionCapacity are cut to it.
func (c *Channel) Take(ctx context.Context, maxEvents int, maxBytes int64) (channels.Tx, error) {
	maxEvents = max(1, min(maxEvents, c.set.TransactionCapacity))
	if maxBytes <= 0 {
		maxBytes = math.MaxInt64
	}
	for {
		c.takeMu.Lock()
		tx, err := c.collect(maxEvents, maxBytes)
		c.takeMu.Unlock()
		if err != nil {
			c.m.takeErrors.Add(1)
			return nil, err
		}
		if tx != nil {
			return tx, nil
		}
		c.mu.Lock()
		if err := c.closedLocked(); err != nil {
			c.mu.Unlock()
			return nil, err
		}
		if c.readyLocked() {
			c.mu.Unlock()
			continue
		}
		if c.avail == nil {
			c.avail = make(chan struct{})
		}
		avail := c.avail
		c.mu.Unlock()
		select {
		case <-avail:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// readyLocked tells whether there may be something to take.
func (c *Channel) readyLocked() bool {
	if len(c.again) > 0 {
		return true
	}
	for _, l := range c.lanes {
		if len(l.heads) > 0 || len(l.cache) > 0 || l.cur.before(l.spilled) {
			return true
		}
	}
	return false
}

func (c *Channel) wakeTakersLocked() {
	if c.avail != nil {
		close(c.avail)
		c.avail = nil
	}
}

// collect gathers the oldest events for a transaction; nil, nil: there are none. takeMu is held. Where a lane cannot be
// read, what was gathered before is the transaction, and the next one gets the error.
func (c *Channel) collect(maxEvents int, maxBytes int64) (*Tx, error) {
	tx := &Tx{c: c}
	for more := true; more; {
		err := c.fillHeads()
		c.mu.Lock()
		closed := c.closedLocked()
		if closed != nil && len(tx.pieces) > 0 {
			delete(c.open, tx)
			c.giveBackLocked(tx)
		}
		if closed != nil || err != nil {
			c.mu.Unlock()
			if closed == nil && len(tx.pieces) > 0 {
				return tx, nil
			}
			return nil, cmp.Or(closed, err)
		}
		if len(tx.pieces) == 0 {
			c.sweepLocked()
		}
		more = c.takeLocked(tx, maxEvents, maxBytes)
		c.mu.Unlock()
	}
	if len(tx.pieces) == 0 {
		return nil, nil
	}
	return tx, nil
}

// fillHeads sees to it that every lane that has something unread has its next events decoded.
func (c *Channel) fillHeads() error {
	for _, l := range c.lanes {
		if len(l.heads) > 0 {
			continue
		}
		if err := c.nextHeads(l); err != nil {
			return err
		}
	}
	return nil
}

// takeLocked moves events into tx, oldest first, until it is full or a lane has to be read again (true).
func (c *Channel) takeLocked(tx *Tx, maxEvents int, maxBytes int64) bool {
	if tx.events == nil {
		tx.events = c.spareLocked(min(maxEvents, max(c.size-c.held, 0)))
	}
	for len(tx.events) < maxEvents && (tx.bytes < maxBytes || len(tx.events) == 0) {
		var from *piece
		var lane *lane
		if len(c.again) > 0 {
			from = &c.again[0]
		}
		for _, l := range c.lanes {
			if len(l.heads) > 0 && (from == nil || l.heads[0].seq < from.seq) {
				from, lane = &l.heads[0], l
			}
		}
		if from == nil {
			return false
		}
		n := tx.take(from, maxEvents, maxBytes)
		if n == 0 {
			return false
		}
		c.held += n
		c.alone = 0
		c.open[tx] = struct{}{}
		if len(from.events) > 0 {
			continue
		}
		if lane == nil {
			c.again = slices.Delete(c.again, 0, 1)
			continue
		}
		if lane.heads = lane.heads[1:]; len(lane.heads) == 0 && c.unreadLocked(lane) && len(tx.events) < maxEvents {
			return true
		}
	}
	return false
}

// unreadLocked tells whether the lane has published frames that were not read.
func (c *Channel) unreadLocked(l *lane) bool { return len(l.cache) > 0 || l.cur.before(l.spilled) }

// take moves events from p into the transaction and returns how many.
func (tx *Tx) take(p *piece, maxEvents int, maxBytes int64) int {
	n := 0
	for ; n < len(p.events) && len(tx.events)+n < maxEvents; n++ {
		size := int64(len(p.events[n].Body))
		if len(tx.events)+n > 0 && tx.bytes+size > maxBytes {
			break
		}
		tx.bytes += size
	}
	if n == 0 {
		return 0
	}
	q := *p
	q.events = p.events[:n:n]
	if n < len(p.events) {
		q.mem.hold()
	}
	p.seq, p.events = p.seq+uint64(n), p.events[n:]
	tx.events = append(tx.events, q.events...)
	tx.pieces = append(tx.pieces, q)
	return n
}

// Events implements channels.Tx.
func (tx *Tx) Events() []event.Event { return tx.events }

func (tx *Tx) end() {
	if tx.ended {
		panic("file: transaction ended twice")
	}
	tx.ended = true
}

// Commit implements channels.Tx: it returns once the acknowledgement is on disk.
func (tx *Tx) Commit() error {
	tx.end()
	c := tx.c
	if err := c.enter(); err != nil {
		return err // Close has taken the events back
	}
	defer c.ops.Done()
	cm := &commit{bytes: tx.bytes, wake: make(chan signal, 1)}
	for i := range tx.pieces {
		cm.acked.add(tx.pieces[i].seq, tx.pieces[i].end())
	}
	buf := cm.acked.append(make([]byte, headerSize, headerSize+16+8*len(cm.acked)))
	cm.first[0] = newFrame(buf, header{typ: frameAck, bytes: tx.bytes, time: c.now().UnixMilli()})
	cm.frames = cm.first[:]
	cm.size = cm.first[0].length()
	err := c.commit(cm)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, tx)
	if err != nil {
		c.m.takeErrors.Add(1)
		c.giveBackLocked(tx)
		return fmt.Errorf("commit take: %w", err)
	}
	c.reuseLocked(tx)
	return nil
}

// maxSpare is how many slices of ended transactions are kept for the next ones.
const maxSpare = 16

// spareLocked returns an empty slice for about n events.
func (c *Channel) spareLocked(n int) []event.Event {
	if last := len(c.spare) - 1; last >= 0 {
		s := c.spare[last]
		c.spare[last] = nil
		c.spare = c.spare[:last]
		return slices.Grow(s, n)
	}
	return make([]event.Event, 0, n)
}

// reuseLocked has the memory of a transaction that was committed used again.
func (c *Channel) reuseLocked(tx *Tx) {
	for i := range tx.pieces {
		tx.pieces[i].mem.release()
	}
	clear(tx.events)
	if len(c.spare) < maxSpare {
		c.spare = append(c.spare, tx.events[:0])
	}
	tx.events, tx.pieces = nil, nil
}

// Rollback implements channels.Tx.
func (tx *Tx) Rollback() error {
	tx.end()
	c := tx.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.closedLocked(); err != nil {
		return err
	}
	delete(c.open, tx)
	c.giveBackLocked(tx)
	return nil
}

// giveBackLocked puts the transaction's events among those that were rolled back, in order.
func (c *Channel) giveBackLocked(tx *Tx) {
	c.held -= len(tx.events)
	c.again = append(c.again, tx.pieces...)
	slices.SortFunc(c.again, func(a, b piece) int { return cmp.Compare(a.seq, b.seq) })
	tx.pieces = nil
	c.wakeTakersLocked()
}

// rollbackAll ends what is open when the channel closes.
func (c *Channel) rollbackAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for tx := range c.open {
		c.giveBackLocked(tx)
	}
	clear(c.open)
}
