package memory

import (
	"testing"
	"testing/synctest"
	"time"

	"goflume/channels"
)

func putAt(tx channels.Tx) time.Time { return tx.(channels.Dated).PutAt() }

func TestTransactionKnowsWhenItsEventsWerePut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Settings{Capacity: 100, TransactionCapacity: 10}).(*Channel)
		c.calm = calmly - 1
		taken := make(chan channels.Tx)
		go func() {
			tx, err := c.Take(t.Context(), 10, 0)
			if err != nil {
				t.Error(err)
			}
			taken <- tx
		}()
		time.Sleep(time.Minute)
		synctest.Wait() // it waits for events
		at := time.Now()
		put(t, c, numbered(0, 3))
		tx := <-taken
		if got := putAt(tx); !got.Equal(at) {
			t.Errorf("put at %v, want %v", got, at)
		}
		time.Sleep(time.Second)
		if got := c.oldest(); got != time.Second {
			t.Errorf("the oldest event is %v old while a sink has it, want 1s", got)
		}
		end(t, tx.Rollback())
		time.Sleep(time.Second)
		tx = take(t, c, 10, "0", "1", "2")
		if got := putAt(tx); !got.Equal(at) {
			t.Errorf("after a rollback put at %v, want %v", got, at)
		}
		end(t, tx.Commit())
		if got := c.oldest(); got != 0 {
			t.Errorf("the oldest event of an empty channel is %v old", got)
		}
	})
}

func TestAgeCountsFromTheFirstLookAtTheLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Settings{Capacity: 100, TransactionCapacity: 10}).(*Channel)
		time.Sleep(time.Second)
		put(t, c, numbered(0, 1)) // nobody waits for it
		c.oldest()
		time.Sleep(time.Hour)
		if got := c.oldest(); got != time.Hour {
			t.Errorf("the oldest event is %v old an hour after the first look", got)
		}
		tx := take(t, c, 1, "0")
		if got := time.Since(putAt(tx)); got != time.Hour {
			t.Errorf("taken %v after the put, want 1h", got)
		}
		end(t, tx.Commit())
	})
}

func TestStampsOfALongQueueAreFewAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Settings{Capacity: 1e6, TransactionCapacity: 100}).(*Channel)
		batch := numbered(0, 100)
		for range 10_000 {
			put(t, c, batch)
			time.Sleep(time.Millisecond)
		}
		if n := len(c.stamps.list); n < maxStamps/4 || n > maxStamps {
			t.Errorf("%d stamps, want at most %d and not much fewer", n, maxStamps)
		}
		dated, last := 0, time.Time{}
		for range 10_000 {
			tx, err := c.Take(t.Context(), 100, 0)
			end(t, err)
			if at := putAt(tx); !at.IsZero() {
				if dated++; !at.After(last) {
					t.Fatalf("a later event was put at %v, an earlier one at %v", at, last)
				}
				last = at
			}
			end(t, tx.Commit())
		}
		if dated < maxStamps/4 || len(c.stamps.list) != 0 {
			t.Errorf("%d transactions have a time; %d stamps are left", dated, len(c.stamps.list))
		}
	})
}

func TestTimeThatPutsWaitIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Settings{Capacity: 1, TransactionCapacity: 1, KeepAlive: time.Minute}).(*Channel)
		put(t, c, numbered(0, 1))
		go func() {
			time.Sleep(5 * time.Second)
			tx, err := c.Take(t.Context(), 1, 0)
			if err == nil {
				err = tx.Commit()
			}
			if err != nil {
				t.Error(err)
			}
		}()
		put(t, c, numbered(1, 1))
		if got := c.blocked.Value(); got != 5 {
			t.Errorf("puts waited %v s, want 5", got)
		}
	})
}
