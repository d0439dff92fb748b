package file

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/vfs/memfs"
)

func TestRefusalsInFlumesWords(t *testing.T) {
	s := small()
	s.Capacity, s.TransactionCapacity, s.ByteCapacity = 20, 10, 2000
	c := mustOpen(t, memfs.New(), s)
	defer mustClose(t, c)
	refused := func(err error, kind error, text string) {
		t.Helper()
		var r *event.Refused
		if !errors.As(err, &r) || !errors.Is(err, kind) || r.Text != text {
			t.Errorf("%v, want %s", err, text)
		}
	}
	refused(c.Put(t.Context(), numbered(0, 11)), event.ErrTooLarge,
		"Put queue for FileBackedTransaction of capacity 10 full, consider committing more frequently, increasing capacity or increasing thread count. [channel=c1]")
	mustPut(t, c, numbered(0, 10))
	mustPut(t, c, numbered(10, 10))
	const full = "The channel has reached it's capacity. This might be the result of a sink on the channel having too low of batch size, a downstream system running slower than normal, or that the channel capacity is just too low. [channel=c1]"
	refused(c.Put(t.Context(), numbered(20, 1)), event.ErrFull, full)
	tx := take(t, c, 5)
	refused(c.Put(t.Context(), numbered(20, 1)), event.ErrFull, full) // what is held counts
	check(t, tx.Commit())
	mustPut(t, c, numbered(20, 5))
	drain(t, c)
	refused(c.Put(t.Context(), []event.Event{{Body: make([]byte, 2001)}}), event.ErrTooLarge, "Batch of 2001 bytes exceeds byteCapacity 2000. [channel=c1]")
	mustPut(t, c, []event.Event{{Body: make([]byte, 1500)}})
	refused(c.Put(t.Context(), []event.Event{{Body: make([]byte, 501)}}), event.ErrFull, full)
}

func TestPutWaitsAsLongAsKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := small()
		s.Capacity, s.TransactionCapacity, s.KeepAlive = 10, 10, 3*time.Second
		c := mustOpen(t, memfs.New(), s)
		mustPut(t, c, numbered(0, 10))
		begin := time.Now()
		if err := c.Put(t.Context(), numbered(10, 1)); !errors.Is(err, event.ErrFull) {
			t.Errorf("Put: %v, want ErrFull", err)
		}
		if d := time.Since(begin); d != 3*time.Second {
			t.Errorf("refused after %v, want 3s", d)
		}
		var order []int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i, n := range []int{5, 1, 2} { // first come, first served: the small ones do not overtake
			wg.Go(func() {
				if err := c.Put(t.Context(), numbered(100*i, n)); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
			})
			synctest.Wait()
		}
		for range 8 {
			check(t, take(t, c, 1).Commit())
			synctest.Wait()
		}
		wg.Wait()
		if !slices.Equal(order, []int{0, 1, 2}) {
			t.Errorf("served in the order %v", order)
		}
		mustClose(t, c)
	})
}

func TestLoweredCapacityIsDrained(t *testing.T) {
	disk := memfs.New()
	c := mustOpen(t, disk, small())
	mustPut(t, c, numbered(0, 100))
	mustClose(t, c)
	s := small()
	s.Capacity, s.TransactionCapacity = 50, 50
	c = mustOpen(t, disk, s)
	if err := c.Put(t.Context(), numbered(100, 1)); !errors.Is(err, event.ErrFull) {
		t.Errorf("Put: %v, want ErrFull", err)
	}
	check(t, take(t, c, 50).Commit())
	check(t, take(t, c, 1).Commit())
	mustPut(t, c, numbered(100, 1))
	wantRun(t, drain(t, c), 51, 50)
	mustClose(t, c)
}
