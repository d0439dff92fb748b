package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"unsafe"

	"goflume/event"
)

// On disk: sizes, types and flags of frames. doc.go draws them.
const (
	pageSize   = 4096 // of a segment's header; the first frame follows it
	headerSize = 64   // of a frame

	framePut  = 1 // events
	frameAck  = 2 // sequence numbers that were delivered
	frameLink = 3 // first in a segment: where the lane's segment before it ends
	frameSeal = 4 // last in a segment: its index and what was done by then

	flagContinues = 1 // the transaction goes on in the next frame
	flagEncrypted = 2 // the payload is AES-256-GCM
)

// A transaction is cut into frames of about this many bytes.
const maxFrame = 4 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is a frame's header.
type header struct {
	payloadCRC uint32
	size       uint32 // of the payload, without padding
	typ, flags uint8
	lane       uint16
	seg        uint64 // id of the segment
	promise    int64  // the segment was on stable storage up to here when the frame was written
	seq        uint64 // of the first event
	count      uint32 // events
	ordinal    uint32 // of the frame in its segment
	time       int64  // Unix milliseconds of the put; tells an event's age and nothing else
	bytes      int64  // of the bodies: put, or acknowledged
}

// padded returns n rounded up to a frame's alignment.
func padded(n int64) int64 { return (n + 7) &^ 7 }

// length returns the bytes of the whole frame on disk.
func (h *header) length() int64 { return headerSize + padded(int64(h.size)) }

// put writes the header to the first headerSize bytes of b.
func (h *header) put(b []byte) {
	le := binary.LittleEndian
	le.PutUint32(b[4:], h.payloadCRC)
	le.PutUint32(b[8:], h.size)
	b[12], b[13] = h.typ, h.flags
	le.PutUint16(b[14:], h.lane)
	le.PutUint64(b[16:], h.seg)
	le.PutUint64(b[24:], uint64(h.promise))
	le.PutUint64(b[32:], h.seq)
	le.PutUint32(b[40:], h.count)
	le.PutUint32(b[44:], h.ordinal)
	le.PutUint64(b[48:], uint64(h.time))
	le.PutUint64(b[56:], uint64(h.bytes))
	le.PutUint32(b, crc32.Checksum(b[4:headerSize], castagnoli))
}

// parse reads a header of the segment; false: there is none.
func (h *header) parse(b []byte, seg uint64) bool {
	le := binary.LittleEndian
	if len(b) < headerSize || le.Uint64(b[16:]) != seg || le.Uint32(b) != crc32.Checksum(b[4:headerSize], castagnoli) {
		return false
	}
	*h = header{
		payloadCRC: le.Uint32(b[4:]), size: le.Uint32(b[8:]), typ: b[12], flags: b[13], lane: le.Uint16(b[14:]), seg: seg,
		promise: int64(le.Uint64(b[24:])), seq: le.Uint64(b[32:]), count: le.Uint32(b[40:]), ordinal: le.Uint32(b[44:]),
		time: int64(le.Uint64(b[48:])), bytes: int64(le.Uint64(b[56:])),
	}
	return h.typ >= framePut && h.typ <= frameSeal && h.promise >= 0 && h.bytes >= 0 && h.seq+uint64(h.count) >= h.seq
}

// outFrame is a frame on its way to disk: buf has room for the header, the payload and its padding.
type outFrame struct {
	buf []byte
	mem *memory // that buf is in; nil: no other's business
	header
	at, end int64 // where in its segment
}

// newFrame finishes a frame whose buf was filled from headerSize on.
func newFrame(buf []byte, h header) outFrame {
	h.size = uint32(len(buf) - headerSize)
	for len(buf)&7 != 0 {
		buf = append(buf, 0)
	}
	h.payloadCRC = crc32.Checksum(buf[headerSize:], castagnoli)
	return outFrame{buf: buf, header: h}
}

func (f *outFrame) payload() []byte { return f.buf[headerSize : headerSize+int64(f.size)] }

func uvarintLen(v int) int64 {
	n := int64(1)
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

func eventLen(e *event.Event) int64 {
	n := uvarintLen(len(e.Headers)) + uvarintLen(len(e.Body)) + int64(len(e.Body))
	for i := range e.Headers {
		h := &e.Headers[i]
		n += uvarintLen(len(h.Key)) + int64(len(h.Key)) + uvarintLen(len(h.Value)) + int64(len(h.Value))
	}
	return n
}

func appendEvent(dst []byte, e *event.Event) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(e.Headers)))
	for i := range e.Headers {
		h := &e.Headers[i]
		dst = binary.AppendUvarint(dst, uint64(len(h.Key)))
		dst = append(dst, h.Key...)
		dst = binary.AppendUvarint(dst, uint64(len(h.Value)))
		dst = append(dst, h.Value...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.Body)))
	return append(dst, e.Body...)
}

// maxPayload is what a frame's length field can say, with a margin for padding and the cipher's tag.
const maxPayload = 1<<32 - 1<<12

// encodeEvents makes the frames of a transaction and appends them to dst.
func encodeEvents(dst []outFrame, events []event.Event, now int64) ([]outFrame, error) {
	for i := 0; i < len(events); {
		size, bodies, n := int64(0), int64(0), i
		for ; n < len(events); n++ {
			l := eventLen(&events[n])
			if n > i && size+l > maxFrame {
				break
			}
			size += l
			bodies += int64(len(events[n].Body))
		}
		if size > maxPayload {
			return nil, &event.Refused{Kind: event.ErrTooLarge, Text: fmt.Sprintf("event of %d bytes exceeds what a file channel can hold", size)}
		}
		mem := newMemory(headerSize + padded(size))
		buf := mem.Bytes[:headerSize]
		for j := i; j < n; j++ {
			buf = appendEvent(buf, &events[j])
		}
		h := header{typ: framePut, count: uint32(n - i), bytes: bodies, time: now}
		if n < len(events) {
			h.flags = flagContinues
		}
		f := newFrame(buf, h)
		f.mem = mem
		dst = append(dst, f)
		i = n
	}
	return dst, nil
}

var errPayload = errors.New("payload does not hold what its header says")

// decodeEvents returns the events of a payload, in mem where there is one. Their bodies lie in payload, which must not
// change before they are delivered; headers are copied, as others may keep them.
func decodeEvents(payload []byte, count int, mem *memory) ([]event.Event, error) {
	if count > len(payload)/2 { // each takes two bytes or more
		return nil, errPayload
	}
	d := decoder{b: payload}
	events := mem.slots(count)
	var slab, before []event.Header
	var t textSlab
	for i := range events {
		n := int(min(d.uvarint(), uint64(len(d.b))))
		events[i].Headers = nil
		if n > 0 {
			if cap(slab)-len(slab) < n {
				slab = make([]event.Header, 0, max(n, min(n*(count-i), 1024)))
			}
			at := len(slab)
			slab = slab[:at+n]
			hs := slab[at : at+n : at+n]
			for j := range hs {
				var like event.Header
				if j < len(before) {
					like = before[j]
				}
				hs[j].Key = t.copy(d.bytes(d.uvarint()), like.Key)
				hs[j].Value = t.copy(d.bytes(d.uvarint()), like.Value)
			}
			events[i].Headers, before = hs, hs
		}
		events[i].Body = d.bytes(d.uvarint())
	}
	if d.bad || len(d.b) != 0 {
		return nil, errPayload
	}
	return events, nil
}

// textSlab makes strings of bytes, many in one piece of memory.
type textSlab struct{ free []byte }

// copy returns b as a string: like, where that is the same, or else a copy.
func (t *textSlab) copy(b []byte, like string) string {
	if string(b) == like {
		return like
	}
	if cap(t.free)-len(t.free) < len(b) {
		t.free = make([]byte, 0, max(len(b), min(max(2*cap(t.free), 256), 16<<10)))
	}
	at := len(t.free)
	t.free = append(t.free, b...)
	return unsafe.String(unsafe.SliceData(t.free[at:]), len(b))
}
