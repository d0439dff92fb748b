package file

import (
	"encoding/binary"
	"slices"
	"sort"
)

// span is the sequence numbers from (including) to (excluding).
type span struct{ from, to uint64 }

// spans is a set of sequence numbers: sorted, without overlaps, neighbours merged.
type spans []span

// add puts [from, to) into the set.
func (s *spans) add(from, to uint64) {
	if from >= to {
		return
	}
	v := *s
	if n := len(v); n == 0 || v[n-1].to < from { // the common case
		*s = append(v, span{from, to})
		return
	}
	i := sort.Search(len(v), func(i int) bool { return v[i].to >= from })
	j := i
	for j < len(v) && v[j].from <= to {
		from, to = min(from, v[j].from), max(to, v[j].to)
		j++
	}
	*s = slices.Replace(v, i, j, span{from, to})
}

func (s *spans) addAll(o spans) {
	for _, x := range o {
		s.add(x.from, x.to)
	}
}

// covers tells whether the set holds all of [from, to).
func (s spans) covers(from, to uint64) bool {
	if from >= to {
		return true
	}
	i := sort.Search(len(s), func(i int) bool { return s[i].to > from })
	return i < len(s) && s[i].from <= from && s[i].to >= to
}

// without returns the parts of [from, to) that are not in the set.
func (s spans) without(from, to uint64) spans {
	var out spans
	for i := sort.Search(len(s), func(i int) bool { return s[i].to > from }); from < to; i++ {
		if i == len(s) || s[i].from >= to {
			return append(out, span{from, to})
		}
		if s[i].from > from {
			out = append(out, span{from, s[i].from})
		}
		from = max(from, s[i].to)
	}
	return out
}

// count returns how many numbers the set holds.
func (s spans) count() (n uint64) {
	for _, x := range s {
		n += x.to - x.from
	}
	return n
}

// append encodes the set: number of spans, then gap and length of each, as uvarints.
func (s spans) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	var last uint64
	for _, x := range s {
		dst = binary.AppendUvarint(dst, x.from-last)
		dst = binary.AppendUvarint(dst, x.to-x.from)
		last = x.to
	}
	return dst
}

// doneSet is what needs no delivery any more: every number below floor and the spans above it. Acknowledged events are in
// it, and numbers that no event has.
type doneSet struct {
	floor uint64
	above spans
}

func (d *doneSet) add(from, to uint64) {
	if from >= to || to <= d.floor {
		return
	}
	d.above.add(max(from, d.floor), to)
	if d.above[0].from <= d.floor {
		d.floor = d.above[0].to
		d.above = slices.Delete(d.above, 0, 1)
	}
}

func (d *doneSet) addAll(s spans) {
	for _, x := range s {
		d.add(x.from, x.to)
	}
}

func (d *doneSet) covers(from, to uint64) bool {
	return to <= d.floor || d.above.covers(max(from, d.floor), to)
}

// without returns the parts of [from, to) that are not done.
func (d *doneSet) without(from, to uint64) spans { return d.above.without(max(from, d.floor), to) }

// open returns how many numbers below next are not done.
func (d *doneSet) open(next uint64) uint64 {
	if next <= d.floor {
		return 0
	}
	return next - d.floor - d.above.count()
}

func (d *doneSet) clone() doneSet { return doneSet{d.floor, slices.Clone(d.above)} }

// decoder reads numbers from bytes whose checksum was right; a number that does not fit marks it bad.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// bytes returns the next n bytes.
func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	out := d.b[:n:n]
	d.b = d.b[n:]
	return out
}

// spans decodes what spans.append wrote; ranges that are out of order are bad.
func (d *decoder) spans() spans {
	n := d.uvarint()
	if n > uint64(len(d.b)) { // each takes two bytes or more
		d.bad = true
		return nil
	}
	out := make(spans, 0, n)
	var last uint64
	for range n {
		from := last + d.uvarint()
		to := from + d.uvarint()
		if d.bad || from < last || to <= from {
			d.bad = true
			return nil
		}
		out.add(from, to)
		last = to
	}
	return out
}
