package flowtest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"goflume/channels"
	"goflume/event"
)

// FakeChannel is a channel in memory that does what it is told. The fields are set before its first use.
type FakeChannel struct {
	Capacity, MaxTx int // 0: no limit
	// OnPut, OnTake and OnCommit, where not nil, are asked before the act; an error is returned in its place. After an error
	// of OnCommit the events are delivered again, as the contract says.
	OnPut    func(events []event.Event) error
	OnTake   func() error
	OnCommit func(events []event.Event) error

	mu      sync.Mutex
	queue   []numbered
	next    int64
	held    int
	closed  bool
	changed chan struct{} // closed at every change
}

type numbered struct {
	seq   int64
	event event.Event
}

var _ channels.Channel = (*FakeChannel)(nil)

// Open implements channels.Channel.
func (c *FakeChannel) Open(context.Context) error { return nil }

// Put implements channels.Channel.
func (c *FakeChannel) Put(ctx context.Context, events []event.Event) error {
	if c.OnPut != nil {
		if err := c.OnPut(events); err != nil {
			return err
		}
	}
	if c.MaxTx > 0 && len(events) > c.MaxTx {
		return &event.Refused{Kind: event.ErrTooLarge, Text: "more than transactionCapacity"}
	}
	for {
		c.mu.Lock()
		switch {
		case c.closed:
			c.mu.Unlock()
			return &event.Refused{Kind: event.ErrClosed, Text: "closed"}
		case c.Capacity == 0 || len(c.queue)+c.held+len(events) <= c.Capacity:
			for _, e := range events {
				c.queue = append(c.queue, numbered{c.next, e})
				c.next++
			}
			c.changeLocked()
			c.mu.Unlock()
			return nil
		}
		wait := c.changedLocked()
		c.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return &event.Refused{Kind: event.ErrFull, Text: "no room"}
		}
	}
}

// Take implements channels.Channel.
func (c *FakeChannel) Take(ctx context.Context, maxEvents int, maxBytes int64) (channels.Tx, error) {
	if c.OnTake != nil {
		if err := c.OnTake(); err != nil {
			return nil, err
		}
	}
	for {
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			return nil, event.ErrClosed
		}
		if len(c.queue) > 0 {
			tx := c.takeLocked(maxEvents, maxBytes)
			c.mu.Unlock()
			return tx, nil
		}
		wait := c.changedLocked()
		c.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (c *FakeChannel) takeLocked(maxEvents int, maxBytes int64) *fakeTx {
	tx := &fakeTx{c: c}
	for size := int64(0); len(tx.items) < min(maxEvents, len(c.queue)); {
		it := c.queue[len(tx.items)]
		size += int64(len(it.event.Body))
		if maxBytes > 0 && size > maxBytes && len(tx.items) > 0 {
			break
		}
		tx.items = append(tx.items, it)
		tx.events = append(tx.events, it.event)
	}
	c.queue = slices.Clone(c.queue[len(tx.items):])
	c.held += len(tx.items)
	return tx
}

// changedLocked returns a Go channel that is closed at the next change.
func (c *FakeChannel) changedLocked() <-chan struct{} {
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return c.changed
}

func (c *FakeChannel) changeLocked() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// Stats implements channels.Channel.
func (c *FakeChannel) Stats() channels.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := channels.Stats{Size: len(c.queue), Held: c.held, Capacity: c.Capacity, MaxTx: c.MaxTx}
	for _, it := range c.queue {
		s.Bytes += int64(len(it.event.Body))
	}
	return s
}

// Close implements channels.Channel.
func (c *FakeChannel) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.changeLocked()
	return nil
}

// Bodies returns what is queued, not what is held.
func (c *FakeChannel) Bodies() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for _, it := range c.queue {
		all = append(all, string(it.event.Body))
	}
	return all
}

type fakeTx struct {
	c      *FakeChannel
	items  []numbered
	events []event.Event
	ended  bool
}

// Events implements channels.Tx.
func (t *fakeTx) Events() []event.Event { return t.events }

// Commit implements channels.Tx.
func (t *fakeTx) Commit() error {
	if t.c.OnCommit != nil {
		if err := t.c.OnCommit(t.events); err != nil {
			return errors.Join(err, t.end(true))
		}
	}
	return t.end(false)
}

// Rollback implements channels.Tx.
func (t *fakeTx) Rollback() error { return t.end(true) }

func (t *fakeTx) end(back bool) error {
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.ended {
		return errors.New("transaction ended twice")
	}
	t.ended = true
	c.held -= len(t.items)
	if back {
		c.queue = append(c.queue, t.items...)
		slices.SortFunc(c.queue, func(a, b numbered) int { return int(a.seq - b.seq) })
	}
	c.changeLocked()
	return nil
}
