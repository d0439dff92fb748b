package flowtest

import (
	"context"
	"errors"
	"sync"

	"goflume/event"
	"goflume/sinks"
)

// FakePipe is a Pipelined sink whose batches end when the test says so, in any order.
type FakePipe struct {
	FakeSink
	Size int // Window; 0 means 4
	// OnStart, where not nil, is called by Start; its error is returned.
	OnStart func(ctx context.Context, events []event.Event) error
	// Auto ends each batch by itself as OnWrite says.
	Auto bool

	mu     sync.Mutex
	open   []*InFlight
	failed bool
	aborts int
}

var _ sinks.Pipelined = (*FakePipe)(nil)

// InFlight is a batch that FakePipe was given and that has not ended.
type InFlight struct {
	Events []event.Event
	pipe   *FakePipe
	done   func(error)
}

var errBroken = errors.New("an earlier batch failed")

// Start implements sinks.Pipelined.
func (p *FakePipe) Start(ctx context.Context, events []event.Event, done func(error)) error {
	if p.OnStart != nil {
		if err := p.OnStart(ctx, events); err != nil {
			return err
		}
	}
	p.mu.Lock()
	if p.failed {
		p.mu.Unlock()
		return errBroken
	}
	f := &InFlight{events, p, done}
	p.open = append(p.open, f)
	p.mu.Unlock()
	if p.Auto {
		var err error
		if p.OnWrite != nil {
			err = p.OnWrite(ctx, events)
		}
		f.End(err)
	}
	return nil
}

// End ends the batch: with nil it is recorded as delivered. A batch that was ended before, also by Abort, stays as it is.
func (f *InFlight) End(err error) {
	p := f.pipe
	p.mu.Lock()
	at := -1
	for i, o := range p.open {
		if o == f {
			at = i
		}
	}
	if at < 0 {
		p.mu.Unlock()
		return
	}
	p.open = append(p.open[:at:at], p.open[at+1:]...)
	p.failed = p.failed || err != nil
	p.mu.Unlock()
	if err == nil {
		p.record(f.Events)
	}
	f.done(err)
}

// InFlight returns the batches that have not ended, oldest first.
func (p *FakePipe) InFlight() []*InFlight {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*InFlight(nil), p.open...)
}

// Window implements sinks.Pipelined.
func (p *FakePipe) Window() int {
	if p.Size == 0 {
		return 4
	}
	return p.Size
}

// Abort implements sinks.Pipelined.
func (p *FakePipe) Abort() {
	for _, f := range p.InFlight() {
		f.End(errors.New("aborted"))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed = false
	p.aborts++
}

// Aborts returns how often Abort was called.
func (p *FakePipe) Aborts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.aborts
}
