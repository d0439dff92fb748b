// Package sinks is the root of the sink family: the contract between the flow and what takes events out.
package sinks

import (
	"context"
	"time"

	"goflume/event"
	"goflume/internal/registry"
)

// Registry holds every sink type.
var Registry = registry.New[Sink]("sink").WithCommon(Common{})

// Sink delivers events to a destination. Its methods are called from one goroutine, one at a time; only the done
// functions of a Pipelined sink come from elsewhere. It never sees a transaction: the flow takes, writes and commits.
type Sink interface {
	// Open connects or probes; it is retried with back-off and returns nil before the first Write. After a Close it may be
	// called again.
	Open(ctx context.Context) error

	// Write returns nil once all the events are as safe at the destination as the sink promises; it reconnects by itself.
	// After an error the events return to the channel and are written again. It does not return while anything still reads
	// the events, and keeps none of them: who needs a body longer copies it. ctx is cancelled when the agent must stop now.
	Write(ctx context.Context, events []event.Event) error

	// BatchSize is the most events of one Write, at least 1.
	BatchSize() int

	// Close flushes, renames, disconnects, within ctx. It may be called twice.
	Close(ctx context.Context) error
}

// Ticker is what a sink adds that has something to do without events, such as rolling a file by time. The flow calls Tick
// never during Write, also when the sink is idle or not picked by its group, at next or soon after. A zero next
// means: not before the next Write. An error counts as a failure of the sink and is shown; Tick is called again after
// back-off.
type Ticker interface {
	Tick(ctx context.Context, now time.Time) (next time.Time, err error)
}

// Pipelined is what a sink adds that gains from several transactions in flight. The flow then calls Start in place of
// Write, in take order, from one goroutine.
type Pipelined interface {
	Sink
	// Start takes a batch, or returns an error and then done is never called. It may block for room. done is called exactly
	// once, from any goroutine, in any order; the events are valid until then. Fail-stop: after the first failure nothing
	// started later is delivered and Start errs, until Abort.
	Start(ctx context.Context, events []event.Event, done func(error)) error
	// Window is the number of transactions that may be open. While it is 1 the flow calls Write as with any sink; it asks
	// again before each.
	Window() int
	// Abort returns when every done was called; then Start works again.
	Abort()
}

// Common holds the properties that every sink has and the agent itself acts on.
type Common struct {
	// Name of the channel that the sink drains.
	Channel string `conf:"channel,required"`
}
