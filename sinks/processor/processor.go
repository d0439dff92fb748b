// Package processor is the root of the sink processors, which decide for a sink group who writes next, and holds the
// built-in ones. A processor does no I/O and reads no clock: it is a decision, tested on made-up times.
package processor

import (
	"time"

	"goflume/internal/registry"
)

// Registry holds every processor type.
var Registry = registry.New[Processor]("sink processor")

// Processor picks the sinks of a group, which are numbered as in Env.Peers. It is called from one goroutine.
type Processor interface {
	// Pick returns the sink that writes next, or a negative one and how long to wait before Pick is asked again.
	Pick(now time.Time) (sink int, wait time.Duration)
	// Done tells how the picked sink fared: nil when its batch was committed. Only results of sinks are told, never those
	// of Take.
	Done(sink int, err error, now time.Time)
}
