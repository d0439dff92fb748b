package sources

import (
	"context"

	"goflume/event"
	"goflume/internal/retry"
)

// Deliver sends the batch until it is held, for a source that owns its position: the same batch again after every error,
// with back-off. It returns an error only when ctx ends; then what the batch is still owed stays in it, and the source
// forgets its position since the last success. health, where not nil, is told of every failure and of the success after.
func Deliver(ctx context.Context, out Output, b *event.Batch, health func(error)) error {
	return DeliverWith(ctx, out, b, retry.Default(), health)
}

// DeliverWith is Deliver with waits of the source's own.
func DeliverWith(ctx context.Context, out Output, b *event.Batch, wait retry.Backoff, health func(error)) error {
	err := out.Send(ctx, b)
	if err == nil {
		return nil
	}
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if health != nil {
			health(err)
		}
		if err := retry.Sleep(ctx, wait.Next()); err != nil {
			return err
		}
		if err = out.Send(ctx, b); err == nil {
			if health != nil {
				health(nil)
			}
			return nil
		}
	}
}
