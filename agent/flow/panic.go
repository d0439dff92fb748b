package flow

import (
	"errors"
	"time"

	"goflume/internal/retry"
	"goflume/internal/safe"
)

// ask asks the processor which sink is next. Where it panics none is, for a while.
func (r *run) ask(w *outletWiring, now time.Time) (i int, wait time.Duration) {
	err := safe.Call(func() error {
		i, wait = w.processor.Pick(now)
		return nil
	})
	if err != nil {
		return -1, r.blame(w, err)
	}
	return i, wait
}

// tell tells the processor how the sink fared, and whether it has taken that in: after a panic nothing is written for a while.
func (r *run) tell(w *outletWiring, i int, err error, now time.Time) bool {
	failed := safe.Call(func() error {
		w.processor.Done(i, err, now)
		return nil
	})
	if failed != nil {
		r.blame(w, failed)
		return false
	}
	if err == nil {
		r.afterPanic.Reset()
	}
	return true
}

// blame makes a panic of the processor known at each of its sinks and returns how long to wait.
func (r *run) blame(w *outletWiring, err error) (wait time.Duration) {
	wait = r.afterPanic.Next()
	r.until = time.Now().Add(wait)
	for _, l := range w.links {
		l.note("The sink processor panicked and is asked again", err, "wait", wait)
	}
	r.cry("The sink processor panicked and is asked again", err, wait)
	return wait
}

// recover waits after a panic of the outlet itself and tells whether it goes on.
func (r *run) recover(err error) (again bool) {
	wait := r.afterPanic.Next()
	r.cry("The outlet panicked and goes on", err, wait)
	return r.hard.Err() == nil && retry.Sleep(r.hard, wait) == nil
}

func (r *run) cry(message string, err error, wait time.Duration) {
	var p *safe.Panic
	if !errors.As(err, &p) {
		return
	}
	r.noise.say(func(more int) {
		r.log.Error(message, "outlet", r.name, "err", err, "wait", wait, "more", more, "stack", string(p.Stack))
	})
}
