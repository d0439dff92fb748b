// Package memory is the channel that keeps events in memory: the fastest one, whose contents end with the process.
//
// One mutex guards everything, and every Put, Take and end of a transaction holds it once, for a copy of its events. Who
// waits for room waits in a queue: whoever makes room puts the events of the first in line, as long as they fit.
package memory

import (
	"context"
	"runtime"
	"sync"
	"time"

	"goflume/channels"
	"goflume/conf"
	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/registry"
)

// Settings of the memory channel.
type Settings struct {
	// Most events that the channel holds, those that a sink has taken and not yet committed included.
	Capacity int `conf:"capacity" min:"1"`
	// Most events of one transaction.
	TransactionCapacity int `conf:"transactionCapacity" min:"1"`
	// How long a source waits for room before it is told that the channel is full.
	KeepAlive time.Duration `conf:"keep-alive" unit:"s" min:"0"`
	// Most bytes that the channel holds: a number, or a share of the memory limit such as 80%; 0 is no limit. Each body
	// counts as at least 100 bytes and is rounded up to hundreds.
	ByteCapacity Bytes `conf:"byteCapacity"`
	// Share of `byteCapacity` that is set aside for headers, which are not counted.
	ByteCapacityBufferPercentage int `conf:"byteCapacityBufferPercentage" min:"0" max:"100"`
}

// Validate checks what no single setting can.
func (s Settings) Validate() error {
	if s.TransactionCapacity > s.Capacity {
		return conf.Errorf("transactionCapacity", "%d exceeds capacity %d", s.TransactionCapacity, s.Capacity)
	}
	return nil
}

func init() {
	registry.Add(channels.Registry, "memory", []string{"org.apache.flume.channel.MemoryChannel"}, Settings{
		Capacity:                     100,
		TransactionCapacity:          100,
		KeepAlive:                    3 * time.Second,
		ByteCapacity:                 "80%",
		ByteCapacityBufferPercentage: 20,
	}, New)
}

// stream is how many events a Put has at least that lets the taker it woke run before it returns, in the putter's place and
// with the events in this core's cache. Else another thread has to be woken, and to wait a while, before it may take the
// taker over, which costs more than a large batch's whole way through the channel. A smaller Put returns at once, as somebody
// may wait for the answer to it.
const stream = 500

// Channel keeps events in a ring. Those that were rolled back stand before it, sorted by sequence.
type Channel struct {
	settings Settings
	limit    size // of used

	mu sync.Mutex

	used    size // by what is queued or held
	held    int
	ring    ring[event.Event]
	loans   loans
	first   uint64 // sequence of the ring's first event
	calm    int    // puts that ended the wait of a taker, since the last look at the clock
	stamps  stamps
	back    []run     // rolled back, by sequence
	putters []*putter // waiting for room, first come first
	takers  int       // waiting for events
	spare   [][]event.Event
	closed  bool

	began   time.Time     // stamps count from here
	blocked *metric.Gauge // seconds

	idle  sync.Pool     // of putters
	ready chan struct{} // holds a token for one of the takers; closed by Close
}

var _ channels.Borrower = (*Channel)(nil)

// New returns an empty channel.
func New(env registry.Env, s Settings) (channels.Channel, error) {
	c := &Channel{settings: s, ready: make(chan struct{}, 1), began: time.Now(), blocked: metric.NewChannel(env.Metrics).Blocked}
	metric.OldestAge(env.Metrics, func() float64 { return c.oldest().Seconds() })
	return c, nil
}

// Open reads the memory limit.
func (c *Channel) Open(context.Context) error {
	c.limit = size{events: c.settings.Capacity, slots: c.settings.ByteCapacity.slots(c.settings.ByteCapacityBufferPercentage)}
	return nil
}

// Put stores the events, or waits until they fit: up to `keep-alive`, and not after ctx has ended.
func (c *Channel) Put(ctx context.Context, events []event.Event) error {
	return c.PutBorrowed(ctx, events, nil)
}

// PutBorrowed implements channels.Borrower.
func (c *Channel) PutBorrowed(ctx context.Context, events []event.Event, lent []*event.Chunk) error {
	if len(events) == 0 {
		return nil
	}
	need := sizeOf(events)
	if need.events > c.settings.TransactionCapacity {
		return refuseTransaction(c.settings.TransactionCapacity)
	}
	if need.slots > c.limit.slots {
		return refuseBytes(event.ErrTooLarge, c.limit.slots)
	}
	c.mu.Lock()
	switch {
	case c.closed:
		c.mu.Unlock()
		return errClosed
	case len(c.putters) == 0 && c.fitsLocked(need):
		woken := c.putLocked(events, need, lent)
		c.mu.Unlock()
		if woken && len(events) >= stream {
			runtime.Gosched()
		}
		return nil
	}
	p := c.newPutter(events, need, lent)
	c.putters = append(c.putters, p)
	c.mu.Unlock()
	return c.await(ctx, p)
}

func (c *Channel) fitsLocked(need size) bool {
	return c.used.events+need.events <= c.limit.events && c.used.slots+need.slots <= c.limit.slots
}

// putLocked stores events that fit and tells whether that woke a taker.
func (c *Channel) putLocked(events []event.Event, need size, lent []*event.Chunk) (woken bool) {
	next := c.first + uint64(c.ring.n)
	if c.takers > 0 && c.ring.n == 0 {
		c.calm++
	}
	if next/sampling != (next+uint64(len(events)))/sampling || c.calm == calmly {
		c.calm = 0
		c.stamps.add(next, time.Since(c.began))
	}
	c.loans.take(next, len(events), lent)
	c.ring.push(events...)
	c.used.add(need)
	return c.wakeLocked()
}

// Take returns the oldest events. A transaction has consecutive ones: what was rolled back is not mixed with what follows.
func (c *Channel) Take(ctx context.Context, maxEvents int, maxBytes int64) (channels.Tx, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return nil, errClosed
		case len(c.back) > 0:
			return c.takeBackLocked(maxEvents, maxBytes), nil
		case c.ring.n > 0:
			return c.takeRingLocked(maxEvents, maxBytes), nil
		}
		c.takers++
		c.mu.Unlock()
		err := c.awaitReady(ctx)
		c.mu.Lock()
		c.takers--
		if err != nil {
			return nil, err
		}
	}
}

func (c *Channel) awaitReady(ctx context.Context) error {
	select {
	case <-c.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wakeLocked lets one waiting taker look, and tells whether there was one. A token that nobody picks up stays for the next
// to wait.
func (c *Channel) wakeLocked() (woken bool) {
	if c.takers == 0 || c.closed {
		return false
	}
	select {
	case c.ready <- struct{}{}:
		return true
	default:
		return false
	}
}

// KeepBorrowed implements channels.Borrower.
func (c *Channel) KeepBorrowed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loans = loans{}
}

// Stats describes the channel now.
func (c *Channel) Stats() channels.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return channels.Stats{
		Size:     c.used.events - c.held,
		Held:     c.held,
		Capacity: c.settings.Capacity,
		MaxTx:    c.settings.TransactionCapacity,
		Bytes:    c.used.bytes,
	}
}

// Close ends everyone who waits. The contents are lost with the channel.
func (c *Channel) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	close(c.ready)
	for _, p := range c.putters {
		p.done <- errClosed
	}
	c.putters = nil
	return nil
}
