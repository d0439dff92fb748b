package flowtest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"goflume/channels"
	"goflume/event"
)

// lender makes events whose bodies lie in chunks, which it overwrites when it gets them back.
type lender struct {
	at    int // number of the next event
	chunk *event.Chunk
	used  int // of it
	out   int // chunks that were not given back
}

const lentChunk = 64

// batch returns n numbered events, in as many chunks as they need: the one before goes on where there is room.
func (l *lender) batch(n int) *event.Batch {
	b := new(event.Batch)
	for range n {
		body := fmt.Append(nil, l.at)
		l.at++
		if l.chunk == nil || l.used+len(body) > lentChunk {
			l.end()
			l.chunk, l.used = event.NewChunk(make([]byte, lentChunk), func(c *event.Chunk) { l.out--; clear(c.Bytes) }), 0
			l.out++
		}
		at := l.used
		l.used += copy(l.chunk.Bytes[at:], body)
		b.Borrow(l.chunk)
		b.Adopt(l.chunk.Bytes[at:l.used])
	}
	return b
}

// end gives up the chunk that is being filled.
func (l *lender) end() {
	if l.chunk != nil {
		l.chunk.Release()
		l.chunk = nil
	}
}

// givesBackWhatItBorrowed: a channel that borrows memory releases it when the last event in it was committed, in whatever
// order, and not before.
func givesBackWhatItBorrowed(t *testing.T, open OpenChannel) {
	const capacity = 200
	c := open.use(t, capacity, 20)
	b, ok := c.(channels.Borrower)
	if !ok {
		return // all that it is given is the garbage collector's
	}
	r := rand.New(rand.NewPCG(1, 2))
	var l lender
	var held []channels.Tx
	next := 0 // not taken by the transactions that were committed, if all before it were
	seen := map[string]bool{}
	for step := 0; step < 3000 || next < l.at; step++ {
		stats := c.Stats()
		switch act := r.IntN(10); {
		case act < 4 && step < 3000:
			n := 1 + r.IntN(20)
			if stats.Size+stats.Held+n > capacity {
				continue
			}
			batch := l.batch(n)
			lent := batch.Borrowed()
			if r.IntN(5) == 0 { // the caller's own, which it never gives back
				for i := range batch.Events {
					batch.Events[i].Body = append([]byte(nil), batch.Events[i].Body...)
				}
				lent = nil
			}
			if err := b.PutBorrowed(within(t), batch.Events, lent); err != nil {
				t.Fatalf("PutBorrowed: %v", err)
			}
			batch.Reset()
		case act < 8 && stats.Size > 0 && len(held) < 5:
			held = append(held, take(t, c, 1+r.IntN(30)))
		case len(held) > 0:
			i := r.IntN(len(held))
			tx := held[i]
			held = append(held[:i], held[i+1:]...)
			var numbers []string
			for _, e := range tx.Events() {
				numbers = append(numbers, string(e.Body))
			}
			for _, n := range numbers {
				if n == "" || n[0] == 0 {
					t.Fatalf("the memory of an event was given back before its commit: %q", numbers)
				}
			}
			if r.IntN(3) == 0 {
				rollback(t, tx)
				continue
			}
			commit(t, tx)
			for _, n := range numbers {
				if seen[n] {
					t.Fatalf("event %s came twice", n)
				}
				seen[n] = true
			}
			next += len(numbers)
		}
	}
	if len(seen) != l.at {
		t.Errorf("%d events delivered, want %d", len(seen), l.at)
	}
	if l.end(); l.out != 0 {
		t.Errorf("%d chunks were never given back", l.out)
	}
	keepsBorrowed(t, b, c)
}

// keepsBorrowed: after KeepBorrowed a commit gives nothing back, and what is put later is as before.
func keepsBorrowed(t *testing.T, b channels.Borrower, c channels.Channel) {
	var l lender
	put := func() {
		t.Helper()
		batch := l.batch(5)
		if err := b.PutBorrowed(within(t), batch.Events, batch.Borrowed()); err != nil {
			t.Fatalf("PutBorrowed: %v", err)
		}
		batch.Reset()
		l.end()
	}
	put()
	kept := l.out
	b.KeepBorrowed()
	commit(t, take(t, c, 5))
	if l.out != kept {
		t.Errorf("%d chunks are out after KeepBorrowed and a commit, want %d", l.out, kept)
	}
	put()
	commit(t, take(t, c, 5))
	if l.out != kept {
		t.Errorf("%d chunks are out after another commit, want %d", l.out, kept)
	}
}
