// Package interceptor is the root of the interceptors, which change or drop events between a source and its channels,
// and holds the built-in ones.
package interceptor

import (
	"goflume/event"
	"goflume/internal/registry"
)

// Registry holds every interceptor type.
var Registry = registry.New[Interceptor]("interceptor")

// Interceptor changes a batch in place before it is routed; to drop an event it leaves it out of b.Events, keeping the
// order of the others. It is called from many goroutines at once, each with a batch of its own, and keeps nothing of it
// after it returned. An error refuses the whole batch: the source is told and may send it again.
type Interceptor interface {
	Intercept(b *event.Batch) error
}
