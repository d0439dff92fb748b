package flow

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"goflume/channels"
	"goflume/internal/safe"
)

// epoch is a stretch of transactions in flight with one Pipelined sink. The outlet's goroutine takes and starts them; a
// committer waits for each in take order and commits it. It ends at the first failure, and at stop, rewiring or when
// the group picks another sink. After a failure all that is not committed goes back, the last taken first: also
// batches behind the failed one that were acknowledged, as a duplicate is better than disorder.
type epoch struct {
	r      *run
	l      *outLink
	ctx    context.Context // of every Start; ends at a failure
	cancel context.CancelFunc

	slots  chan struct{} // as many as the sink's window: a token for each open transaction
	fifo   chan *flight  // of the same size, so that sending never blocks
	landed chan struct{} // a done was called; size 1, as one notice stands for many

	committed atomic.Int64 // batches, since last asked
	failed    atomic.Bool  // the committer saw a failure
	commitErr atomic.Pointer[error]
	aborted   atomic.Bool   // Abort has returned: what is not reported now never will be
	ended     chan struct{} // the committer has ended; then:
	err       error         // the first failure
	left      []*flight     // not committed, in take order

	startFailed bool
}

var errUnreported = errors.New("the sink did not report the end of a batch: a bug of the sink")

// flight is a transaction that was given to the sink.
type flight struct {
	tx    channels.Tx
	n     int
	began time.Time
	state atomic.Int32
	err   error // once landed
}

// States of a flight.
const (
	flying int32 = iota
	landing
	hasLanded
)

// land notes how the flight ended; only the first call counts.
func (e *epoch) land(f *flight, err error) {
	if !f.state.CompareAndSwap(flying, landing) {
		e.l.log.Error("The sink reported a batch twice: a bug of the sink; the second report is ignored", "sink", e.l.name, "err", err)
		return
	}
	f.err = err
	f.state.Store(hasLanded)
	select {
	case e.landed <- struct{}{}:
	default:
	}
}

// pipeline runs one epoch with the sink picked, in the wiring that h holds; or one Write, where no more may be in flight.
func (r *run) pipeline(ctx context.Context, h *held[outletWiring], i int) {
	l := h.wiring.links[i]
	window, err := safe.Value(l.pipe.Window)
	if err != nil {
		l.hurt("The sink does not say how many batches may be in flight", err)
		r.until = time.Now().Add(r.after.Next())
		return
	}
	if window <= 1 {
		r.write(ctx, h.wiring, i)
		return
	}
	e := &epoch{r: r, l: l, slots: make(chan struct{}, window), fifo: make(chan *flight, window),
		landed: make(chan struct{}, 1), ended: make(chan struct{})}
	e.ctx, e.cancel = context.WithCancel(r.hard)
	defer e.cancel()
	go e.commit()
	r.at.Store(l.Sink)
	l.flying = true
	for ok := true; ok; ok = r.goesOn(&ctx, h, i, e) {
		select {
		case e.slots <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		if tx := r.take(ctx, l); tx == nil {
			<-e.slots
		} else if !e.start(tx) {
			break
		}
	}
	e.finish(h.wiring, i)
	l.flying = false
	r.at.Store(nil)
}

// goesOn tells whether the epoch takes another batch, and gets ready for the wait for it.
func (r *run) goesOn(ctx *context.Context, h *held[outletWiring], i int, e *epoch) bool {
	for {
		*ctx = r.bell.ready()
		stopping := r.stop.Err() != nil
		if e.failed.Load() || r.hard.Err() != nil || r.wired.now.Load() != h || e.l.renew ||
			stopping && !e.l.more() {
			return false
		}
		now := time.Now()
		r.bell.arm(now, r.tend(h.wiring, now, stopping))
		e.report(h.wiring, i, now)
		if r.until.After(now) {
			return false
		}
		if e.l.job != nil { // Tick and Start do not meet
			<-(*ctx).Done()
			continue
		}
		if j, _ := r.pick(h.wiring, now, stopping); j != i {
			if j >= 0 {
				r.picked = j
			}
			return false
		}
		return true
	}
}

// start gives a transaction to the sink, and tells whether it was taken.
func (e *epoch) start(tx channels.Tx) bool {
	events := tx.Events()
	f := &flight{tx: tx, n: len(events), began: time.Now()}
	e.l.count.DrainAttempt.Add(f.n)
	e.fifo <- f
	err := safe.Call(func() error {
		return e.l.pipe.Start(e.ctx, events, func(err error) { e.land(f, err) })
	})
	if err != nil {
		e.startFailed = true
		e.land(f, err)
	}
	return err == nil
}

// commit is the committer. After the first failure it waits for nothing more.
func (e *epoch) commit() {
	defer close(e.ended)
	for f := range e.fifo {
		if e.err == nil {
			e.err = e.wait(f)
		}
		switch {
		case e.err == nil:
			e.commitOne(f)
			<-e.slots
		case !e.failed.Swap(true):
			e.l.count.Delivery.Observe(time.Since(f.began).Seconds())
			e.cancel()
			e.r.bell.ring()
			fallthrough
		default:
			e.left = append(e.left, f)
		}
	}
}

// wait returns how the flight ended.
func (e *epoch) wait(f *flight) error {
	for f.state.Load() != hasLanded {
		if e.aborted.Load() {
			return errUnreported
		}
		<-e.landed
	}
	return f.err
}

func (e *epoch) commitOne(f *flight) {
	now := time.Now()
	e.l.count.Delivery.Observe(now.Sub(f.began).Seconds())
	if err := e.l.commit(f.tx, f.n, now); err != nil {
		e.commitFailed(err)
	}
	e.committed.Add(1)
}

func (e *epoch) commitFailed(err error) {
	e.commitErr.Store(&err)
	e.r.bell.ring()
}

// report hands on what the committer has seen since the last report.
func (e *epoch) report(w *outletWiring, i int, now time.Time) {
	if err := e.commitErr.Swap(nil); err != nil {
		e.r.commitFailed(e.l, *err)
	}
	if e.committed.Swap(0) > 0 {
		e.r.succeeded(w, i, now)
		if e.l.job == nil {
			e.l.ask(e.r.hard)
		}
	}
}

// finish waits for what is in flight and rolls back what failed.
func (e *epoch) finish(w *outletWiring, i int) {
	r, l := e.r, e.l
	if e.startFailed {
		e.abort() // the failure may be of an earlier batch that is reported only now
	}
	close(e.fifo)
	for ended := false; !ended; {
		ctx := r.bell.ready()
		now := time.Now()
		r.bell.arm(now, r.tend(w, now, r.stop.Err() != nil))
		if r.hard.Err() != nil {
			e.abort()
		}
		select {
		case <-e.ended:
			ended = true
		case <-ctx.Done():
		}
	}
	e.report(w, i, time.Now())
	if e.err == nil {
		return
	}
	e.abort()
	n := 0
	for _, f := range slices.Backward(e.left) {
		r.rollback(l, f.tx, f.n)
		n += f.n
	}
	r.failed(w, i, n, e.err)
}

// abort has the sink end what is in flight, once.
func (e *epoch) abort() {
	if e.aborted.Load() {
		return
	}
	e.cancel()
	e.l.await()
	if err := safe.Call(func() error { e.l.pipe.Abort(); return nil }); err != nil {
		e.l.hurt("Ending what was in flight failed", err)
	}
	e.aborted.Store(true)
	select {
	case e.landed <- struct{}{}:
	default:
	}
}
