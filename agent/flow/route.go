package flow

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"goflume/event"
	"goflume/internal/safe"
	"goflume/sources/interceptor"
	"goflume/sources/selector"
)

// route is how far a batch has come: which interceptors saw it and which channels are owed what. It is scratch that stays
// inside Send when all goes well, and the batch's Route after an error.
type route struct {
	inlet    *Inlet
	received int          // events of the batch as it came
	body     int          // bytes of their bodies
	first    *event.Event // with count: the batch as it was left, to know one that was built anew
	count    int

	chain []interceptor.Interceptor // of the wiring that the batch came in by
	next  int                       // of chain

	wiring *inletWiring   // that owed was made for; nil before
	owed   []owed         // required ones first
	lent   []*event.Chunk // to the batch
	taken  bool           // a required channel holds some of it
	split  [][]event.Event
	kept   bool // it left Send
}

// owed is what one channel is still to get.
type owed struct {
	link     *link
	optional bool
	events   []event.Event
	lent     []*event.Chunk // that bodies may lie in
}

var routes = sync.Pool{New: func() any { return new(route) }}

func newRoute(in *Inlet, w *inletWiring, events []event.Event) *route {
	r := routes.Get().(*route)
	r.inlet, r.received, r.body, r.chain = in, len(events), bodies(events), w.Interceptors
	return r
}

// keep leaves the route in the batch for the next Send of it.
func (r *route) keep(b *event.Batch) {
	r.kept = true
	r.count, r.first = len(b.Events), nil
	if len(b.Events) > 0 {
		r.first = &b.Events[0]
	}
	b.Route = r
}

// fits tells whether the batch is the one that was left.
func (r *route) fits(b *event.Batch) bool {
	return len(b.Events) == r.count && (r.count == 0 || &b.Events[0] == r.first)
}

// release ends the route of a batch that was sent.
func (r *route) release(b *event.Batch) {
	b.Route = nil
	if r.kept {
		return // who else knows it is not known here: the garbage collector's
	}
	for i := range r.split {
		clear(r.split[i])
		r.split[i] = r.split[i][:0]
	}
	clear(r.owed)
	*r = route{owed: r.owed[:0], split: r.split[:0]}
	routes.Put(r)
}

// run takes the batch on from where it is.
func (r *route) run(ctx context.Context, w *inletWiring, b *event.Batch) error {
	r.lent = b.Borrowed()
	if r.next < len(r.chain) {
		before := len(b.Events)
		err := safe.Call(func() error { return r.intercept(b) })
		r.inlet.filtered.Add(max(before-len(b.Events), 0))
		if err != nil {
			r.inlet.count.Failures.Add(1)
			r.inlet.count.Rejected.Add(r.received)
			return err
		}
	}
	if r.wiring != w {
		if err := safe.Call(func() error { r.aim(w, b); return nil }); err != nil {
			r.owed = r.owed[:0]
			r.inlet.count.Failures.Add(1)
			r.inlet.count.Rejected.Add(r.received)
			return fmt.Errorf("selector of source %s: %w", r.inlet.name, err)
		}
	}
	for i := range r.owed {
		if o := &r.owed[i]; !o.optional {
			if err := r.pay(ctx, o); err != nil {
				r.inlet.refused(r.received)
				return err
			}
		}
	}
	for i := range r.owed {
		if o := &r.owed[i]; o.optional {
			if err := r.pay(expired, o); err != nil {
				r.inlet.lose(o, err)
			}
		}
	}
	return nil
}

// intercept runs the interceptors that have not seen the batch.
func (r *route) intercept(b *event.Batch) error {
	for ; r.next < len(r.chain) && len(b.Events) > 0; r.next++ {
		if err := r.chain[r.next].Intercept(b); err != nil {
			return fmt.Errorf("interceptor %d of source %s: %w", r.next+1, r.inlet.name, err)
		}
	}
	r.next = len(r.chain)
	return nil
}

// pay puts what is owed in transactions that the channel allows; what was taken is owed no more. A piece that is too large
// for the channel's bytes is halved: only a single event can be that for good.
func (r *route) pay(ctx context.Context, o *owed) error {
	most, err := o.link.maxTx()
	if err != nil {
		return err
	}
	for len(o.events) > 0 {
		piece := o.events
		if most > 0 && len(piece) > most {
			piece = piece[:most]
		}
		err := o.link.put(ctx, piece, o.lent)
		if err != nil && len(piece) > 1 && errors.Is(err, event.ErrTooLarge) {
			most = len(piece) / 2
			continue
		}
		if err != nil {
			return err
		}
		o.events = o.events[len(piece):]
		r.taken = r.taken || !o.optional
	}
	return nil
}

// expired is the context of puts that do not wait for room.
var expired = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// lose counts what an optional channel did not take; it is not tried again.
func (in *Inlet) lose(o *owed, err error) {
	n := len(o.events)
	o.events = nil
	in.optionalLost.Add(n)
	in.lost.say(func(more int) {
		in.log.Warn("An optional channel did not take events", "channel", o.link.Name, "events", n, "err", err, "more", more)
	})
}

// aim says which channels are owed which events in the wiring w: at first, after a rewiring of which nothing was taken
// yet, or of what was left.
func (r *route) aim(w *inletWiring, b *event.Batch) {
	if r.taken {
		r.redirect(w)
	} else {
		r.owed = r.owed[:0]
		r.assign(w, b.Events, len(b.Events) == r.received)
	}
	r.wiring = w
}

// redirect goes on in the wiring w with a batch of which a channel holds some. A channel that is still there, by name, is
// owed what it was owed. What was owed to one that is gone is dropped where all of the batch went everywhere and another
// channel has it or gets it; else it is selected for anew: a channel may get it twice, but it is not lost.
func (r *route) redirect(w *inletWiring) {
	old, uniform := r.owed, r.wiring.uniform
	r.owed, r.split = nil, nil
	for _, o := range old {
		if o.link = w.named(o.link.Name); o.link != nil {
			r.owed = append(r.owed, o)
		}
	}
	for i, o := range old {
		if o.optional || len(o.events) == 0 || w.named(o.link.Name) != nil {
			continue
		}
		covered := func(p owed) bool { return !p.optional && (len(p.events) == 0 || w.named(p.link.Name) != nil) }
		if !uniform || !slices.ContainsFunc(slices.Delete(slices.Clone(old), i, i+1), covered) {
			r.assign(w, o.events, false)
		}
	}
}

// named returns the channel of that name, or nil.
func (w *inletWiring) named(name string) *link {
	for _, l := range w.links {
		if l.Name == name {
			return l
		}
	}
	return nil
}

// assign adds the events to what is owed, to each channel in order. As long as all go the same way nothing is copied.
func (r *route) assign(w *inletWiring, events []event.Event, whole bool) {
	if w.uniform {
		r.owe(w, w.required, w.optional, events, whole)
		return
	}
	var required, optional selector.Set // of all events so far
	same := true
	base := len(r.split)
	for i := range events {
		req, opt := w.Selector.Select(&events[i])
		req &= w.all
		opt &= w.all &^ req
		switch {
		case i == 0:
			required, optional = req, opt
		case same && (req != required || opt != optional):
			same = false
			r.split = slices.Grow(r.split, 2*len(w.links))[:base+2*len(w.links)]
			for j := range i {
				r.divide(base, w, required, optional, &events[j])
			}
		}
		if !same {
			r.divide(base, w, req, opt, &events[i])
		}
	}
	if same {
		r.owe(w, required, optional, events, whole)
		return
	}
	for i, part := range r.split[base:] {
		if len(part) > 0 {
			r.owed = append(r.owed, owed{w.links[i/2], i%2 == 1, part, r.tighten(part, false)})
		}
	}
}

// divide adds one event to the parts of its channels: two a channel, required and optional.
func (r *route) divide(base int, w *inletWiring, required, optional selector.Set, e *event.Event) {
	if required|optional == 0 {
		r.inlet.unrouted.Add(1)
	}
	for s := required | optional; s != 0; s &= s - 1 {
		i := bits.TrailingZeros64(uint64(s))
		at := base + 2*i
		if optional&(1<<i) != 0 {
			at++
		}
		r.split[at] = append(r.split[at], *e)
	}
}

// owe adds the events, all of them, to what the channels of both sets are owed.
func (r *route) owe(w *inletWiring, required, optional selector.Set, events []event.Event, whole bool) {
	if required|optional == 0 {
		r.inlet.unrouted.Add(len(events))
		return
	}
	lent := r.tighten(events, whole)
	for s := required | optional; s != 0; s &= s - 1 {
		i := bits.TrailingZeros64(uint64(s))
		r.owed = append(r.owed, owed{w.links[i], optional&(1<<i) != 0, events, lent})
	}
}

// tighten returns the chunks that the bodies may still lie in.
func (r *route) tighten(events []event.Event, whole bool) []*event.Chunk {
	if tighten(events, whole) {
		return nil
	}
	return r.lent
}
