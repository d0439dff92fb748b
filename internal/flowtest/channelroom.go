package flowtest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"

	"goflume/channels"
	"goflume/event"
)

// limited opens a channel of 10 events, 5 a transaction, and skips a type that has no capacity.
func limited(t *testing.T, open OpenChannel) channels.Channel {
	t.Helper()
	c := open.use(t, 10, 5)
	if c.Stats().Capacity == 0 {
		t.Skip("this type of channel has no capacity")
	}
	return c
}

func putIsAllOrNone(t *testing.T, open OpenChannel) {
	c := limited(t, open)
	put(t, c, 0, 5)
	put(t, c, 5, 8)
	wantRefused(t, c.Put(now(t), Numbered(8, 11)), event.ErrFull)
	if s := c.Stats(); s.Size != 8 {
		t.Errorf("%d events after the refusal, want 8", s.Size)
	}
	put(t, c, 8, 10)
	wantRefused(t, c.Put(now(t), Numbered(10, 11)), event.ErrFull)
	want(t, "taken", takeAll(t, c, 10), Numbers(0, 10))
	if err := c.Put(now(t), Numbered(10, 13)); err != nil {
		t.Errorf("Put without waiting into an empty channel: %v", err)
	}
}

func putWaitsForRoom(t *testing.T, open OpenChannel) {
	c := limited(t, open)
	put(t, c, 0, 5)
	put(t, c, 5, 10)
	done := make(chan error)
	go func() { done <- c.Put(within(t), Numbered(10, 13)) }()
	got := takeAll(t, c, 3)
	if err := <-done; err != nil && !errors.Is(err, event.ErrFull) { // keep-alive may be 0
		t.Errorf("Put while events are taken: %v", err)
	} else if err == nil {
		want(t, "taken", append(got, takeAll(t, c, 10)...), Numbers(0, 13))
	}
}

func putRefusesTooLarge(t *testing.T, open OpenChannel) {
	c := open.use(t, 10, 5)
	if c.Stats().MaxTx == 0 {
		t.Skip("this type of channel has no transactionCapacity")
	}
	wantRefused(t, c.Put(now(t), Numbered(0, 6)), event.ErrTooLarge)
	put(t, c, 0, 5)
	want(t, "taken", takeAll(t, c, 5), Numbers(0, 5))
}

func heldCounts(t *testing.T, open OpenChannel) {
	c := limited(t, open)
	put(t, c, 0, 5)
	put(t, c, 5, 10)
	tx := take(t, c, 4)
	n := len(tx.Events())
	if s := c.Stats(); s.Size != 10-n || s.Held != n {
		t.Errorf("Size %d and Held %d, want %d and %d", s.Size, s.Held, 10-n, n)
	}
	wantRefused(t, c.Put(now(t), Numbered(10, 11)), event.ErrFull)
	commit(t, tx)
	if s := c.Stats(); s.Size != 10-n || s.Held != 0 {
		t.Errorf("Size %d and Held %d after Commit, want %d and 0", s.Size, s.Held, 10-n)
	}
	put(t, c, 10, 10+n)
	want(t, "taken", takeAll(t, c, 10), Numbers(n, 10+n))
}

func rollbackGivesBack(t *testing.T, open OpenChannel) {
	c := open.use(t, 100, 100)
	put(t, c, 0, 10)
	for range 3 {
		tx := take(t, c, 4)
		want(t, "taken", bodies(tx.Events()), Numbers(0, len(tx.Events())))
		rollback(t, tx)
	}
	want(t, "taken", takeAll(t, c, 10), Numbers(0, 10))
}

func rollbackKeepsOrder(t *testing.T, open OpenChannel) {
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		c := open.use(t, 100, 100)
		put(t, c, 0, 12)
		var txs []channels.Tx
		n := 0
		for range order {
			tx := take(t, c, 3)
			n += len(tx.Events())
			txs = append(txs, tx)
		}
		for _, i := range order {
			rollback(t, txs[i])
		}
		want(t, "taken after rolling back in another order", takeAll(t, c, 12), Numbers(0, 12))
	}
	c := open.use(t, 100, 100)
	put(t, c, 0, 9)
	first, second := take(t, c, 3), take(t, c, 3)
	a, b := len(first.Events()), len(second.Events())
	rollback(t, second)
	tx := take(t, c, b)
	want(t, "taken while the first is still held", bodies(tx.Events()), Numbers(a, a+len(tx.Events())))
	rollback(t, tx)
	rollback(t, first)
	want(t, "taken at last", takeAll(t, c, 9), Numbers(0, 9))
}

func statsCount(t *testing.T, open OpenChannel) {
	c := open.use(t, 50, 20)
	s := c.Stats()
	if s.Capacity != 0 && s.Capacity != 50 || s.MaxTx != 0 && s.MaxTx != 20 {
		t.Errorf("Capacity %d and MaxTx %d, want 50 and 20, or 0 for none", s.Capacity, s.MaxTx)
	}
	if s.Size == -1 {
		t.Skip("this type of channel does not know its size")
	}
	put(t, c, 10, 15)
	if s := c.Stats(); s.Size != 5 || s.Held != 0 || s.Bytes != 10 {
		t.Errorf("%+v, want 5 events of 10 bytes", s)
	}
	takeAll(t, c, 5)
	if s := c.Stats(); s.Size != 0 || s.Held != 0 || s.Bytes != 0 {
		t.Errorf("%+v, want an empty channel", s)
	}
}

func closeEndsAll(t *testing.T, open OpenChannel) {
	c := open.use(t, 10, 5)
	taken := make(chan error)
	go func() {
		_, err := c.Take(within(t), 1, 0)
		taken <- err
	}()
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := <-taken; !errors.Is(err, event.ErrClosed) {
		t.Errorf("Take that waited at Close: %v, want %v", err, event.ErrClosed)
	}
	if err := c.Put(within(t), Numbered(0, 1)); !errors.Is(err, event.ErrClosed) {
		t.Errorf("Put after Close: %v, want %v", err, event.ErrClosed)
	}
	if _, err := c.Take(within(t), 1, 0); !errors.Is(err, event.ErrClosed) {
		t.Errorf("Take after Close: %v, want %v", err, event.ErrClosed)
	}
	if err := c.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// manyAtOnce has sources put and sinks take, commit and roll back side by side: each event is committed once.
func manyAtOnce(t *testing.T, open OpenChannel) {
	const putters, takers, batches, size = 4, 3, 50, 5
	const total = putters * batches * size
	c := open.use(t, 100, 20)
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	var wg sync.WaitGroup
	for p := range putters {
		wg.Go(func() {
			for i := range batches {
				at := (p*batches + i) * size
				err := error(event.ErrFull)
				for errors.Is(err, event.ErrFull) && ctx.Err() == nil {
					err = c.Put(ctx, Numbered(at, at+size))
				}
				if err != nil {
					t.Errorf("Put: %v", err)
					cancel()
					return
				}
			}
		})
	}
	var mu sync.Mutex
	var all []string
	for k := range takers {
		wg.Go(func() {
			for round := k; ; round++ {
				tx, err := c.Take(ctx, 7, 0)
				if ctx.Err() != nil {
					if err == nil {
						_ = tx.Rollback() // all is there
					}
					return
				}
				if err != nil {
					t.Errorf("Take: %v", err)
					cancel()
					return
				}
				if round%3 == 0 {
					if err := tx.Rollback(); err != nil {
						t.Errorf("Rollback: %v", err)
					}
					continue
				}
				got := bodies(tx.Events())
				if err := tx.Commit(); err != nil {
					t.Errorf("Commit: %v", err)
				}
				mu.Lock()
				all = append(all, got...)
				full := len(all) >= total
				mu.Unlock()
				if full {
					cancel()
				}
			}
		})
	}
	wg.Wait()
	slices.SortFunc(all, func(a, b string) int {
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		return x - y
	})
	if len(all) != total {
		t.Errorf("%d events committed, want %d", len(all), total)
	}
	for i, s := range all {
		if s != strconv.Itoa(i) {
			t.Fatalf("event %d of the sorted ones is %s: one was lost or came twice", i, s)
		}
	}
}
