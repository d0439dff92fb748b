package flow

import (
	"context"
	"errors"
	"log/slog"
	"math/bits"
	"time"

	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/safe"
	"goflume/sources"
	"goflume/sources/interceptor"
	"goflume/sources/selector"
)

// holdback is how long a Send waits for an inlet that is not wired, as long as a channel waits for room by default.
const holdback = 3 * time.Second

// InletWiring is what a source is connected to. It is read-only once given to Rewire.
type InletWiring struct {
	Interceptors []interceptor.Interceptor
	Selector     selector.Selector // nil: every channel is required
	Channels     []ChannelRef      // in the order of the source's `channels`, which Select's bits count
}

// Inlet is a source's Output. It counts what comes in, runs the interceptors, and puts each event into the channels that
// the selector names: the required ones in order, then the optional ones without waiting. The source's counters that
// stand for events and batches are moved here.
type Inlet struct {
	name  string
	log   *slog.Logger
	count metric.SourceCounters

	filtered, unrouted, optionalLost *metric.Counter // events

	wired slot[inletWiring]
	lost  quiet
}

var _ sources.Output = (*Inlet)(nil)

// NewInlet returns the inlet of the source of that name. It refuses events until Rewire was called.
func NewInlet(name string, m *metric.Set, log *slog.Logger) *Inlet {
	const events, help = "flume_source_events_total", "Events by outcome."
	in := &Inlet{
		name: name, log: log, count: metric.NewSource(m),
		filtered: m.Counter("", events, help, "outcome", "filtered"),
		unrouted: m.Counter("", events, help, "outcome", "unrouted"),
		optionalLost: m.Counter("", "flume_source_optional_events_lost_total",
			"Events that an optional channel did not take."),
	}
	in.wired.swap(nil)
	return in
}

// inletWiring is an InletWiring made ready.
type inletWiring struct {
	InletWiring
	links    []*link
	all      selector.Set // a bit for each channel
	uniform  bool         // every event goes to required and optional
	required selector.Set
	optional selector.Set
	direct   *link // the only channel, where there is nothing to intercept or to select
	shut     bool  // for good: no channel
}

// Rewire connects the source to w from the next Send on. A batch that is being sent is finished as it began; one that was
// refused and is sent again goes to the new channels of the names it is still owed to, and takes a fresh route where no
// channel has any of it. A nil w holds batches back: each waits up to 3 s for the next wiring and is then refused like
// one that finds a channel full.
//
// The function returned waits until no Send uses the wiring before: from then on its channels get nothing more from here.
func (in *Inlet) Rewire(w *InletWiring) (settled func(context.Context) error) {
	if w == nil {
		return in.wired.swap(nil)
	}
	iw := &inletWiring{InletWiring: *w, all: selector.Set(1)<<len(w.Channels) - 1}
	for _, c := range w.Channels {
		iw.links = append(iw.links, newLink(c))
	}
	switch s := w.Selector.(type) {
	case nil:
		iw.uniform, iw.required = true, iw.all
	case selector.Uniform:
		iw.uniform = true
		iw.required, iw.optional = s.Uniform()
		iw.required &= iw.all
		iw.optional &= iw.all &^ iw.required
	}
	if iw.uniform && len(w.Interceptors) == 0 && iw.optional == 0 && bits.OnesCount64(uint64(iw.required)) == 1 {
		iw.direct = iw.links[bits.TrailingZeros64(uint64(iw.required))]
	}
	return in.wired.swap(iw)
}

// Shut refuses all that is sent from now on, for good: the source has ended, or was given up. The function returned waits
// as Rewire's does.
func (in *Inlet) Shut() (settled func(context.Context) error) {
	return in.wired.swap(&inletWiring{shut: true})
}

// Send implements sources.Output.
func (in *Inlet) Send(ctx context.Context, b *event.Batch) error {
	h, err := in.enter(ctx)
	if err != nil {
		return err
	}
	defer h.leave()
	w := h.wiring

	r, _ := b.Route.(*route)
	if r == nil || r.inlet != in || !r.fits(b) {
		n := len(b.Events)
		if n == 0 {
			return nil
		}
		b.Route = nil
		in.count.AppendBatchReceived.Add(1)
		in.count.Received.Add(n)
		if done, err := in.direct(ctx, w, b); done {
			return err
		}
		r = newRoute(in, w, b.Events)
	}
	if err := r.run(ctx, w, b); err != nil {
		r.keep(b)
		return err
	}
	in.accepted(r.received, r.body)
	r.release(b)
	return nil
}

// enter returns the wiring of now; where there is none it waits for one.
func (in *Inlet) enter(ctx context.Context) (*held[inletWiring], error) {
	h := in.wired.enter()
	if h.wiring == nil {
		var err error
		if h, err = in.await(ctx, h); err != nil {
			return nil, err
		}
	}
	if h.wiring.shut {
		h.leave()
		in.count.ChannelWriteFail.Add(1)
		return nil, &event.Refused{Kind: event.ErrClosed, Text: "source " + in.name + " has ended; send the events again"}
	}
	return h, nil
}

func (in *Inlet) await(ctx context.Context, h *held[inletWiring]) (*held[inletWiring], error) {
	timer := time.NewTimer(holdback)
	defer timer.Stop()
	for h.wiring == nil {
		h.leave()
		select {
		case <-h.retired:
			h = in.wired.enter()
			continue
		case <-ctx.Done():
		case <-timer.C:
		}
		in.count.ChannelWriteFail.Add(1)
		return nil, &event.Refused{Kind: event.ErrFull, Text: "the channels of source " + in.name + " are being changed; send the events again"}
	}
	return h, nil
}

// direct puts the batch whole into the one channel there is, and tells whether that was possible to try.
func (in *Inlet) direct(ctx context.Context, w *inletWiring, b *event.Batch) (tried bool, err error) {
	l := w.direct
	if l == nil {
		return false, nil
	}
	n := len(b.Events)
	limit, err := l.maxTx()
	if err == nil && limit > 0 && n > limit {
		return false, nil
	}
	lent := b.Borrowed()
	if err == nil {
		if tighten(b.Events, true) {
			lent = nil
		}
		err = l.put(ctx, b.Events, lent)
	}
	if err != nil {
		if n > 1 && errors.Is(err, event.ErrTooLarge) {
			return false, nil // a route cuts it
		}
		r := newRoute(in, w, b.Events)
		r.wiring = w
		r.owed = append(r.owed, owed{link: l, events: b.Events, lent: lent})
		r.keep(b)
		in.refused(n)
		return true, err
	}
	in.accepted(n, bodies(b.Events))
	return true, nil
}

func (in *Inlet) accepted(n, body int) {
	in.count.Accepted.Add(n)
	in.count.Bytes.Add(body)
	in.count.BatchAccepted.Add(1)
}

// bodies returns the bytes of the bodies.
func bodies(events []event.Event) (n int) {
	for i := range events {
		n += len(events[i].Body)
	}
	return n
}

func (in *Inlet) refused(n int) {
	in.count.Rejected.Add(n)
	in.count.ChannelWriteFail.Add(1)
}

// put is one transaction of events whose bodies may lie in the chunks. A channel that does not say when it needs them no
// longer has them for good.
func (l *link) put(ctx context.Context, events []event.Event, lent []*event.Chunk) error {
	l.Metrics.PutAttempt.Add(len(events))
	err := safe.Call(func() error {
		if len(lent) > 0 && l.borrower != nil {
			return l.borrower.PutBorrowed(ctx, events, lent)
		}
		for _, c := range lent {
			c.Hold()
		}
		return l.Channel.Put(ctx, events)
	})
	if err != nil {
		l.Metrics.RefusedPuts.Add(1)
		return err
	}
	l.Metrics.Puts.Add(1)
	l.Metrics.PutSuccess.Add(len(events))
	return nil
}

// Limits implements sources.Output. Where the selector does not say which channels are required, all of them count.
func (in *Inlet) Limits() (most, room int) {
	h := in.wired.enter()
	defer h.leave()
	room = -1
	if h.wiring == nil {
		return 0, room
	}
	set := h.wiring.all
	if h.wiring.uniform {
		set = h.wiring.required
	}
	for i, l := range h.wiring.links {
		if set&(1<<i) == 0 {
			continue
		}
		s, err := l.stats()
		if err != nil {
			continue
		}
		if s.MaxTx > 0 && (most == 0 || s.MaxTx < most) {
			most = s.MaxTx
		}
		if s.Capacity > 0 && s.Size >= 0 {
			if free := max(s.Capacity-s.Size-s.Held, 0); room < 0 || free < room {
				room = free
			}
		}
	}
	return most, room
}

// smallRead is the size in bytes up to which also a whole batch is copied that pins much: a large read that is sent whole
// shares its chunk with its neighbours, which live as long.
const smallRead = 4 << 10

// tighten moves the bodies into a chunk of their own where they are less than a quarter of what they keep alive, and tells
// whether it did. whole says that nothing was taken out of the batch that they came in.
func tighten(events []event.Event, whole bool) bool {
	if whole && exceeds(events, smallRead) {
		return false
	}
	b := event.Batch{Events: events}
	body, pinned := b.Footprint()
	if body >= pinned/4 || pinned < 1<<10 {
		return false
	}
	chunk := make([]byte, 0, body)
	for i := range events {
		at := len(chunk)
		chunk = append(chunk, events[i].Body...)
		events[i].Body = chunk[at:]
	}
	return true
}

// exceeds tells whether the bodies have more than so many bytes together. Of a large batch it looks at the first few.
func exceeds(events []event.Event, size int) bool {
	for i := range events {
		if size -= len(events[i].Body); size < 0 {
			return true
		}
	}
	return false
}
