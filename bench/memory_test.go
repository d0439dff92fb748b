package bench

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"goflume/channels"
	"goflume/channels/memory"
	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/registry"
)

func openMemory(b *testing.B, capacity, transaction int) channels.Channel {
	b.Helper()
	c, err := memory.New(registry.Env{Metrics: metric.NewSet(metric.Channel, "a1", "c1", "memory")}, memory.Settings{Capacity: capacity, TransactionCapacity: transaction,
		KeepAlive: time.Hour, ByteCapacity: "80%", ByteCapacityBufferPercentage: 20})
	if err == nil {
		err = c.Open(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

// BenchmarkMemoryChannel hands prebuilt events from one goroutine to another. The floors are the goals on two cores.
func BenchmarkMemoryChannel(b *testing.B) {
	for batch, floor := range map[int]float64{1: 0, 10: 20e6, 100: 100e6, 1000: 100e6} {
		b.Run(fmt.Sprint("batch=", batch), func(b *testing.B) {
			c := openMemory(b, 10_000, batch)
			ctx := context.Background()
			events := make([]event.Event, batch)
			for i := range events {
				events[i].Body = make([]byte, 212)
			}
			b.ReportAllocs()
			b.ResetTimer()
			var putter sync.WaitGroup
			putter.Go(func() {
				for range b.N {
					if err := c.Put(ctx, events); err != nil {
						b.Error(err)
					}
				}
			})
			for n := 0; n < b.N*batch; {
				tx, err := c.Take(ctx, batch, 0)
				if err != nil {
					b.Fatal(err)
				}
				n += len(tx.Events())
				tx.Commit()
			}
			putter.Wait()
			speed := float64(b.N*batch) / b.Elapsed().Seconds()
			b.ReportMetric(speed, "events/s")
			if b.N > 100_000 && speed < floor {
				b.Errorf("%.0f events/s, floor %.0f", speed, floor)
			}
		})
	}
}
