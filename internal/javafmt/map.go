// Package javafmt prints values the way Java does, where Flume's users see or parse that text: the headers of an event in
// the logger sink and in HEADER_AND_TEXT files, and floating point numbers in metrics and messages.
package javafmt

import (
	"math/bits"
	"slices"
	"unicode/utf8"

	"goflume/event"
)

// AppendHeaders appends the headers as Java prints a HashMap that was made by copying them, as Flume's event builder does:
// {k=v, k2=v2}, in the order of the map's buckets.
func AppendHeaders(dst []byte, headers []event.Header) []byte {
	dst = append(dst, '{')
	var few [16]slot
	for i, s := range inBucketOrder(few[:0], headers) {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		h := &headers[s.header]
		dst = append(dst, h.Key...)
		dst = append(dst, '=')
		dst = append(dst, h.Value...)
	}
	return append(dst, '}')
}

// slot says in which bucket of the map a header lies.
type slot struct {
	bucket uint32
	header int
}

func inBucketOrder(slots []slot, headers []event.Header) []slot {
	mask := buckets(len(headers)) - 1
	for i := range headers {
		h := hashCode(headers[i].Key)
		slots = append(slots, slot{(h ^ h>>16) & mask, i})
	}
	slices.SortStableFunc(slots, func(a, b slot) int { return int(a.bucket) - int(b.bucket) })
	return slots
}

// buckets returns the table size of a HashMap copied from n entries: a power of two with a quarter left free.
func buckets(n int) uint32 {
	want := uint32(float32(n)/0.75 + 1)
	return 1 << bits.Len32(want-1)
}

// hashCode is Java's String.hashCode: over UTF-16 code units.
func hashCode(s string) (h uint32) {
	for _, r := range s {
		if r > 0xFFFF {
			r -= 0x10000
			h = 31*h + 0xD800 + uint32(r>>10)
			r = 0xDC00 + r&0x3FF
		}
		h = 31*h + uint32(r)
	}
	return h
}

// Units returns the number of UTF-16 code units in s, which is what Java counts as characters. A byte that is not valid
// UTF-8 counts as one.
func Units(s []byte) int {
	n := utf8.RuneCount(s)
	for _, b := range s {
		if b >= 0xF0 && b <= 0xF4 { // starts four bytes, two units
			n++
		}
	}
	return n
}
