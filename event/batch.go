package event

// Chunk sizes in bytes: a batch starts small and doubles, so that an idle source costs little and a busy one allocates
// once per several hundred events.
const (
	minChunk = 4 << 10
	maxChunk = 256 << 10
)

// Headers are handed out from slabs of this many.
const headerSlab = 256

// Batch collects events before they are sent. It is used by one goroutine at a time. The zero Batch is ready for use.
type Batch struct {
	Events []Event

	// Route is the Output's own note, from the first Send to nil or Reset: which channels are still owed which events.
	Route any

	chunk   []byte // length used, capacity all; never moved once events point into it
	size    int    // of the next chunk
	headers []Header
	lent    []*Chunk
}

// Add appends an event with a copy of body and returns it for its headers to be set. The pointer is good until the next
// Add or Adopt.
func (b *Batch) Add(body []byte) *Event {
	dst := b.Alloc(len(body))
	copy(dst, body)
	return b.Adopt(dst)
}

// Adopt appends an event whose body is the given slice itself; nobody may write to it ever again. Bodies that were cut
// from one chunk should keep the chunk's end as their capacity: Footprint knows chunks by their ends.
func (b *Batch) Adopt(body []byte) *Event {
	b.Events = append(b.Events, Event{Body: body})
	return &b.Events[len(b.Events)-1]
}

// Borrow has the batch hold the chunk until Reset. Who adopts a body that lies in a Chunk borrows that.
func (b *Batch) Borrow(c *Chunk) {
	if n := len(b.lent); n > 0 && b.lent[n-1] == c {
		return
	}
	c.Hold()
	b.lent = append(b.lent, c)
}

// Borrowed returns the chunks that the batch holds, for who keeps its bodies longer. The slice is the batch's.
func (b *Batch) Borrowed() []*Chunk { return b.lent }

// Alloc returns n bytes of the batch's chunk, for a body that is built in place and then given to Adopt.
func (b *Batch) Alloc(n int) []byte {
	if n > cap(b.chunk)-len(b.chunk) {
		b.grow(n)
	}
	at := len(b.chunk)
	b.chunk = b.chunk[:at+n]
	return b.chunk[at : at+n]
}

func (b *Batch) grow(n int) {
	b.size = min(max(2*b.size, minChunk), maxChunk)
	b.chunk = make([]byte, 0, max(b.size, n))
}

// SetHeader sets a header of e, which must be an event of this batch that was not sent yet: it replaces a header of that
// name or adds one. Other events that share e's header slice keep theirs.
func (b *Batch) SetHeader(e *Event, key, value string) {
	for i := range e.Headers {
		if e.Headers[i].Key == key {
			e.Headers = b.copyHeaders(e.Headers, 0)
			e.Headers[i].Value = value
			return
		}
	}
	e.Headers = append(b.copyHeaders(e.Headers, 1), Header{key, value})
}

// DropHeaders removes the headers of e for which drop returns true. Like SetHeader it leaves sharers alone.
func (b *Batch) DropHeaders(e *Event, drop func(Header) bool) {
	for i := range e.Headers {
		if !drop(e.Headers[i]) {
			continue
		}
		kept := b.copyHeaders(e.Headers, 0)[:i]
		for _, h := range e.Headers[i+1:] {
			if !drop(h) {
				kept = append(kept, h)
			}
		}
		e.Headers = kept[:len(kept):len(kept)]
		return
	}
}

// copyHeaders returns a copy of hs in the slab with room for extra more, and no more than that.
func (b *Batch) copyHeaders(hs []Header, extra int) []Header {
	n := len(hs) + extra
	if n > cap(b.headers)-len(b.headers) {
		b.headers = make([]Header, 0, max(headerSlab, n))
	}
	at := len(b.headers)
	b.headers = b.headers[:at+n]
	return append(b.headers[at:at:at+n], hs...)
}

// Footprint returns the bytes of all bodies, and the bytes of memory that those bodies keep alive: a short line cut from
// a large read buffer pins the buffer. pinned counts each chunk from the first body of this batch that lies in it.
func (b *Batch) Footprint() (body, pinned int64) {
	var last *byte // of the chunk counted before
	for i := range b.Events {
		s := b.Events[i].Body
		body += int64(len(s))
		if cap(s) == 0 {
			continue
		}
		if e := &s[:cap(s)][cap(s)-1]; e != last {
			last = e
			pinned += int64(cap(s))
		}
	}
	return body, pinned
}

// Reset empties the batch for the next events, forgets what the last ones are still owed and releases what it borrowed.
// The memory of events that were sent is left to those who hold them.
func (b *Batch) Reset() {
	clear(b.Events)
	b.Events = b.Events[:0]
	b.Route = nil
	for _, c := range b.lent {
		c.Release()
	}
	clear(b.lent)
	b.lent = b.lent[:0]
}
