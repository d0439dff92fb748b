// Package avro holds the Avro forms in which Flume's events travel. They are written by hand: one fixed schema, append-style,
// no reflection.
//
// A datum here is Flume's AvroFlumeEvent (flume.avdl) in Avro's binary encoding, without container, schema or schema id: a map of
// string headers and the bytes of the body. It is the value of Flume's Kafka records and a part of its Avro RPC.
package avro

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"goflume/event"
)

// ErrDatum is matched by every error about bytes that are no AvroFlumeEvent.
var ErrDatum = errors.New("not an AvroFlumeEvent")

// AppendEvent appends e as one datum to dst. Headers are written in their order, as one block.
func AppendEvent(dst []byte, e *event.Event) []byte {
	if n := len(e.Headers); n > 0 {
		dst = binary.AppendVarint(dst, int64(n))
		for i := range e.Headers {
			dst = appendString(dst, e.Headers[i].Key)
			dst = appendString(dst, e.Headers[i].Value)
		}
	}
	dst = append(dst, 0) // the block of length 0 that ends a map
	dst = binary.AppendVarint(dst, int64(len(e.Body)))
	return append(dst, e.Body...)
}

// EventSize returns the bytes that AppendEvent appends for e.
func EventSize(e *event.Event) int {
	n := 1 + varintLen(len(e.Body)) + len(e.Body)
	if len(e.Headers) > 0 {
		n += varintLen(len(e.Headers))
	}
	for i := range e.Headers {
		k, v := len(e.Headers[i].Key), len(e.Headers[i].Value)
		n += varintLen(k) + k + varintLen(v) + v
	}
	return n
}

func varintLen(n int) int {
	l := 1
	for u := uint64(n) << 1; u >= 0x80; u >>= 7 {
		l++
	}
	return l
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendVarint(dst, int64(len(s)))
	return append(dst, s...)
}

// DecodeEvent reads the datum that is all of data. The headers are appended to headers, of a repeated name the last value counts;
// their strings are copies. The body is a part of data. The error matches ErrDatum.
func DecodeEvent(data []byte, headers []event.Header) ([]event.Header, []byte, error) {
	d := decoder{data: data}
	headers = d.headers(headers)
	body := d.bytes("body")
	if d.err == nil && d.at != len(data) {
		d.fail("%d bytes after the body", len(data)-d.at)
	}
	return headers, body, d.err
}

// decoder reads forward through data until the first error.
type decoder struct {
	data []byte
	at   int
	err  error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: byte %d: %s", ErrDatum, d.at, fmt.Sprintf(format, args...))
	}
}

// long reads a zigzag variable-length number; 0 after an error.
func (d *decoder) long(what string) int64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Varint(d.data[d.at:])
	if n <= 0 {
		d.fail("%s: bad or cut off number", what)
		return 0
	}
	d.at += n
	return v
}

// bytes reads a length and as many bytes, a part of data.
func (d *decoder) bytes(what string) []byte {
	n := d.long(what + " length")
	if d.err != nil {
		return nil
	}
	if n < 0 || n > int64(len(d.data)-d.at) {
		d.fail("%s of %d bytes, %d are left", what, n, len(d.data)-d.at)
		return nil
	}
	b := d.data[d.at : d.at+int(n)]
	d.at += int(n)
	return b
}

// fewHeaders are searched one by one for a repeated name; more are looked up, so that no datum costs time beyond its size.
const fewHeaders = 32

// headers reads a map: blocks of a count and as many pairs, up to a block of none. A negative count is followed by the block's
// size in bytes.
func (d *decoder) headers(hs []event.Header) []event.Header {
	own := len(hs)
	var byName map[string]int // of many headers only
	for {
		n := d.long("header count")
		if n == math.MinInt64 {
			d.fail("header count %d", n)
		}
		if n < 0 {
			n = -n
			d.long("header block size")
		}
		if d.err != nil || n == 0 {
			return hs
		}
		if n > int64(len(d.data)-d.at)/2 { // a pair is two bytes at least
			d.fail("%d headers in %d bytes", n, len(d.data)-d.at)
			return hs
		}
	pairs:
		for ; n > 0 && d.err == nil; n-- {
			k, v := d.bytes("header name"), d.bytes("header value")
			if d.err != nil {
				return hs
			}
			if byName == nil && len(hs)-own > fewHeaders {
				byName = make(map[string]int, 2*fewHeaders)
				for i := own; i < len(hs); i++ {
					byName[hs[i].Key] = i
				}
			}
			if byName != nil {
				if i, ok := byName[string(k)]; ok {
					hs[i].Value = string(v)
					continue
				}
				byName[string(k)] = len(hs)
			} else {
				for i := own; i < len(hs); i++ {
					if hs[i].Key == string(k) {
						hs[i].Value = string(v)
						continue pairs
					}
				}
			}
			hs = append(hs, event.Header{Key: string(k), Value: string(v)})
		}
	}
}
