// Package sources is the root of the source family: the contract between the flow and what brings events in.
package sources

import (
	"context"

	"goflume/conf"
	"goflume/event"
	"goflume/internal/registry"
)

// Registry holds every source type.
var Registry = registry.New[Source]("source").WithCommon(Common{})

// Source brings events in.
type Source interface {
	// Run reads until ctx is cancelled, hands every batch to out, and returns once it holds no more events: the last flush
	// uses context.WithoutCancel(ctx). An error has it restarted with back-off: Run is then called again.
	Run(ctx context.Context, out Output) error
}

// Output is where a source sends its batches: interceptors, the selector and the channels behind them. It may be called
// from many goroutines at once, each with a batch of its own.
type Output interface {
	// Send returns nil once every required channel holds the events. After an error, Send of the SAME untouched batch goes
	// on with what is owed: nothing doubles. Reset or a re-built batch forgets that. Interceptors run once, at the first
	// Send, and change the batch in place: it may come back with fewer events.
	//
	// ctx bounds the wait for room as in channels.Channel.Put. The error is a *event.Refused where a channel refused.
	Send(ctx context.Context, b *event.Batch) error

	// Limits: max = the smallest transactionCapacity of the required channels, 0 for none; room = free slots now, a hint,
	// at least 0 and -1 where nobody knows.
	Limits() (max, room int)
}

// Common holds the properties that every source has and the agent itself acts on.
type Common struct {
	// Names of the channels that events go to, separated by blanks.
	Channels []string `conf:"channels,required"`
	// Which of the channels an event goes to: `selector.type` is replicating (default), multiplexing or load_balancing.
	Selector *conf.Node `conf:"selector.*"`
	// Names of the interceptors, in the order in which they see an event.
	Interceptors []string `conf:"interceptors"`
	// What each interceptor is: `interceptors.<name>.type` and the properties of that type.
	InterceptorSettings *conf.Node `conf:"interceptors.*"`
}
