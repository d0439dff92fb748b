package event

import "testing"

// freed returns a chunk, and a function that tells how often it was freed.
func freed() (c *Chunk, times func() int) {
	n := 0
	return NewChunk(make([]byte, 8), func(*Chunk) { n++ }), func() int { return n }
}

func TestChunkIsFreedByTheLastWhoHeldIt(t *testing.T) {
	c, times := freed()
	c.Hold()
	c.Release()
	if times() != 0 {
		t.Error("freed while held")
	}
	c.Release()
	if times() != 1 {
		t.Errorf("freed %d times, want once", times())
	}
	c.Hold()
	c.Release()
	if times() != 2 {
		t.Errorf("freed %d times after another use, want twice", times())
	}
	defer func() {
		if recover() == nil {
			t.Error("a release too many is no panic")
		}
	}()
	c.Release()
}

func TestBatchHoldsWhatItBorrowsUntilReset(t *testing.T) {
	c, times := freed()
	d, others := freed()
	var b Batch
	b.Borrow(c)
	b.Borrow(c)
	b.Borrow(d)
	b.Borrow(c)
	if n := len(b.Borrowed()); n != 3 {
		t.Errorf("%d chunks borrowed, want 3", n)
	}
	c.Release()
	d.Release()
	if times() != 0 || others() != 0 {
		t.Error("freed while the batch holds them")
	}
	b.Reset()
	if times() != 1 || others() != 1 {
		t.Errorf("freed %d and %d times after Reset, want once each", times(), others())
	}
	if b.Reset(); times() != 1 || len(b.Borrowed()) != 0 {
		t.Error("a second Reset releases again")
	}
}
