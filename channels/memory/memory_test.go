package memory

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"goflume/channels"
	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/internal/metric"
	"goflume/internal/registry"
)

func TestChannel(t *testing.T) {
	flowtest.Channel(t, func(t *testing.T, capacity, maxTx int) channels.Channel {
		return open(t, Settings{Capacity: capacity, TransactionCapacity: maxTx, KeepAlive: 3 * time.Second})
	})
}

func open(t testing.TB, s Settings) channels.Channel {
	t.Helper()
	if s.ByteCapacity == "" {
		s.ByteCapacity = "0"
	}
	c, err := New(registry.Env{Metrics: metric.NewSet(metric.Channel, "a1", "c1", "memory")}, s)
	if err == nil {
		err = c.Open(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// numbered returns n events with the bodies from, from+1 ...
func numbered(from, n int) (events []event.Event) {
	for i := range n {
		events = append(events, event.Event{Body: fmt.Append(nil, from+i)})
	}
	return events
}

func put(t *testing.T, c channels.Channel, events []event.Event) {
	t.Helper()
	if err := c.Put(t.Context(), events); err != nil {
		t.Fatalf("Put: %v", err)
	}
}

func take(t *testing.T, c channels.Channel, maxEvents int, want ...string) channels.Tx {
	t.Helper()
	tx, err := c.Take(t.Context(), maxEvents, 0)
	if err != nil {
		t.Fatalf("Take: %v", err)
	}
	var got []string
	for _, e := range tx.Events() {
		got = append(got, string(e.Body))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("Take: %q, want %q", got, want)
	}
	return tx
}

func end(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestEventsComeInOrderAcrossTheRingsEnd(t *testing.T) {
	c := open(t, Settings{Capacity: 7, TransactionCapacity: 5})
	for i := range 20 {
		put(t, c, numbered(5*i, 5))
		end(t, take(t, c, 3, fmt.Sprint(5*i), fmt.Sprint(5*i+1), fmt.Sprint(5*i+2)).Commit())
		end(t, take(t, c, 9, fmt.Sprint(5*i+3), fmt.Sprint(5*i+4)).Commit())
	}
	if got := c.Stats(); got != (channels.Stats{Capacity: 7, MaxTx: 5}) {
		t.Errorf("Stats: %+v, want an empty channel", got)
	}
}

func TestRollbackKeepsOrderAmongSeveralTakers(t *testing.T) {
	c := open(t, Settings{Capacity: 9, TransactionCapacity: 9})
	put(t, c, numbered(0, 8))
	first, second, third := take(t, c, 2, "0", "1"), take(t, c, 2, "2", "3"), take(t, c, 2, "4", "5")
	end(t, third.Rollback())
	end(t, first.Rollback())
	end(t, second.Commit())
	end(t, take(t, c, 1, "0").Commit())
	again := take(t, c, 5, "1")
	end(t, take(t, c, 5, "4", "5").Commit())
	end(t, again.Rollback())
	end(t, take(t, c, 5, "1").Commit())
	end(t, take(t, c, 5, "6", "7").Commit())
}

func TestTakeStopsAtMaxBytesButTakesOne(t *testing.T) {
	c := open(t, Settings{Capacity: 8, TransactionCapacity: 8})
	put(t, c, numbered(0, 6))
	end(t, take(t, c, 6, "0", "1", "2", "3", "4", "5").Commit())
	put(t, c, []event.Event{{Body: []byte("long")}, {Body: []byte("ab")}, {Body: []byte("cd")}, {}, {Body: []byte("e")}})
	for _, want := range []int{1, 3, 1} { // the ring ends after the second
		tx, err := c.Take(t.Context(), 9, 4-1+int64(want)/3)
		end(t, err)
		if got := len(tx.Events()); got != want {
			t.Errorf("%d events, want %d", got, want)
		}
		end(t, tx.Commit())
	}
}

func TestStatsTellQueuedHeldAndBytes(t *testing.T) {
	c := open(t, Settings{Capacity: 10, TransactionCapacity: 5})
	put(t, c, numbered(10, 5))
	tx := take(t, c, 2, "10", "11")
	if got, want := c.Stats(), (channels.Stats{Size: 3, Held: 2, Capacity: 10, MaxTx: 5, Bytes: 10}); got != want {
		t.Errorf("Stats: %+v, want %+v", got, want)
	}
	end(t, tx.Rollback())
	if got, want := c.Stats(), (channels.Stats{Size: 5, Capacity: 10, MaxTx: 5, Bytes: 10}); got != want {
		t.Errorf("Stats after rollback: %+v, want %+v", got, want)
	}
}

func TestTakenEventsNeedRoomUntilCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Settings{Capacity: 3, TransactionCapacity: 3, KeepAlive: time.Second})
		put(t, c, numbered(0, 3))
		tx := take(t, c, 3, "0", "1", "2")
		start := time.Now()
		err := c.Put(t.Context(), numbered(3, 1))
		if !errors.Is(err, event.ErrFull) || time.Since(start) != time.Second {
			t.Errorf("Put: %v after %v, want %v after 1s", err, time.Since(start), event.ErrFull)
		}
		end(t, tx.Commit())
		put(t, c, numbered(4, 3))
		end(t, take(t, c, 3, "4", "5", "6").Commit())
	})
}

func TestRefusalsAreFlumesSentences(t *testing.T) {
	full := open(t, Settings{Capacity: 3, TransactionCapacity: 2})
	put(t, full, numbered(0, 2))
	small := open(t, Settings{Capacity: 3, TransactionCapacity: 2, ByteCapacity: "1000", ByteCapacityBufferPercentage: 50})
	put(t, small, []event.Event{{Body: make([]byte, 301)}})
	const bytesReached = "Cannot commit transaction. Byte capacity allocated to store event body 500.0reached. Please increase heap space/byte " +
		"capacity allocated to the channel as the sinks may not be keeping up with the sources"
	for _, c := range []struct {
		name   string
		c      channels.Channel
		events []event.Event
		kind   error
		text   string
	}{
		{"no room", full, numbered(0, 2), event.ErrFull, "Space for commit to queue couldn't be acquired. " +
			"Sinks are likely not keeping up with sources, or the buffer size is too tight"},
		{"transaction too large", full, numbered(0, 3), event.ErrTooLarge, "Put queue for MemoryTransaction of capacity 2 full, " +
			"consider committing more frequently, increasing capacity or increasing thread count"},
		{"no room for bytes", small, []event.Event{{}, {}}, event.ErrFull, bytesReached},
		{"too many bytes for ever", small, []event.Event{{Body: make([]byte, 501)}}, event.ErrTooLarge, bytesReached},
	} {
		err := c.c.Put(t.Context(), c.events)
		if !errors.Is(err, c.kind) || err.Error() != c.text {
			t.Errorf("%s: %v, want %v with the text %q", c.name, err, c.kind, c.text)
		}
	}
}

func TestExpiredContextMeansNowOrFull(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := open(t, Settings{Capacity: 2, TransactionCapacity: 2, KeepAlive: time.Hour})
	end(t, c.Put(ctx, numbered(0, 2)))
	if err := c.Put(ctx, numbered(2, 1)); !errors.Is(err, event.ErrFull) {
		t.Errorf("Put without room: %v, want %v", err, event.ErrFull)
	}
	end(t, take(t, c, 2, "0", "1").Commit())
	if _, err := c.Take(ctx, 1, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("Take of nothing: %v, want %v", err, context.Canceled)
	}
}

func TestWaitersForRoomAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Settings{Capacity: 4, TransactionCapacity: 4, KeepAlive: time.Minute})
		put(t, c, numbered(0, 4))
		var wg sync.WaitGroup
		for i, n := range []int{3, 1, 2} { // the second would fit before the first does
			wg.Go(func() { put(t, c, numbered(10*(i+1), n)) })
			synctest.Wait()
		}
		end(t, take(t, c, 2, "0", "1").Commit())
		end(t, take(t, c, 2, "2", "3").Commit())
		synctest.Wait()
		end(t, take(t, c, 9, "10", "11", "12", "20").Commit())
		end(t, take(t, c, 9, "30", "31").Commit())
		wg.Wait()
	})
}

func TestWaiterWhoGivesUpLetsTheNextIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Settings{Capacity: 4, TransactionCapacity: 4, KeepAlive: time.Minute})
		put(t, c, numbered(0, 3))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := c.Put(ctx, numbered(10, 2)); !errors.Is(err, event.ErrFull) {
				t.Errorf("first waiter: %v, want %v", err, event.ErrFull)
			}
		})
		synctest.Wait()
		put(t, c, numbered(20, 1))
		wg.Wait()
		end(t, take(t, c, 9, "0", "1", "2", "20").Commit())
	})
}

func TestCloseEndsEveryWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := open(t, Settings{Capacity: 1, TransactionCapacity: 1, KeepAlive: time.Hour})
		put(t, full, numbered(0, 1))
		empty := open(t, Settings{Capacity: 1, TransactionCapacity: 1})
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := full.Put(t.Context(), numbered(1, 1)); !errors.Is(err, event.ErrClosed) {
				t.Errorf("Put: %v, want %v", err, event.ErrClosed)
			}
		})
		for range 3 {
			wg.Go(func() {
				if _, err := empty.Take(t.Context(), 1, 0); !errors.Is(err, event.ErrClosed) {
					t.Errorf("Take: %v, want %v", err, event.ErrClosed)
				}
			})
		}
		synctest.Wait()
		tx := take(t, full, 1, "0")
		for _, c := range []channels.Channel{full, empty, full} {
			end(t, c.Close())
		}
		wg.Wait()
		end(t, tx.Rollback())
	})
}

func TestEveryTakerIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Settings{Capacity: 4, TransactionCapacity: 4})
		gone, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { c.Take(gone, 1, 0) })
		for range 3 {
			wg.Go(func() {
				tx, err := c.Take(t.Context(), 1, 0)
				if err != nil {
					t.Errorf("Take: %v", err)
					return
				}
				tx.Commit()
			})
		}
		synctest.Wait()
		cancel()
		put(t, c, numbered(0, 4))
		wg.Wait()
	})
}

func TestTakerThatALargePutWokeRunsFirst(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const times = 100
	for n, want := range map[int]bool{stream: true, stream - 1: false} {
		c := open(t, Settings{Capacity: stream, TransactionCapacity: stream}).(*Channel)
		var taker sync.WaitGroup
		taker.Go(func() {
			for tx, err := c.Take(t.Context(), stream, 0); err == nil; tx, err = c.Take(t.Context(), stream, 0) {
				tx.Commit()
			}
		})
		events, first := numbered(0, n), 0
		for range times {
			for waits := false; !waits; {
				runtime.Gosched()
				c.mu.Lock()
				waits = c.takers == 1 && c.used.events == 0
				c.mu.Unlock()
			}
			put(t, c, events)
			if c.Stats().Size == 0 {
				first++
			}
		}
		c.Close()
		taker.Wait()
		if mostly := first > times/2; mostly != want { // the scheduler has its own mind now and then
			t.Errorf("after %d of %d puts of %d events the taker had run", first, times, n)
		}
	}
}

func TestEndingATransactionTwicePanics(t *testing.T) {
	c := open(t, Settings{Capacity: 1, TransactionCapacity: 1})
	put(t, c, numbered(0, 1))
	tx := take(t, c, 1, "0")
	end(t, tx.Commit())
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	tx.Rollback()
}

func TestBytesAreNumbersOrShares(t *testing.T) {
	for text, want := range map[string]int64{"1000": 8, "0": 1<<31 - 1, "100": 1<<31 - 1, "9000000000000": 1<<31 - 1} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b.slots(20) != want {
			t.Errorf("%s: %d slots, error %v, want %d", text, b.slots(20), err, want)
		}
	}
	for _, text := range []string{"", "1k", "-1", "101%", "%"} {
		if err := new(Bytes).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestBatchCostsOneAllocation(t *testing.T) {
	c := open(t, Settings{Capacity: 1000, TransactionCapacity: 100})
	events := numbered(0, 100)
	n := testing.AllocsPerRun(100, func() {
		put(t, c, events)
		tx, _ := c.Take(t.Context(), 100, 0)
		tx.Commit()
	})
	if n > 1 { // the transaction
		t.Errorf("%v allocations per batch, want 1", n)
	}
}

// TestNothingIsLostOrDoubled has putters and takers that commit and roll back at the same time.
func TestNothingIsLostOrDoubled(t *testing.T) {
	const putters, takers, each = 4, 3, 3000
	c := open(t, Settings{Capacity: 50, TransactionCapacity: 20, KeepAlive: time.Hour})
	var in, out sync.WaitGroup
	for p := range putters {
		in.Go(func() {
			for i := 0; i < each; {
				n := min(1+i%20, each-i)
				put(t, c, numbered(p*each+i, n))
				i += n
			}
		})
	}
	var mu sync.Mutex
	seen := map[string]int{}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for k := range takers {
		out.Go(func() {
			for i := 0; ; i++ {
				tx, err := c.Take(ctx, 1+(i+k)%20, 0)
				if err != nil {
					return
				}
				if i%3 == k {
					tx.Rollback()
					continue
				}
				mu.Lock()
				for _, e := range tx.Events() {
					seen[string(e.Body)]++
				}
				if len(seen) == putters*each {
					stop()
				}
				mu.Unlock()
				tx.Commit()
			}
		})
	}
	in.Wait()
	out.Wait()
	for body, n := range seen {
		if n != 1 {
			t.Errorf("%s came %d times, want once", body, n)
		}
	}
	if got := c.Stats(); got.Size+got.Held != 0 || got.Bytes != 0 {
		t.Errorf("Stats: %+v, want an empty channel", got)
	}
}
