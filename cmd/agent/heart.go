package main

import (
	"context"
	"os"
	"time"

	"goflume/agent"
	"goflume/internal/sdnotify"
)

// phase is how far the main loop is.
type phase int

const (
	starting phase = iota
	serving
	stopping
)

const (
	// beat is how often a service manager hears of the agent, if its watchdog does not want it more often.
	beat = 10 * time.Second
	// startPatience is how long a start may take that a service manager is asked to wait for: a channel that replays, on a
	// disk that is slow.
	startPatience = 10 * time.Minute
	// stopPatience is how much longer than its drain timeout a stop may take: sinks and channels close.
	stopPatience = 2 * time.Minute
)

// serviceManager returns the manager that started the process, nil if there is none. What the agent starts itself does
// not hear of it.
func serviceManager() *sdnotify.Manager {
	m := sdnotify.New(os.Getenv, os.Getpid())
	for _, name := range sdnotify.Variables {
		os.Unsetenv(name)
	}
	return m
}

// heart tells the service manager how the agent fares, until ctx ends: that it lives or, while it starts or stops, that it
// may take longer. Before each word the main loop has to answer and every component is looked at. Where one of them hangs
// nothing is said; the manager then ends the process by a signal that has it print what every goroutine does.
func (r *runner) heart(ctx context.Context) {
	every := beat
	if w := r.manager.Watchdog(); w > 0 {
		every = min(every, w/3)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	before := agent.Pulse{At: time.Now()}
	since, was := time.Now(), starting
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now, ok := r.ask(ctx)
		if !ok {
			return
		}
		if now != was {
			since, was = time.Now(), now
		}
		switch now {
		case starting:
			if time.Since(since) < startPatience {
				r.manager.Extend(3*every, "starting")
			}
		case serving:
			p := r.agent.Pulse()
			r.manager.Alive(p.Line(before))
			before = p
		case stopping:
			if time.Since(since) < r.drainTimeout+stopPatience {
				r.manager.Extend(3*every, "draining")
			}
		}
	}
}

// ask has the main loop say how far it is; ok is false if ctx ended first.
func (r *runner) ask(ctx context.Context) (now phase, ok bool) {
	answer := make(chan phase, 1) // the main loop does not wait for who asked
	select {
	case r.asked <- answer:
		return <-answer, true
	case <-ctx.Done():
		return 0, false
	}
}
