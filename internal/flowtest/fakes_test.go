package flowtest

import (
	"context"
	"testing"
	"time"

	"goflume/channels"
	"goflume/event"
	"goflume/sinks"
	"goflume/sources"
)

func TestFakeChannelConforms(t *testing.T) {
	Channel(t, func(_ *testing.T, capacity, maxTx int) channels.Channel {
		return &FakeChannel{Capacity: capacity, MaxTx: maxTx}
	})
}

func TestFakeSourceConforms(t *testing.T) {
	for _, retries := range []bool{false, true} {
		lines := make(chan string, 100)
		at := 0
		Source(t, SourceCase{
			Retries: retries,
			New: func(*testing.T) sources.Source {
				return &FakeSource{OnRun: func(ctx context.Context, out sources.Output) error {
					var b event.Batch
					for {
						select {
						case <-ctx.Done():
							return nil
						case s := <-lines:
							b.Add([]byte(s))
						}
						if retries {
							if err := sources.Deliver(ctx, out, &b, nil); err != nil {
								return err
							}
						} else if err := out.Send(ctx, &b); err != nil {
							t.Log("refused:", err)
						}
						b.Reset()
					}
				}}
			},
			Feed: func(_ *testing.T, _ sources.Source, n int) []string {
				all := Numbers(at, at+n)
				at += n
				for _, s := range all {
					lines <- s
				}
				return all
			},
		})
	}
}

func TestFakeSinksConform(t *testing.T) {
	t.Run("plain", func(t *testing.T) {
		Sink(t, func(*testing.T) (sinks.Sink, func() []string) {
			s := &FakeSink{}
			return s, s.Bodies
		})
	})
	t.Run("ticker", func(t *testing.T) {
		Sink(t, func(*testing.T) (sinks.Sink, func() []string) {
			s := &FakeTicker{OnTick: func(_ context.Context, now time.Time) (time.Time, error) { return now, nil }}
			return s, s.Bodies
		})
	})
	t.Run("pipelined", func(t *testing.T) {
		Sink(t, func(*testing.T) (sinks.Sink, func() []string) {
			s := &FakePipe{Auto: true}
			return s, s.Bodies
		})
	})
}
