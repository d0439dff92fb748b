// Package channels is the root of the channel family: the contract between the flow and a store of events.
package channels

import (
	"context"
	"errors"
	"time"

	"goflume/event"
	"goflume/internal/registry"
)

// Registry holds every channel type.
var Registry = registry.New[Channel]("channel")

// ErrDamaged is what the error of Open wraps where what the channel promised to keep is not there any more, and it does not
// mend that by itself: damaged or missing files.
var ErrDamaged = errors.New("the channel's files are damaged")

// Channel stores events between sources and sinks. All methods may be called from many goroutines at once, between the
// return of Open and the call of Close.
type Channel interface {
	// Open locks and replays; it is called once. A remote broker being down is no error. ctx ends the opening only.
	Open(ctx context.Context) error

	// Put stores all the events or none. ctx bounds only the wait for room, in place of the channel's own keep-alive where
	// it ends earlier: an expired ctx means now or ErrFull. Once writing has begun it finishes. Put keeps no part of the
	// slice, but it keeps the events' headers and bodies, which are immutable from now on; the memory of bodies that lie in
	// an event.Chunk is the caller's to hold (see Borrower).
	//
	// An error means "not promised", not "surely absent". Refusals are *event.Refused and satisfy errors.Is with
	// event.ErrFull (try again), event.ErrTooLarge (never fits) or event.ErrClosed.
	Put(ctx context.Context, events []event.Event) error

	// Take waits until there is an event and returns at least one, the oldest not held by another transaction, at most
	// maxEvents and about maxBytes of bodies (the first may be bigger; 0 means no limit). It returns ctx.Err() when ctx
	// ends first, and an error that is event.ErrClosed after Close.
	Take(ctx context.Context, maxEvents int, maxBytes int64) (Tx, error)

	// Stats is cheap enough to be called once a batch.
	Stats() Stats

	// Close waits for Puts under way, ends waiting Takes with event.ErrClosed and releases what Open took. What was not
	// committed is rolled back. It may be called twice.
	Close() error
}

// Stats describes a channel now, in events unless said otherwise.
type Stats struct {
	Size     int   // queued and not held by a transaction; -1 where it cannot be known (Kafka)
	Held     int   // taken and not yet committed
	Capacity int   // of Size and Held together; 0 no limit
	MaxTx    int   // most events of one Put; 0 no limit
	Bytes    int64 // of the bodies queued or held
}

// Durable is what a channel adds whose events survive its Close and a crash of the process. The agent does not drain such
// a channel before it stops, and has the sinks that take from it make durable what they commit.
type Durable interface {
	Durable() bool
}

// Borrower is what a channel adds that tells how long it refers to bodies, so that their memory can be used again. Of what
// is put into another channel the memory is left to the garbage collector.
type Borrower interface {
	// PutBorrowed is Put of events whose bodies may lie in the chunks. Before it returns nil the channel holds each of them, and
	// it releases them once every one of the events was committed, or at once where it keeps nothing of them.
	PutBorrowed(ctx context.Context, events []event.Event, lent []*event.Chunk) error
	// KeepBorrowed has the channel release nothing of what it holds now: the events live on elsewhere after their commit.
	KeepBorrowed()
}

// IsDurable tells whether the channel says that its events survive.
func IsDurable(c Channel) bool {
	d, ok := c.(Durable)
	return ok && d.Durable()
}

// Healthy is what a channel adds that can tell why it cannot take or keep events now, such as a full disk; nil when it can.
// It is asked often and does no I/O.
type Healthy interface {
	Healthy() error
}

// Tx is a take-transaction. It is used by one goroutine at a time and ended exactly once.
type Tx interface {
	// Events are valid until the transaction ends. The slice is the transaction's: read only.
	Events() []event.Event
	// Commit ends the transaction whatever it returns; after an error the channel itself delivers the events again.
	Commit() error
	// Rollback returns the events to the head, in order among all that was rolled back.
	Rollback() error
}

// Dated is what a Tx adds that may know when the oldest of its events was put, as the metrics of latency ask; the zero time
// where it does not.
type Dated interface {
	PutAt() time.Time
}

// Common holds the properties that belong to every channel and not to one type. There are none in Flume.
type Common struct{}
