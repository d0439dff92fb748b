package sources

import (
	"context"
	"time"
)

// Outlast returns a context that ends so long after ctx, for the last flush of what a source had read before the stop.
func Outlast(ctx context.Context, grace time.Duration) context.Context {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return later
}
