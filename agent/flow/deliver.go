package flow

import (
	"context"
	"errors"
	"time"

	"goflume/channels"
	"goflume/internal/safe"
)

// maxTakeBytes bounds the bodies of one batch.
const maxTakeBytes = 64 << 20

var errEmptyTake = errors.New("the channel returned a transaction without events: a bug of the channel")

// pick returns the link that writes next, or a negative one and how long to wait. A sink of a group that cannot write now
// is told to the processor as a failure, so that another takes over. After stop only what is to be emptied is picked.
func (r *run) pick(w *outletWiring, now time.Time, stopping bool) (i int, wait time.Duration) {
	for range len(w.links) + 1 {
		i, wait := r.picked, time.Duration(0)
		if r.picked = -1; i < 0 {
			i, wait = r.ask(w, now)
		}
		if i < 0 || i >= len(w.links) {
			return -1, max(wait, soonest)
		}
		l := w.links[i]
		worthWaiting, err := l.unready(now, len(w.links) == 1)
		if err == nil && !worthWaiting && (!stopping || l.more()) {
			return i, 0
		}
		if err == nil {
			if worthWaiting {
				r.picked = i
			}
			break
		}
		r.tell(w, i, err, now)
	}
	if stopping { // what the processor would not pick holds events too
		for i := range w.links {
			if wait, err := w.links[i].unready(now, true); !wait && err == nil && w.links[i].more() {
				return i, 0
			}
		}
	}
	return -1, w.bound
}

// unready says why the sink cannot write now: it is worth a wait, or it fails its group. A sink alone is waited for.
func (l *outLink) unready(now time.Time, alone bool) (wait bool, err error) {
	switch {
	case l.stuck.Load():
		err = errStuck
	case l.open && l.job == nil && !l.renew:
		return false, nil
	case l.openErr != nil && !l.open:
		err = l.openErr
	case l.job == nil, now.Sub(l.job.began) < patience:
		return true, nil
	default:
		err = errBusy
	}
	if alone {
		return true, nil
	}
	return false, err
}

// left tells whether the channel is to be emptied and is not, or does not say.
func (l *outLink) left() bool {
	if !l.drain {
		return false
	}
	s, err := l.link.stats()
	return err != nil || s.Size > 0 || s.Size == 0 && s.Held > 0
}

// more tells whether left events can be taken now.
func (l *outLink) more() bool {
	if !l.drain {
		return false
	}
	s, err := l.link.stats()
	return err != nil || s.Size > 0
}

func (w *outletWiring) left() bool {
	for _, l := range w.links {
		if l.left() {
			return true
		}
	}
	return false
}

// write takes one batch and has the sink write it.
func (r *run) write(ctx context.Context, w *outletWiring, i int) {
	l := w.links[i]
	tx := r.take(ctx, l)
	if tx == nil {
		return
	}
	events := tx.Events()
	n := len(events)
	l.count.DrainAttempt.Add(n)
	began := time.Now()
	r.at.Store(l.Sink)
	l.since.Store(began.UnixNano())
	err := safe.Call(func() error { return l.sink.Write(r.hard, events) })
	l.since.Store(0)
	r.now = time.Now()
	l.count.Delivery.Observe(r.now.Sub(began).Seconds())
	if err == nil {
		if err := l.commit(tx, n, r.now); err != nil {
			r.commitFailed(l, err)
		}
		r.succeeded(w, i, r.now)
	} else {
		r.rollback(l, tx, n)
		r.failed(w, i, n, err)
	}
	if l.ticker != nil {
		l.ask(r.hard)
		r.now = time.Time{}
	}
	r.at.Store(nil)
}

// take returns a transaction with at least one event, or nil: there was none, or the channel failed.
func (r *run) take(ctx context.Context, l *outLink) channels.Tx {
	most, err := safe.Value(l.sink.BatchSize)
	if err != nil {
		wait := r.afterTake.Next()
		r.until = time.Now().Add(wait)
		l.count.Backoff.Set(wait.Seconds())
		l.hurt("The sink does not say how large a batch may be", err, "wait", wait)
		return nil
	}
	most = max(most, 1)
	var tx channels.Tx
	n := 0
	err = safe.Call(func() error {
		limit, err := l.link.maxTx()
		if err != nil {
			return err
		}
		if limit > 0 {
			most = min(most, limit)
		}
		if tx, err = l.link.Channel.Take(ctx, most, maxTakeBytes); err == nil {
			n = len(tx.Events())
		}
		return err
	})
	switch {
	case err != nil && ctx.Err() != nil:
		l.link.Metrics.TakeAttempt.Add(1)
		l.count.BatchEmpty.Add(1)
		return nil
	case err != nil:
		r.channelFailed(l, "Taking from the channel failed and will be tried again", err)
		return nil
	}
	switch {
	case n == 0:
		_ = tx.Rollback() // nothing in it
		r.channelFailed(l, "Taking from the channel failed and will be tried again", errEmptyTake)
		return nil
	case n < most:
		l.link.Metrics.TakeAttempt.Add(n + 1)
		l.count.BatchUnderflow.Add(1)
	default:
		l.link.Metrics.TakeAttempt.Add(n)
		l.count.BatchComplete.Add(1)
	}
	r.afterTake.Reset()
	return tx
}

// channelFailed waits before the next take. It is no failure of the sink, and its group is told nothing.
func (r *run) channelFailed(l *outLink, message string, err error) {
	l.count.ChannelReadFail.Add(1)
	if r.hard.Err() != nil {
		return
	}
	wait := r.afterTake.Next()
	r.until = time.Now().Add(wait)
	l.count.Backoff.Set(wait.Seconds())
	l.note(message, err, "channel", l.link.Name, "wait", wait)
}

// commit ends the transaction of a batch that was delivered, but for the events that the sink has dropped as its onError
// says: it has counted those before the batch ended. Of batches in flight together one stands in for another.
func (l *outLink) commit(tx channels.Tx, n int, now time.Time) error {
	var put time.Time
	if d, ok := tx.(channels.Dated); ok {
		put = d.PutAt()
	}
	counted := l.count.Dropped.Value()
	if err := safe.Call(tx.Commit); err != nil {
		l.dropped = counted // the events come again, those dropped among them
		return err
	}
	if !put.IsZero() {
		l.count.Latency.Observe(max(0, now.Sub(put).Seconds()))
	}
	l.link.Metrics.Takes.Add(1)
	l.link.Metrics.TakeSuccess.Add(n)
	dropped := min(counted-l.dropped, int64(n))
	l.dropped += dropped
	l.count.DrainSuccess.Add(n - int(dropped))
	return nil
}

// commitFailed says that a batch that was delivered will be delivered again.
func (r *run) commitFailed(l *outLink, err error) {
	r.channelFailed(l, "Committing to the channel failed, the batch will be delivered again", err)
}

func (r *run) rollback(l *outLink, tx channels.Tx, n int) {
	l.count.Retried.Add(n)
	l.dropped = l.count.Dropped.Value() // what was dropped of a batch that failed is in none that is committed
	l.link.Metrics.Rollbacks.Add(1)
	if err := safe.Call(tx.Rollback); err != nil {
		r.channelFailed(l, "Rolling back in the channel failed", err)
	}
}

func (r *run) succeeded(w *outletWiring, i int, now time.Time) {
	r.failures = 0
	r.after.Reset()
	if r.tell(w, i, nil, now) {
		w.links[i].well(false)
	}
}

// failed tells the group, and waits once every sink of it has failed in a row.
func (r *run) failed(w *outletWiring, i, n int, err error) {
	l := w.links[i]
	l.count.WriteFail.Add(1)
	now := time.Now()
	r.tell(w, i, err, now)
	if r.hard.Err() != nil {
		l.log.Debug("Delivery was cut short, the batch stays in the channel", "sink", l.name, "events", n, "err", err)
		return
	}
	var wait time.Duration
	if r.failures++; r.failures >= len(w.links) {
		r.failures = 0
		wait = r.after.Next()
		r.until = now.Add(wait)
	}
	l.count.Backoff.Set(wait.Seconds())
	l.hurt("Delivery failed, the batch will be retried", err, "events", n, "wait", wait)
}
