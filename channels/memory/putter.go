package memory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"goflume/event"
	"goflume/internal/javafmt"
)

// putter is a Put that waits for room.
type putter struct {
	events []event.Event
	need   size
	lent   []*event.Chunk
	done   chan error // receives once, when the wait was ended by another goroutine
	timer  *time.Timer
}

func (c *Channel) newPutter(events []event.Event, need size, lent []*event.Chunk) *putter {
	p, ok := c.idle.Get().(*putter)
	if !ok {
		p = &putter{done: make(chan error, 1), timer: time.NewTimer(time.Hour)}
	}
	p.events, p.need, p.lent = events, need, lent
	return p
}

// await waits until the putter's events were put, or it is time to give up.
func (c *Channel) await(ctx context.Context, p *putter) error {
	began := time.Since(c.began)
	defer func() { c.blocked.Add((time.Since(c.began) - began).Seconds()) }()
	p.timer.Reset(c.settings.KeepAlive)
	select {
	case err := <-p.done:
		return c.free(p, err)
	case <-p.timer.C:
	case <-ctx.Done():
	}
	return c.giveUp(p)
}

// giveUp leaves the queue, unless the events were put just now.
func (c *Channel) giveUp(p *putter) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.Index(c.putters, p)
	if at < 0 {
		return c.free(p, <-p.done)
	}
	c.putters = slices.Delete(c.putters, at, at+1)
	refusal := errFull
	if c.used.slots+p.need.slots > c.limit.slots {
		refusal = refuseBytes(event.ErrFull, c.limit.slots)
	}
	c.admitLocked()
	return c.free(p, refusal)
}

// admitLocked puts for those who wait, in their order, as long as there is room.
func (c *Channel) admitLocked() {
	n := 0
	for n < len(c.putters) && c.fitsLocked(c.putters[n].need) {
		p := c.putters[n]
		c.putLocked(p.events, p.need, p.lent)
		p.done <- nil
		n++
	}
	c.putters = slices.Delete(c.putters, 0, n)
}

// free keeps the putter, which nobody else knows any more, for the next who waits.
func (c *Channel) free(p *putter, result error) error {
	p.timer.Stop()
	p.events, p.lent = nil, nil
	c.idle.Put(p)
	return result
}

// What Flume's memory channel says when it refuses; clients see these sentences.
var (
	errFull error = &event.Refused{Kind: event.ErrFull,
		Text: "Space for commit to queue couldn't be acquired. Sinks are likely not keeping up with sources, or the buffer size is too tight"}
	errClosed error = &event.Refused{Kind: event.ErrClosed, Text: "The memory channel is closed"}
)

func refuseTransaction(capacity int) error {
	return &event.Refused{Kind: event.ErrTooLarge, Text: fmt.Sprintf("Put queue for MemoryTransaction of capacity %d full, "+
		"consider committing more frequently, increasing capacity or increasing thread count", capacity)}
}

func refuseBytes(kind error, slots int64) error {
	return &event.Refused{Kind: kind, Text: fmt.Sprintf("Cannot commit transaction. Byte capacity allocated to store event body %sreached. "+
		"Please increase heap space/byte capacity allocated to the channel as the sinks may not be keeping up with the sources",
		javafmt.AppendFloat(nil, float64(slots)*slotBytes))}
}
