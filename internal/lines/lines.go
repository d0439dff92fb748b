// Package lines cuts a stream of bytes into lines without copying them: bytes are read straight into large chunks, lines
// are sub-slices of a chunk, and only the unfinished line at a chunk's end moves to the next one. A chunk that was filled
// is left to those who hold its lines: to the garbage collector, or, by a Lender, to its next use.
package lines

import (
	"bytes"
	"io"
	"sync"

	"goflume/event"
)

// Chunk sizes in bytes. A chunk that took few reads is followed by one of twice the size, one that took many by one of
// half the size: an idle connection keeps little memory alive, a busy one allocates once per thousand lines.
const (
	minChunk  = 4 << 10
	maxChunk  = 256 << 10
	fewReads  = 4
	manyReads = 64

	// A chunk that is used again is given up where less room is left: another read is worth more than the rest.
	worthFilling = 32 << 10
)

// free holds chunks of maxChunk bytes that nobody holds.
var free sync.Pool

func newChunk() *event.Chunk {
	if c, ok := free.Get().(*event.Chunk); ok {
		c.Hold()
		return c
	}
	return event.NewChunk(make([]byte, maxChunk), func(c *event.Chunk) { free.Put(c) })
}

// Reader reads lines that end in a newline. It is used by one goroutine at a time. Lines that it returned are never
// written again; each has its chunk's end as its capacity, so nobody may append to it.
type Reader struct {
	src     io.Reader
	newline []byte
	lends   bool

	chunk   []byte
	lent    *event.Chunk // that chunk is the memory of, or nil
	start   int          // of the first line that was not returned
	scanned int          // no newline between start and here
	end     int          // of what was read
	reads   int          // into this chunk

	// Of NextAny:
	clean       int  // no newline between scanned and here
	afterReturn bool // a newline here belongs to the carriage return before it

	// Of NextGroup:
	line int // start of the line that is looked at; the lines from start to here are a group
}

// NewReader returns a reader of the lines of src.
func NewReader(src io.Reader) *Reader { return NewReaderOf(src, []byte{'\n'}) }

// NewReaderOf is NewReader for text in which a newline has another form, such as 00 0A in UTF-16BE. A form of several bytes
// counts only at a multiple of its length from the line's start.
func NewReaderOf(src io.Reader, newline []byte) *Reader { return &Reader{src: src, newline: newline} }

// NewLender returns a reader of the lines of src whose chunks are used again. What it returns goes into a batch by Adopt or
// Lend, or is copied before the next Fill.
func NewLender(src io.Reader) *Reader { return NewLenderOf(src, []byte{'\n'}) }

// NewLenderOf is NewLender with a newline as of NewReaderOf.
func NewLenderOf(src io.Reader, newline []byte) *Reader {
	r := NewReaderOf(src, newline)
	r.lends = true
	return r
}

// Adopt adds a line, or a part of one, that the reader returned since the last Fill to the batch, whose Reset gives it
// back.
func (r *Reader) Adopt(b *event.Batch, line []byte) *event.Event {
	r.Lend(b)
	return b.Adopt(line)
}

// AdoptLines adds complete lines to the batch as Adopt does, until there is none, there were limit of them, or the next one
// has more than most bytes; it returns how many. What comes next is for Next to tell.
func (r *Reader) AdoptLines(b *event.Batch, limit, most int) (n int) {
	if len(r.newline) > 1 {
		return 0
	}
	for ; n < limit; n++ {
		at := bytes.IndexByte(r.chunk[r.scanned:r.end], r.newline[0])
		if at < 0 {
			r.scanned = r.end
			break
		}
		if at += r.scanned; at-r.start > most {
			break
		}
		b.Events = append(b.Events, event.Event{Body: r.chunk[r.start:at]})
		r.start = at + 1
		r.scanned = r.start
	}
	if n > 0 {
		r.Lend(b)
	}
	return n
}

// Lend is for a batch that adopts parts of what the reader returned since the last Fill by itself.
func (r *Reader) Lend(b *event.Batch) {
	if r.lent != nil {
		b.Borrow(r.lent)
	}
}

// Close gives back the memory that the reader has for itself. The reader is not used any more.
func (r *Reader) Close() {
	r.chunk = nil
	r.lend(nil)
}

// Fill reads once from the source and returns what that Read returned. Next gives the lines that it completed. The
// unfinished line grows without bound from Fill to Fill: the caller looks at Rest.
func (r *Reader) Fill() (int, error) {
	if left := len(r.chunk) - r.end; left == 0 || r.lent != nil && left < worthFilling {
		r.renew()
	}
	n, err := r.src.Read(r.chunk[r.end:])
	r.reads++
	r.end += n
	return n, err
}

// renew starts a chunk with what is unfinished in the last one.
func (r *Reader) renew() {
	size := len(r.chunk)
	switch {
	case r.reads <= fewReads:
		size *= 2
	case r.reads >= manyReads:
		size /= 2
	}
	rest := r.chunk[r.start:r.end]
	var lent *event.Chunk
	switch size = max(min(max(size, minChunk), maxChunk), 2*len(rest)); {
	case r.lends && size == maxChunk:
		lent = newChunk()
		r.chunk = lent.Bytes
	default:
		r.chunk = make([]byte, size)
	}
	r.end = copy(r.chunk, rest)
	r.lend(lent)
	r.scanned -= r.start
	r.clean -= r.start
	r.line = max(r.line-r.start, 0)
	r.start, r.reads = 0, 0
}

// lend releases the chunk before and notes the one of now.
func (r *Reader) lend(c *event.Chunk) {
	if r.lent != nil {
		r.lent.Release()
	}
	r.lent = c
}

// Next returns the next complete line without its newline, or false when there is none: then Fill.
func (r *Reader) Next() (line []byte, ok bool) {
	if len(r.newline) > 1 {
		return r.nextWide()
	}
	n := bytes.IndexByte(r.chunk[r.scanned:r.end], r.newline[0])
	if n < 0 {
		r.scanned = r.end
		return nil, false
	}
	line = r.chunk[r.start : r.scanned+n]
	r.start = r.scanned + n + 1
	r.scanned = r.start
	return line, true
}

func (r *Reader) nextWide() (line []byte, ok bool) {
	width := len(r.newline)
	for r.end-r.scanned >= width {
		n := bytes.Index(r.chunk[r.scanned:r.end], r.newline)
		if n < 0 {
			r.scanned += (r.end - r.scanned) / width * width
			return nil, false
		}
		if n%width != 0 {
			r.scanned += (n/width + 1) * width
			continue
		}
		line = r.chunk[r.start : r.scanned+n]
		r.start = r.scanned + n + width
		r.scanned = r.start
		return line, true
	}
	return nil, false
}

// Unread makes the last n bytes that Next, its newline included, or Skip went over the start of what comes next. Nothing
// may have been filled since.
func (r *Reader) Unread(n int) {
	r.start -= n
	r.scanned = r.start
}

// Skip goes on behind the first n bytes of Rest.
func (r *Reader) Skip(n int) {
	r.start += n
	r.scanned = r.start
}

// NextAny is Next for lines that end in a newline, a carriage return, or one behind the other.
func (r *Reader) NextAny() (line []byte, ok bool) {
	if r.afterReturn && r.scanned < r.end {
		r.afterReturn = false
		if r.chunk[r.scanned] == '\n' {
			r.scanned++
			r.start = r.scanned
		}
	}
	r.clean = max(r.clean, r.scanned)
	n := bytes.IndexByte(r.chunk[r.clean:r.end], '\n')
	if n >= 0 {
		r.clean += n
	} else {
		r.clean = r.end
	}
	at := bytes.IndexByte(r.chunk[r.scanned:r.clean], '\r')
	if at < 0 {
		return r.Next()
	}
	line = r.chunk[r.start : r.scanned+at]
	r.scanned += at + 1
	r.start = r.scanned
	r.afterReturn = true
	return line, true
}

// NextGroup is Next for lines that belong together: a group begins with a line for which first returns true, and ends before
// the next such line, or where the caller ends it with TakeGroup. The lines stand in it as they were read, without the
// newline at its end. first is asked once for each line.
func (r *Reader) NextGroup(first func(line []byte) bool) (group []byte, ok bool) {
	r.line = max(r.line, r.start)
	for {
		n := bytes.IndexByte(r.chunk[r.scanned:r.end], '\n')
		if n < 0 {
			r.scanned = r.end
			return nil, false
		}
		begin := r.line
		r.scanned += n + 1
		r.line = r.scanned
		if first(r.chunk[begin:r.scanned-1]) && begin > r.start {
			group = r.chunk[r.start : begin-1]
			r.start = begin
			return group, true
		}
	}
}

// Group returns the whole lines of the group that is not ended yet, once NextGroup has returned false.
func (r *Reader) Group() []byte { return r.chunk[r.start:max(r.line, r.start)] }

// TakeGroup is Group without the newline at its end, and the reader goes on behind it. ok is false where there is no line.
func (r *Reader) TakeGroup() (group []byte, ok bool) {
	group = r.Group()
	if len(group) == 0 {
		return nil, false
	}
	r.start = r.line
	return group[:len(group)-1], true
}

// Before returns the last n bytes before what comes next, or as many of them as the reader still has: those of the chunk.
func (r *Reader) Before(n int) []byte { return r.chunk[max(r.start-n, 0):r.start] }

// Rest returns what was read of the line that has no newline yet, once Next has returned false.
func (r *Reader) Rest() []byte { return r.chunk[r.start:r.end] }

// Take is Rest, and the reader goes on behind it.
func (r *Reader) Take() []byte {
	rest := r.Rest()
	r.start, r.scanned = r.end, r.end
	return rest
}
