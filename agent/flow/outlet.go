package flow

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"goflume/internal/retry"
	"goflume/internal/safe"
	"goflume/sinks/processor"
)

const (
	// idle is how long a Take waits before it counts as empty, as long as Flume's runner at most sleeps.
	idle = 5 * time.Second
	// turn is how long a Take waits in a group whose sinks drain different channels, before the group picks again.
	turn = time.Second
	// settle is how often a draining outlet looks at a channel whose last events are with other outlets.
	settle = 100 * time.Millisecond
)

// OutletWiring is what an outlet drains and into what. It is read-only once given to Rewire. A Sink belongs to one outlet
// at a time: before it is given to a second one, the Rewire that took it from the first has settled.
type OutletWiring struct {
	Processor processor.Processor // nil: the default one, for one sink
	Sinks     []SinkLink          // in the order in which the processor counts them
}

// SinkLink is a sink with the channel that it drains.
type SinkLink struct {
	Sink    *Sink
	Channel ChannelRef
	// Drain says that after stop the channel is emptied, as what it holds would be lost.
	Drain bool
}

// Outlet drains channels into the sinks of a group, or into one sink: take, write, commit. It opens the sinks, ticks them
// and waits after failures; it never closes them.
type Outlet struct {
	name  string
	log   *slog.Logger
	wired slot[outletWiring]
	bell  bell
	noise quiet // of panics
}

// outletWiring is an OutletWiring made ready.
type outletWiring struct {
	processor processor.Processor
	links     []*outLink
	bound     time.Duration // of a Take
}

// outLink is a SinkLink with its channel's limits.
type outLink struct {
	*Sink
	link  *link
	drain bool
}

// NewOutlet returns an outlet that does nothing until Rewire was called. The name, of the sink or group, is for messages.
func NewOutlet(name string, log *slog.Logger) *Outlet {
	o := &Outlet{name: name, log: log}
	o.wired.swap(nil)
	return o
}

// Rewire has the outlet drain and write as w says from the next batch on; with nil it rests. What is in flight is finished
// first. The function returned waits until the outlet, if it runs, has left the wiring before: then its sinks may be
// closed or given to another outlet, and nothing is taken from its channels.
func (o *Outlet) Rewire(w *OutletWiring) (settled func(context.Context) error) {
	var ow *outletWiring
	if w != nil {
		ow = &outletWiring{processor: w.Processor, bound: idle}
		if ow.processor == nil {
			ow.processor = processor.Default{}
		}
		for _, s := range w.Sinks {
			ow.links = append(ow.links, &outLink{Sink: s.Sink, link: newLink(s.Channel), drain: s.Drain})
			if s.Channel.Name != w.Sinks[0].Channel.Name {
				ow.bound = turn
			}
		}
	}
	settled = o.wired.swap(ow)
	o.bell.ring()
	return settled
}

// Run drains until stop ends, then until the channels marked Drain are empty; when hard ends it finishes at once, with
// the context of every Write under way cancelled. It returns nil when nothing of it runs any more, and an error if a sink
// has not returned 5 s after hard: that sink is FAILED and its batch stays uncommitted. Run may be called again. hard
// must not end before stop.
func (o *Outlet) Run(stop, hard context.Context) error {
	defer context.AfterFunc(stop, o.bell.ring)()
	defer context.AfterFunc(hard, o.bell.ring)()
	defer o.bell.stop()
	r := &run{Outlet: o, stop: stop, hard: hard, after: retry.Default(), afterTake: retry.Default(), afterPanic: retry.Default()}
	done := make(chan error, 1)
	go func() {
		r.loop()
		done <- nil
	}()
	err, ok := await(hard, done)
	if ok {
		return err
	}
	var stuck error
	if l := r.at.Load(); l != nil {
		l.giveUp()
		stuck = fmt.Errorf("sink %s: %w", l.name, errStuck)
	} else {
		stuck = errStuck
	}
	return fmt.Errorf("outlet %s: %w", o.name, stuck)
}

// run is one call of Run.
type run struct {
	*Outlet
	stop, hard context.Context
	now        time.Time // when the last Write ended, if nothing was waited for since; zero: ask the clock
	until      time.Time // nothing is taken before
	failures   int       // of sinks, since the last success
	after      retry.Backoff
	afterTake  retry.Backoff
	afterPanic retry.Backoff
	picked     int                  // and not used yet; -1: none
	at         atomic.Pointer[Sink] // that is waited for
}

// loop runs on one wiring after the other. A panic of the flow's own ends none of it for good.
func (r *run) loop() {
	for again := true; again; {
		err := safe.Call(func() error {
			h := r.wired.enter()
			defer h.leave()
			again = r.on(h)
			return nil
		})
		if err != nil {
			again = r.recover(err)
		}
	}
}

// on runs on one wiring and returns whether another is to follow.
func (r *run) on(h *held[outletWiring]) (again bool) {
	w := h.wiring
	if w == nil || len(w.links) == 0 {
		select {
		case <-h.retired:
			return true
		case <-r.stop.Done():
			return false
		case <-r.hard.Done():
			return false
		}
	}
	for _, l := range w.links {
		l.bell.Store(&r.bell)
	}
	defer func() {
		if !again {
			r.rest(w)
		}
	}()
	r.picked = -1
	for {
		ctx := r.bell.ready()
		stopping := r.stop.Err() != nil
		switch {
		case r.hard.Err() != nil:
			return false
		case r.wired.now.Load() != h:
			return true
		case stopping && !w.left():
			return false
		}
		now := r.clock()
		due := r.tend(w, now, stopping)
		if r.until.After(now) {
			r.bell.arm(now, earlier(due, r.until))
			<-ctx.Done()
			continue
		}
		i, wait := r.pick(w, now, stopping)
		if i < 0 {
			r.bell.arm(now, earlier(due, now.Add(wait)))
			<-ctx.Done()
			continue
		}
		r.bell.arm(now, due)
		if w.links[i].pipe != nil {
			r.pipeline(ctx, h, i)
		} else {
			r.write(ctx, w, i)
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// rest waits for what runs aside; an Open is cut short.
func (r *run) rest(w *outletWiring) {
	for _, l := range w.links {
		r.at.Store(l.Sink)
		if l.job != nil && !l.open {
			l.job.cancel()
		}
		l.await()
	}
	r.at.Store(nil)
}

// clock returns the time, which is not asked for twice a batch where once does.
func (r *run) clock() time.Time {
	now := r.now
	if r.now = (time.Time{}); now.IsZero() {
		now = time.Now()
	}
	return now
}

// tend does what is due for each sink and returns when to look again.
func (r *run) tend(w *outletWiring, now time.Time, stopping bool) (due time.Time) {
	due = now.Add(w.bound)
	if stopping {
		due = now.Add(settle)
	}
	for _, l := range w.links {
		due = earlier(due, l.tend(r.hard, now))
	}
	return due
}
