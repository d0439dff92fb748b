package file

import (
	"math/bits"
	"sync"

	"goflume/event"
)

// memory is what a frame is made in, with room for its events once they are decoded. It is used again when its events were
// delivered, or when it fell out of the cache before somebody took them: to write where nothing was written before costs
// a put a third of its time. Those who hold it are counted by the chunk: the commit until it is published, the cache, and
// each piece of events until its transaction has committed. What an error leaves behind is the garbage collector's.
type memory struct {
	*event.Chunk
	events []event.Event
}

// Memory comes in powers of two from leastMemory to mostMemory bytes; a larger frame has its own.
const (
	leastMemory = 10
	mostMemory  = 23
)

// idleMemory holds what nobody uses, by size.
var idleMemory [mostMemory - leastMemory + 1]sync.Pool

// newMemory returns memory for n bytes, which the caller holds.
func newMemory(n int64) *memory {
	size := max(bits.Len64(uint64(n-1)), leastMemory)
	if size > mostMemory {
		return &memory{Chunk: event.NewChunk(make([]byte, n), func(*event.Chunk) {})}
	}
	idle := &idleMemory[size-leastMemory]
	if m, ok := idle.Get().(*memory); ok {
		m.Hold()
		return m
	}
	m := &memory{}
	m.Chunk = event.NewChunk(make([]byte, 1<<size), func(*event.Chunk) {
		clear(m.events)
		idle.Put(m)
	})
	return m
}

// release gives up one hold of m, which may be nil.
func (m *memory) release() {
	if m != nil {
		m.Release()
	}
}

// hold adds one to m, which may be nil.
func (m *memory) hold() {
	if m != nil {
		m.Hold()
	}
}

// slots returns n events to be filled: of m, or new ones where there is no memory.
func (m *memory) slots(n int) []event.Event {
	if m == nil {
		return make([]event.Event, n)
	}
	if cap(m.events) < n {
		m.events = make([]event.Event, n)
	}
	m.events = m.events[:n]
	return m.events
}
