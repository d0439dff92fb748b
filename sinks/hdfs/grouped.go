package hdfs

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"goflume/event"
	"goflume/internal/safe"
	"goflume/sinks"
)

// grouped is the sink as the flow sees it. With `hdfs.commit = close`, and where acknowledgements cannot be seen, several
// batches share one close of their files, which costs as much as writing thousands of lines.
type grouped struct {
	*Sink

	gate    sync.Mutex
	waiting []func(error) // of the batches that are in the files and not safe
	timer   *time.Timer   // commits them; nil when nothing waits
	failed  error         // until Abort
}

var (
	_ sinks.Pipelined = (*grouped)(nil)
	_ sinks.Ticker    = (*grouped)(nil)
)

// groupWindow is how many batches share a close at most, groupWait how long the first of them waits for it.
const (
	groupWindow = 32
	groupWait   = 250 * time.Millisecond
)

var errAborted = errors.New("taken back: the flow gives the batch up")

// Window is the number of batches that may wait. Whether acknowledgements can be seen shows at the first of them.
func (g *grouped) Window() int {
	g.gate.Lock()
	defer g.gate.Unlock()
	return g.windowLocked()
}

func (g *grouped) windowLocked() int {
	if g.settings.Commit == "close" || g.unseen {
		return groupWindow
	}
	return 1
}

// Start puts a batch into the files. done is called when they were closed after it.
func (g *grouped) Start(ctx context.Context, events []event.Event, done func(error)) error {
	g.gate.Lock()
	defer g.gate.Unlock()
	if g.failed != nil {
		return g.failed
	}
	keep := len(g.waiting) > 0
	if err := g.add(ctx, events, keep); err != nil {
		g.settle(ctx, err)
		return err
	}
	g.waiting = append(g.waiting, done)
	switch {
	case len(g.waiting) >= g.windowLocked():
		g.commit(ctx)
	case g.timer == nil:
		var timer *time.Timer
		timer = time.AfterFunc(groupWait, func() {
			g.gate.Lock()
			defer g.gate.Unlock()
			if g.timer != timer {
				return
			}
			ctx := context.Background() // each call is bounded by the file system
			if err := safe.Call(func() error { g.commit(ctx); return nil }); err != nil {
				g.settle(ctx, err)
			}
		})
		g.timer = timer
	}
	return nil
}

// add begins a batch; keep leaves the buckets of those before it among the touched.
func (g *grouped) add(ctx context.Context, events []event.Event, keep bool) error {
	before := g.touched
	if keep {
		g.touched = nil
	}
	err := g.begin(ctx, events)
	if keep {
		for _, b := range g.touched {
			if !slices.Contains(before, b) {
				before = append(before, b)
			}
		}
		g.touched = before
	}
	return err
}

// commit makes all that waits safe and tells.
func (g *grouped) commit(ctx context.Context) {
	if len(g.waiting) == 0 {
		return
	}
	err := g.sync(ctx)
	if err == nil {
		err = g.box.Commit()
	}
	g.settle(ctx, err)
}

// settle ends the waiting batches with that error, after which Start errs too, or with success.
func (g *grouped) settle(ctx context.Context, err error) {
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
	g.failed = g.end(ctx, err)
	g.touched = g.touched[:0]
	for _, done := range g.waiting {
		done(err)
	}
	clear(g.waiting)
	g.waiting = g.waiting[:0]
}

// Abort takes back what waits.
func (g *grouped) Abort() {
	g.gate.Lock()
	defer g.gate.Unlock()
	if len(g.waiting) > 0 {
		g.settle(context.Background(), errAborted)
	}
	g.failed = nil
}

// Write is Start with a commit of its own.
func (g *grouped) Write(ctx context.Context, events []event.Event) error {
	g.gate.Lock()
	defer g.gate.Unlock()
	g.commit(ctx)
	return g.Sink.Write(ctx, events)
}

// Tick commits what waits, as files that are due are closed then.
func (g *grouped) Tick(ctx context.Context, now time.Time) (time.Time, error) {
	g.gate.Lock()
	defer g.gate.Unlock()
	if len(g.waiting) > 0 && g.due(now) {
		g.commit(ctx)
	}
	return g.Sink.Tick(ctx, now)
}

// due tells whether a file is to be closed for its age.
func (g *grouped) due(now time.Time) bool {
	for _, b := range g.buckets {
		if at := g.closeAt(b.file); !at.IsZero() && !at.After(now) {
			return true
		}
	}
	return false
}

// Close closes the sink. Batches that wait have been aborted before, or are now.
func (g *grouped) Close(ctx context.Context) error {
	g.Abort()
	return g.Sink.Close(ctx)
}
