package file

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"unsafe"

	"goflume/event"
	"goflume/internal/vfs"
)

// block is a published put-frame in memory.
type block struct {
	at, end pos
	header
	payload []byte
	mem     *memory // that payload is in; nil: the garbage collector's
}

func (b *block) footprint() int64 { return int64(cap(b.payload)) + headerSize + blockSize }

// blockSize is what a block takes besides its payload.
const blockSize = int64(unsafe.Sizeof(block{}))

// errBad marks bytes that are no frame of the segment.
var errBad = errors.New("no valid frame")

// frameReader reads frames of one segment through a window. What it returned stays as it is: a new window is new memory.
type frameReader struct {
	file vfs.File
	seg  uint64
	aead cipher.AEAD
	win  []byte
	off  int64 // of win in the file

	lenient bool // what cannot be read counts as damage
}

// window is how much is read at a time.
const window = 1 << 20

func (s *segment) reader() frameReader {
	return frameReader{file: s.file, seg: s.id, aead: s.aead, lenient: s.lenient}
}

// load returns n bytes at off, fewer where limit or the file ends.
func (r *frameReader) load(off, n, limit int64) ([]byte, error) {
	n = min(n, limit-off)
	if n <= 0 {
		return nil, nil
	}
	if off < r.off || off+n > r.off+int64(len(r.win)) {
		win := make([]byte, min(max(n, window), limit-off))
		m, err := r.file.ReadAt(win, off)
		if unreadable(err) && int64(m) < n {
			if m, err = r.file.ReadAt(win[:n], off); unreadable(err) && r.lenient { // no more than is asked for
				m, err = readAround(r.file, win, off), nil
			}
		}
		if err != nil && err != io.EOF && int64(m) < n {
			return nil, err
		}
		r.win, r.off = win[:m], off
	}
	b := r.win[off-r.off:]
	return b[:min(n, int64(len(b)))], nil
}

// at returns the frame at off, which ends below limit; errBad: there is none.
func (r *frameReader) at(off, limit int64) (h header, payload []byte, err error) {
	b, err := r.load(off, headerSize, limit)
	if err != nil {
		return h, nil, err
	}
	if !h.parse(b, r.seg) || h.length() > limit-off {
		return h, nil, errBad
	}
	b, err = r.load(off, h.length(), limit)
	if err != nil {
		return h, nil, err
	}
	if int64(len(b)) < h.length() || crc32.Checksum(b[headerSize:], castagnoli) != h.payloadCRC {
		return h, nil, errBad
	}
	return h, b[headerSize : headerSize+int64(h.size) : headerSize+int64(h.size)], nil
}

// known is at, of which it is known where the damage is: that is not read again.
func (r *frameReader) known(damaged map[pos]int64, off, limit int64) (h header, payload []byte, err error) {
	if next := damaged[pos{r.seg, off}]; next > 0 && next <= limit {
		return h, nil, errBad
	}
	return r.at(off, limit)
}

// patience is how far the search for a frame goes through bytes that are none.
const patience = 2 * maxGroup

// find returns where the first valid frame behind off starts; false: there is none below limit, or not within patience.
func (r *frameReader) find(off, limit int64) (int64, bool, error) {
	stop := min(limit, off+patience)
	for p := off + 8; p+headerSize <= stop; {
		b, err := r.load(p, window, limit)
		if err != nil {
			return 0, false, err
		}
		i := 0
		for ; i+headerSize <= len(b); i += 8 {
			if binary.LittleEndian.Uint64(b[i+16:]) != r.seg {
				continue
			}
			if _, _, err := r.at(p+int64(i), limit); err == nil {
				return p + int64(i), true, nil
			} else if !errors.Is(err, errBad) {
				return 0, false, err
			}
			if b, err = r.load(p, window, limit); err != nil {
				return 0, false, err
			}
		}
		if i == 0 {
			break // the file is shorter
		}
		p += int64(i)
	}
	return 0, false, nil
}

// nextHeads reads the lane's next frame that has events to deliver; it leaves heads empty where there is none. The cursor
// moves when the events are in heads and not before: a checkpoint in between must not pass them over.
func (c *Channel) nextHeads(l *lane) error {
	for {
		c.mu.Lock()
		seg, off, limit := c.seekLocked(l)
		var b block
		if seg == nil {
			if len(l.cache) == 0 {
				c.mu.Unlock()
				return nil
			}
			b = l.cache[0]
			b.mem.hold() // the cache may let go of it meanwhile
		}
		c.mu.Unlock()
		var err error
		if seg != nil {
			b, err = c.readBlock(l, seg, off, limit)
		}
		var events []event.Event
		if err == nil && b.typ == framePut {
			if events, err = decodeEvents(b.payload, int(b.count), b.mem); err != nil {
				err = fmt.Errorf("frame at %d:%d: %w", b.at.seg, b.at.off, err)
			}
		}
		if err != nil {
			b.mem.release()
			return err
		}
		c.mu.Lock()
		l.cur = b.end
		if len(l.cache) > 0 && l.cache[0].at == b.at {
			l.cache[0] = block{}
			l.cache = l.cache[1:]
			c.cached -= b.footprint()
			b.mem.release()
		}
		if events != nil {
			c.queueLocked(l, &b, events)
		}
		some := len(l.heads) > 0
		c.mu.Unlock()
		if some {
			return nil
		}
	}
}

// queueLocked makes the block's events the lane's heads, but for those that are done. The hold of its memory goes over to
// them.
func (c *Channel) queueLocked(l *lane, b *block, events []event.Event) {
	l.heads = l.heads[:0]
	for _, s := range c.done.without(b.seq, b.seq+uint64(len(events))) {
		b.mem.hold()
		l.heads = append(l.heads, piece{s.from, events[s.from-b.seq : s.to-b.seq], b.mem, b.at, l, b.time})
	}
	b.mem.release()
}

// seekLocked returns the place of the lane's next frame on disk, and where reading has to end; nil: what is unread, if
// anything, is in the cache.
func (c *Channel) seekLocked(l *lane) (*segment, int64, int64) {
	for l.cur.before(l.spilled) {
		i := slices.IndexFunc(l.segs, func(s *segment) bool { return s.id >= l.cur.seg })
		if i < 0 {
			break
		}
		s := l.segs[i]
		if s.id > l.cur.seg {
			l.cur = pos{s.id, pageSize}
			continue
		}
		if l.cur.off >= s.end || s.closed && s.first < s.last && c.done.covers(s.first, s.last) {
			if i+1 == len(l.segs) {
				l.cur = l.spilled
				break
			}
			l.cur = pos{l.segs[i+1].id, pageSize}
			c.changed = true
			continue
		}
		limit := s.end
		if l.spilled.seg == s.id {
			limit = min(limit, l.spilled.off)
		}
		return s, max(l.cur.off, pageSize), limit
	}
	return nil, 0, 0
}

// readBlock reads the frame at off. Where the bytes are damaged, it goes on at the next frame, or fails, as
// onCorruption says.
func (c *Channel) readBlock(l *lane, seg *segment, off, limit int64) (block, error) {
	if l.reader.file != seg.file || l.reader.seg != seg.id {
		l.reader = seg.reader()
	}
	h, payload, err := l.reader.known(c.damaged, off, limit)
	if errors.Is(err, errBad) {
		l.reader.win = nil // once more, from the disk
		h, payload, err = l.reader.known(c.damaged, off, limit)
	}
	if unreadable(err) {
		err = c.unreadable(l, seg, off, limit, err)
	} else {
		l.stuck = stuck{}
	}
	if err == nil && h.typ == framePut {
		if payload, err = decrypt(seg.aead, &h, payload); err != nil {
			err = fmt.Errorf("frame of segment %s at %d: %w", seg, off, err)
		}
	}
	next := off + h.length()
	if errors.Is(err, errBad) {
		if next, err = c.skipDamage(seg, &l.reader, off, limit); err == nil {
			l.reader = seg.reader()    // a lenient one was for this place
			h = header{typ: frameLink} // nothing to deliver
			c.watchLoss()
		}
	}
	if err != nil {
		return block{}, err
	}
	return block{pos{seg.id, off}, pos{seg.id, next}, h, payload, nil}, nil
}
