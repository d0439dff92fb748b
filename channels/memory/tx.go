package memory

import (
	"cmp"
	"slices"
	"time"

	"goflume/event"
)

// maxSpare is how many slices of ended transactions are kept for the next ones: as many as a pipelined sink has open.
const maxSpare = 64

// run is a row of consecutive events, the first with sequence first.
type run struct {
	first  uint64
	events []event.Event
}

// tx is a take-transaction over one run.
type tx struct {
	c *Channel // nil once ended
	run
	put time.Duration // of the first event that has a stamp, since the channel began; 0: none has
}

// PutAt implements channels.Dated.
func (t *tx) PutAt() time.Time {
	if t.put == 0 {
		return time.Time{}
	}
	return t.c.began.Add(t.put)
}

// takeBackLocked takes from the oldest run that was rolled back.
func (c *Channel) takeBackLocked(maxEvents int, maxBytes int64) *tx {
	r := c.back[0]
	n := fit(r.events, maxEvents, maxBytes)
	if n == len(r.events) {
		c.back = slices.Delete(c.back, 0, 1)
		return c.holdLocked(r)
	}
	events := c.spareLocked(n)
	copy(events, r.events)
	c.back[0] = run{r.first + uint64(n), r.events[n:]}
	return c.holdLocked(run{r.first, events})
}

func (c *Channel) takeRingLocked(maxEvents int, maxBytes int64) *tx {
	if c.used.bytes <= maxBytes {
		maxBytes = 0 // all there is fits: nothing needs to be added up
	}
	events := c.spareLocked(fitQueued(&c.ring, maxEvents, maxBytes))
	c.ring.pop(events)
	first := c.first
	c.first += uint64(len(events))
	return c.holdLocked(run{first, events})
}

func (c *Channel) holdLocked(r run) *tx {
	c.held += len(r.events)
	if len(c.back) > 0 || c.ring.n > 0 {
		c.wakeLocked()
	}
	t := &tx{c: c, run: r}
	if c.stamps.before(r.first + uint64(len(r.events))) {
		t.put = c.stamps.of(r.first, len(r.events))
	}
	return t
}

// spareLocked returns a slice for n events.
func (c *Channel) spareLocked(n int) []event.Event {
	if last := len(c.spare) - 1; last >= 0 {
		s := c.spare[last]
		c.spare = c.spare[:last]
		if n <= cap(s) {
			return s[:n]
		}
	}
	return make([]event.Event, n, powerOfTwo(n))
}

// Events are valid until the transaction ends.
func (t *tx) Events() []event.Event { return t.events }

// Commit makes room for what waits.
func (t *tx) Commit() error {
	c, freed := t.end(), sizeOf(t.events)
	clear(t.events)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held -= freed.events
	c.used.remove(freed)
	c.loans.giveBack(t.first, freed.events)
	if c.stamps.before(t.first + uint64(freed.events)) {
		c.stamps.drop(t.first, freed.events)
	}
	if len(c.spare) < maxSpare {
		c.spare = append(c.spare, t.events[:0])
	}
	t.events = nil
	c.admitLocked()
	return nil
}

// Rollback puts the events back to where they were among all that is rolled back.
func (t *tx) Rollback() error {
	c := t.end()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held -= len(t.events)
	at, _ := slices.BinarySearchFunc(c.back, t.first, func(r run, first uint64) int { return cmp.Compare(r.first, first) })
	c.back = slices.Insert(c.back, at, t.run)
	t.events = nil
	c.wakeLocked()
	return nil
}

func (t *tx) end() *Channel {
	c := t.c
	if c == nil {
		panic("memory: a transaction ended twice")
	}
	t.c = nil
	return c
}
