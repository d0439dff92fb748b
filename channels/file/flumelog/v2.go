package flumelog

import (
	"encoding/binary"

	"goflume/event"
)

// readV2 reads a record of a version 2 file. It has no length: its fields tell where it ends.
func (l *Log) readV2(off int64) (Record, int64, error) {
	for n := int64(window); ; n *= 2 {
		b, err := l.load(off, n)
		if err != nil {
			return Record{}, 0, err
		}
		r := Record{At: pointer(l.ID, off)}
		c := cursor{b: b[1:]}
		r.parseV2(&c)
		switch {
		case c.why != "":
			return Record{}, 0, &Damage{l.Name, off, c.why, true}
		case !c.short:
			return r, off + 1 + int64(c.at), nil
		case int64(len(b)) < n:
			return Record{}, 0, &Damage{l.Name, off, "it goes beyond the file", true}
		}
	}
}

func (r *Record) parseV2(c *cursor) {
	if c.u32() != v2Magic {
		c.fail("its magic number is wrong")
	}
	r.Kind, r.Tx, r.Order = Kind(c.u16()), int64(c.u64()), int64(c.u64())
	switch r.Kind {
	case Put:
		c.take(1)
		n := int32(c.u32())
		for i := int32(0); i < n && !c.short && c.why == ""; i++ {
			r.Event.Headers = append(r.Event.Headers, event.Header{Key: c.text(), Value: c.text()})
		}
		if size := int32(c.u32()); size > 0 {
			r.Event.Body = c.take(int64(size))
		}
	case Take:
		off := c.u32()
		r.Of = pointer(int32(c.u32()), int64(off))
	case Commit:
		r.OfPuts = Kind(c.u16()) == Put
	case Rollback:
	default:
		c.fail("its type is unknown")
	}
}

// cursor reads big-endian fields; short: the bytes did not suffice.
type cursor struct {
	b     []byte
	at    int
	short bool
	why   string
}

func (c *cursor) fail(why string) {
	if !c.short && c.why == "" {
		c.why = why
	}
}

func (c *cursor) take(n int64) []byte {
	if c.short || c.why != "" || n > int64(len(c.b)-c.at) {
		c.short = c.why == ""
		return make([]byte, min(n, 8))
	}
	b := c.b[c.at : c.at+int(n)]
	c.at += int(n)
	return b
}

func (c *cursor) u16() uint16 { return binary.BigEndian.Uint16(c.take(2)) }
func (c *cursor) u32() uint32 { return binary.BigEndian.Uint32(c.take(4)) }
func (c *cursor) u64() uint64 { return binary.BigEndian.Uint64(c.take(8)) }

// text reads a string: 0x8c, its length as Hadoop's variable int, UTF-8.
func (c *cursor) text() string {
	if c.take(1)[0] != 0x8c {
		c.fail("a header is no text")
	}
	n := int64(int8(c.take(1)[0]))
	if n < -112 { // WritableUtils.decodeVIntSize; lengths are not negative
		size := -n - 112
		if n < -120 || size > 8 {
			c.fail("a header's length is wrong")
			return ""
		}
		n = 0
		for _, x := range c.take(size) {
			n = n<<8 | int64(x)
		}
	}
	if n < 0 {
		c.fail("a header's length is wrong")
		return ""
	}
	return string(c.take(n))
}
