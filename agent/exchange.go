package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"goflume/channels"
	"goflume/event"
)

// exchange puts a channel in the place of another one of its name. Nothing flows into or out of them meanwhile.
//
// What a memory channel holds is put into the new one, all of it or nothing, while the transactions by which it was taken
// stay open: so the old one has everything again if the change is taken back. A durable channel is closed first, as both
// may want the same files; where the new one cannot be opened, the old one is opened again.
type exchange struct {
	change    *change
	old, next *channel
	taken     []channels.Tx // from old, when it is a memory channel
	opened    bool          // next was, or tried to
	closed    bool          // old is
	held      int           // events in old, when it is a durable channel
}

// prepare opens the new channel with what the old one holds.
func (x *exchange) prepare() error {
	if x.old.durable() {
		return x.reopen()
	}
	if err := x.open(); err != nil {
		return err
	}
	return x.pump()
}

func (x *exchange) reopen() error {
	x.held = x.old.size()
	if x.held > 0 && !x.next.durable() {
		return fmt.Errorf("channel %s holds %d events on disk, and a %s channel would lose them in a crash: drain it first, or keep its type",
			x.old.name(), x.held, x.next.plan.Entry.Name)
	}
	x.closed = true
	if !x.old.close(x.change.a.hard) {
		return &ChannelError{x.old.name(), errNotClosed}
	}
	return x.open()
}

func (x *exchange) open() error {
	x.opened = true
	if err := x.next.open(x.change.ctx); err != nil {
		return &ChannelError{x.next.name(), err}
	}
	return nil
}

// pump puts all that the old channel holds into the new one.
func (x *exchange) pump() error {
	s := x.old.channel.Stats()
	now, cancel := context.WithCancel(x.change.ctx)
	cancel() // everything is there already: nothing is waited for
	room := x.next.channel.Stats()
	if s.Held > 0 {
		return fmt.Errorf("channel %s: a sink has not returned %d events within the time it had", x.old.name(), s.Held)
	}
	if room.Capacity > 0 && s.Size > room.Capacity {
		return fmt.Errorf("channel %s holds %d events, and only %d would fit: drain it first, or give it more capacity", x.old.name(), s.Size, room.Capacity)
	}
	if b, ok := x.old.channel.(channels.Borrower); ok {
		b.KeepBorrowed() // a commit of what moves must not have its memory used again
	}
	for left := s.Size; left > 0; {
		tx, err := x.old.channel.Take(x.change.ctx, left, 0)
		if err != nil {
			return fmt.Errorf("channel %s: %w", x.old.name(), err)
		}
		x.taken = append(x.taken, tx)
		left -= len(tx.Events())
		if err := put(now, x.next.channel, room.MaxTx, tx.Events()); err != nil {
			return fmt.Errorf("channel %s holds events that do not fit into the new one: %w", x.old.name(), err)
		}
	}
	return nil
}

// put puts the events in transactions that the channel allows.
func put(ctx context.Context, to channels.Channel, limit int, events []event.Event) error {
	if limit == 0 {
		limit = len(events)
	}
	for piece := range slices.Chunk(events, limit) {
		if err := to.Put(ctx, piece); err != nil {
			return err
		}
	}
	return nil
}

// takeBack gives the old channel everything again.
func (x *exchange) takeBack() {
	if x.opened {
		x.next.close(x.change.a.hard)
	}
	for _, tx := range slices.Backward(x.taken) {
		if err := tx.Rollback(); err != nil {
			x.old.log.Error("Events could not be given back to the channel and are lost", "events", len(tx.Events()), "err", err)
		}
	}
	if !x.closed {
		return
	}
	again, err := x.change.a.newChannel(x.old.plan)
	if err == nil {
		if err = again.open(x.change.a.ending); err != nil { // not the change's: that may be why it is taken back
			again.close(x.change.a.hard)
		}
	}
	if err != nil && x.change.a.isDraining() {
		x.old.log.Info("The channel is not opened again, as the agent is stopping; its events stay where it keeps them")
		return
	}
	if err != nil {
		x.old.log.Error("The channel could not be opened again with its old settings either; correct the configuration and reload", "err", err)
		x.old.health.fail(Failed, errors.Join(errors.New("closed by a reload that was refused"), err))
		return
	}
	a := x.change.a
	a.metrics.Add(again.set)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now.channels[again.name()] = again // who held the old one is wired anew from here
}

// commit takes the events out of the old memory channel for good.
func (x *exchange) commit() {
	for _, tx := range x.taken {
		if err := tx.Commit(); err != nil {
			x.old.log.Error("Events that were moved could not be taken out of the old channel: they are delivered twice", "err", err)
		}
	}
}

// finish closes the old channel.
func (x *exchange) finish() {
	if !x.closed {
		x.old.close(x.change.a.hard)
		return
	}
	if n := x.next.size(); n < x.held {
		x.old.log.Warn("The channel holds fewer events than before: the others stay where its old settings kept them", "before", x.held, "now", n)
	}
}
