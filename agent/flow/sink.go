package flow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"goflume/internal/metric"
	"goflume/internal/retry"
	"goflume/internal/safe"
	"goflume/sinks"
)

var (
	errStuck = errors.New("the call has not returned after it was told to end; its events stay in the channel")
	errBusy  = errors.New("the sink is still opening, or rolling by time")
)

const (
	// patience is how long a call into a component may go on after its context has ended, before it is given up.
	patience = 5 * time.Second
	// soonest is the shortest time between two calls of Tick.
	soonest = 10 * time.Millisecond
	// never is later than anything waited for.
	never = 24 * time.Hour
)

// Sink is one sink under the care of the outlet it is wired to: opened and, after a panic, opened again; ticked. It
// lives as long as the component. The counters of batches and of events are moved by the flow.
type Sink struct {
	name   string
	sink   sinks.Sink
	ticker sinks.Ticker    // nil: none
	pipe   sinks.Pipelined // nil: none
	log    *slog.Logger
	count  metric.SinkCounters
	health *health
	noise  quiet

	stuck atomic.Bool          // given up in a call that did not return
	since atomic.Int64         // Unix nanoseconds of the start of the Write that runs, 0: none
	bell  atomic.Pointer[bell] // of the outlet it is wired to

	dropped int64 // events that the sink has counted as dropped and that are accounted for; of who commits

	// Of the outlet's goroutine, and after it of Close.
	open    bool
	opened  bool      // Open was called since the last Close
	openErr error     // of the last Open, nil before
	openAt  time.Time // not before
	openTry retry.Backoff
	renew   bool // close and open again
	flying  bool // batches are in flight: nothing is closed
	tickAt  time.Time
	tickErr error
	tickTry retry.Backoff
	job     *job // what runs now aside, nil: nothing
}

// job is a call into the sink that runs aside, so that the other sinks of the group go on.
type job struct {
	began  time.Time
	ended  chan struct{}
	cancel context.CancelFunc
	err    error
	after  func(error) // what follows, on the outlet's goroutine
}

// NewSink returns the sink of that name, not opened yet.
func NewSink(name string, s sinks.Sink, m *metric.Set, log *slog.Logger) *Sink {
	k := &Sink{name: name, sink: s, log: log, count: metric.NewSink(m), health: newHealth(),
		openTry: retry.Default(), tickTry: retry.Default()}
	m.Func("", "flume_sink_connected", "1 if the sink was opened and its last batch did not fail, else 0.", func() float64 {
		if k.health.well() {
			return 1
		}
		return 0
	})
	k.ticker, _ = s.(sinks.Ticker)
	k.pipe, _ = s.(sinks.Pipelined)
	return k
}

// Name returns the sink's name.
func (k *Sink) Name() string { return k.name }

// Status returns how the sink fares.
func (k *Sink) Status() Status {
	s := k.health.get()
	if n := k.since.Load(); n != 0 {
		s.Writing = time.Unix(0, n)
	}
	return s
}

func (k *Sink) wake() {
	if b := k.bell.Load(); b != nil {
		b.ring()
	}
}

// Close closes the sink, for good or until it is wired again. It is called when no outlet uses the sink: after Run
// returned, or after a Rewire without it has settled. It returns an error if the sink does so, or if it has not returned
// 5 s after ctx ended; then it is FAILED.
func (k *Sink) Close(ctx context.Context) error {
	if k.stuck.Load() {
		return fmt.Errorf("sink %s is not closed: an earlier call into it has not returned", k.name)
	}
	err := k.within(ctx, func() error {
		if k.job != nil {
			k.job.cancel()
			k.await()
		}
		if !k.opened {
			return nil
		}
		k.open, k.opened = false, false
		return safe.Call(func() error { return k.sink.Close(ctx) })
	})
	if !k.stuck.Load() {
		k.health.set(Stopped, false)
		k.count.Backoff.Set(0)
		k.openErr, k.openAt, k.tickAt = nil, time.Time{}, time.Time{}
	}
	if err != nil {
		return fmt.Errorf("close sink %s: %w", k.name, err)
	}
	return nil
}

// within runs f aside and waits for it until ctx ended and 5 s more.
func (k *Sink) within(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- safe.Call(f) }()
	err, ok := await(ctx, done)
	if !ok {
		k.giveUp()
		return errStuck
	}
	return err
}

// await waits for a value until ctx ended and 5 s more.
func await(ctx context.Context, done <-chan error) (err error, ok bool) {
	select {
	case err := <-done:
		return err, true
	case <-ctx.Done():
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-done:
		return err, true
	case <-timer.C:
		return nil, false
	}
}

func (k *Sink) giveUp() {
	k.stuck.Store(true)
	k.health.fail(Failed, errStuck)
	k.log.Error("The sink does not return and is given up", "sink", k.name)
}

// begin runs f aside; after follows on the outlet's goroutine, when it is next tended.
func (k *Sink) begin(ctx context.Context, now time.Time, f func(context.Context) error, after func(error)) {
	ctx, cancel := context.WithCancel(ctx)
	j := &job{began: now, ended: make(chan struct{}), cancel: cancel, after: after}
	k.job = j
	go func() {
		j.err = safe.Call(func() error { return f(ctx) })
		cancel()
		close(j.ended)
		k.wake()
	}()
}

// collect takes the result of a job that ended, and tells whether the sink is free.
func (k *Sink) collect() (free bool) {
	if k.job == nil {
		return true
	}
	select {
	case <-k.job.ended:
	default:
		return false
	}
	j := k.job
	k.job = nil
	j.after(j.err)
	return k.job == nil
}

// await waits for what runs aside.
func (k *Sink) await() {
	for k.job != nil {
		<-k.job.ended
		k.collect()
	}
}

// tend does what is due: close to open again, open, tick. It returns when to come back.
func (k *Sink) tend(ctx context.Context, now time.Time) (due time.Time) {
	due = now.Add(never)
	if k.stuck.Load() || !k.collect() {
		return due
	}
	switch {
	case k.renew && k.flying:
	case k.renew:
		k.begin(ctx, now, k.sink.Close, k.closed)
	case !k.open && now.Before(k.openAt):
		due = k.openAt
	case !k.open:
		k.opened = true
		k.begin(ctx, now, k.sink.Open, k.openEnded)
	case k.ticker == nil || k.tickAt.IsZero():
	case now.Before(k.tickAt):
		due = k.tickAt
	default:
		var next time.Time
		k.begin(ctx, now, func(ctx context.Context) (err error) {
			next, err = k.ticker.Tick(ctx, now)
			return err
		}, func(err error) { k.ticked(next, err) })
	}
	return due
}

func (k *Sink) closed(err error) {
	k.renew, k.open, k.opened, k.tickAt = false, false, false, time.Time{}
	if err != nil {
		k.hurt("Closing after a panic failed, the sink is opened again", err)
	}
}

func (k *Sink) openEnded(err error) {
	k.openErr = err
	now := time.Now()
	if err != nil {
		wait := k.openTry.Next()
		k.openAt = now.Add(wait)
		k.count.Backoff.Set(wait.Seconds())
		k.hurt("Opening failed and will be tried again", err, "wait", wait)
		return
	}
	k.open = true
	k.openTry.Reset()
	k.tickAt = now
	k.well(true)
}

// ask has Tick called on the spot where it has nothing planned, as is the rule after a Write.
func (k *Sink) ask(ctx context.Context) {
	if k.ticker == nil || !k.tickAt.IsZero() {
		return
	}
	var next time.Time
	err := safe.Call(func() (err error) {
		next, err = k.ticker.Tick(ctx, time.Now())
		return err
	})
	k.ticked(next, err)
}

func (k *Sink) ticked(next time.Time, err error) {
	now := time.Now()
	if err != nil {
		wait := k.tickTry.Next()
		k.tickErr, k.tickAt = err, now.Add(wait)
		k.count.Backoff.Set(wait.Seconds())
		k.hurt("Rolling or closing by time failed and will be tried again", err, "wait", wait)
		return
	}
	if k.tickAt = next; !next.IsZero() && next.Before(now.Add(soonest)) {
		k.tickAt = now.Add(soonest)
	}
	if k.tickErr != nil {
		k.tickErr = nil
		k.tickTry.Reset()
		k.well(false)
	}
}

// hurt makes a failure of the sink known. After a panic nothing is known of its insides: it is opened again.
func (k *Sink) hurt(message string, err error, attrs ...any) {
	var p *safe.Panic
	if errors.As(err, &p) {
		k.renew = k.opened
		k.log.Error("The sink panicked and will be opened again", "sink", k.name, "err", err, "stack", string(p.Stack))
	}
	k.note(message, err, attrs...)
}

// note shows a failure as the sink's state, and in the log where it is news.
func (k *Sink) note(message string, err error, attrs ...any) {
	attrs = append([]any{"sink", k.name, "err", err}, attrs...)
	if k.health.fail(Backoff, err) {
		k.log.Warn(message, attrs...)
		return
	}
	k.noise.say(func(more int) { k.log.Warn(message, append(attrs, "more", more)...) })
}

// well notes that the sink does its work.
func (k *Sink) well(opened bool) {
	if k.tickErr != nil {
		return
	}
	before := k.health.set(Running, true)
	if before == Backoff {
		k.count.Backoff.Set(0)
	}
	switch {
	case before == Backoff && opened:
		k.log.Info("Opened after failures", "sink", k.name)
	case before == Backoff:
		k.log.Info("Delivering again", "sink", k.name)
	}
}
