// Package selector is the root of the channel selectors, which say for each event to which of its source's channels it
// goes, and holds the built-in ones.
package selector

import (
	"goflume/event"
	"goflume/internal/registry"
)

// Registry holds every selector type.
var Registry = registry.New[Selector]("selector")

// Set is a set of the source's channels: bit i is the i-th of `channels`. More than 64 of them are an error of the configuration.
type Set uint64

// Selector picks channels. It is called from many goroutines at once. Env.Peers names the source's channels in order.
type Selector interface {
	// Select returns the channels that must hold e before the source is answered, and those that get it if they can. Both
	// may be empty: then the event is dropped, and counted.
	Select(e *event.Event) (required, optional Set)
}
