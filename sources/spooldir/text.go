package spooldir

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"goflume/event"
	"goflume/internal/charset"
)

// widest is the most bytes that one character (UTF-16 unit) of a file may take; an escape sequence of a Japanese set and the
// character behind it take most.
const widest = 8

const replacement = "\uFFFD"

// text decodes the lines of one file.
type text struct {
	set     charset.Charset
	decoder *charset.Decoder // nil for UTF-8
	policy  string           // decodeErrorPolicy
	newline []byte
	lossy   []byte // the set's own form of U+FFFD; empty if it has none
	buf     []byte
}

// newText goes to the byte at of src, or behind a byte order mark that it begins with, and returns where that is.
func newText(src *stream, set charset.Charset, policy string, at int64) (*text, int64, error) {
	t := &text{set: set, policy: policy, newline: []byte{'\n'}}
	if set.IsUTF8() {
		return t, at, src.skip(at)
	}
	skip := at
	if strings.EqualFold(set.Name, "UTF-16") {
		var mark [2]byte
		n, err := io.ReadFull(src, mark[:])
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return nil, at, err
		}
		t.set.Name = "UTF-16BE"
		if string(mark[:n]) == "\xff\xfe" {
			t.set.Name = "UTF-16LE"
		}
		if at == 0 && (string(mark[:n]) == "\xff\xfe" || string(mark[:n]) == "\xfe\xff") {
			at, skip = 2, 0
		} else {
			src.unread(mark[:n])
		}
	}
	t.decoder = t.set.Decoder()
	t.newline = t.set.Encode(nil, t.newline)
	if lossy := t.set.Encode(nil, []byte(replacement)); string(t.set.Decode(nil, lossy)) == replacement {
		t.lossy = lossy
	}
	return t, at, src.skip(skip)
}

// decode returns the raw text in UTF-8: raw itself, or bytes of the batch.
func (t *text) decode(b *event.Batch, raw []byte) ([]byte, error) {
	if t.decoder == nil {
		if utf8.Valid(raw) {
			return raw, nil
		}
		return t.mend(b, raw)
	}
	t.buf, _ = t.decoder.Append(t.buf[:0], raw, true)
	if bad := bytes.Count(t.buf, []byte(replacement)); bad > 0 && bad != t.meant(raw) {
		switch t.policy {
		case "FAIL":
			return nil, fmt.Errorf("bytes that are no text in %s", t.set)
		case "IGNORE":
			t.buf = bytes.ReplaceAll(t.buf, []byte(replacement), nil)
		}
	}
	body := b.Alloc(len(t.buf))
	copy(body, t.buf)
	return body, nil
}

// meant counts the U+FFFD that the text itself has.
func (t *text) meant(raw []byte) int {
	n, width := 0, len(t.lossy)
	if width == 0 {
		return 0
	}
	for ; ; n++ {
		at := bytes.Index(raw, t.lossy)
		for at >= 0 && width == 2 && at%2 != 0 { // UTF-16
			next := bytes.Index(raw[at+1:], t.lossy)
			if next < 0 {
				return n
			}
			at += 1 + next
		}
		if at < 0 {
			return n
		}
		raw = raw[at+width:]
	}
}

// mend does what the policy says with UTF-8 that is not valid.
func (t *text) mend(b *event.Batch, raw []byte) ([]byte, error) {
	t.buf = t.buf[:0]
	for i := 0; i < len(raw); {
		n, ok := sequence(raw[i:])
		switch {
		case ok:
			t.buf = append(t.buf, raw[i:i+n]...)
		case t.policy == "FAIL":
			return nil, fmt.Errorf("bytes % x are no text in UTF-8", raw[i:i+n])
		case t.policy == "REPLACE":
			t.buf = append(t.buf, replacement...)
		}
		i += n
	}
	body := b.Alloc(len(t.buf))
	copy(body, t.buf)
	return body, nil
}

// sequence returns the length of the character that text begins with, or of the longest start of one where it is cut short
// (Unicode 3.9, "Best Practices for Using U+FFFD", as Java replaces).
func sequence(text []byte) (n int, ok bool) {
	if _, n := utf8.DecodeRune(text); n > 1 || text[0] < utf8.RuneSelf {
		return n, true
	}
	low, high, want := byte(0x80), byte(0xbf), 0
	switch c := text[0]; {
	case c < 0xc2 || c > 0xf4:
		return 1, false
	case c < 0xe0:
		return 1, false
	case c < 0xf0:
		want = 3
		if c == 0xe0 {
			low = 0xa0
		} else if c == 0xed {
			high = 0x9f
		}
	default:
		want = 4
		if c == 0xf0 {
			low = 0x90
		} else if c == 0xf4 {
			high = 0x8f
		}
	}
	for n = 1; n < want && n < len(text) && text[n] >= low && text[n] <= high; n++ {
		low, high = 0x80, 0xbf
	}
	return n, false
}

// prefix returns how many bytes of raw are the first limit characters, counted in UTF-16 units as Java does; a character of
// two units that would go beyond is not among them. cut tells whether there are so many: fewer are all of raw.
func (t *text) prefix(raw []byte, limit int) (n int, cut bool) {
	if t.decoder != nil {
		return t.foreignPrefix(raw, limit)
	}
	for units := 0; n < len(raw); {
		size, units1 := 1, 1
		if raw[n] >= utf8.RuneSelf {
			var ok bool
			if size, ok = sequence(raw[n:]); ok && size == utf8.UTFMax {
				units1 = 2
			} else if !ok && t.policy == "IGNORE" {
				units1 = 0
			}
		}
		if units+units1 > limit && n > 0 {
			return n, true
		}
		n += size
		if units += units1; units >= limit {
			return n, true
		}
	}
	return n, false
}

// foreignPrefix is prefix for a set that is not UTF-8: it decodes piece by piece.
func (t *text) foreignPrefix(raw []byte, limit int) (n int, cut bool) {
	d := t.set.Decoder()
	units := 0
	for n < len(raw) {
		// So many bytes are no more units than are left; towards the end it goes one character at a time.
		size := min(max(limit-units-1, 1), len(raw)-n)
		var used int
		for ; ; size++ {
			t.buf, used = d.Append(t.buf[:0], raw[n:n+size], n+size == len(raw))
			if used > 0 || n+size >= len(raw) {
				break
			}
		}
		more := 0
		for _, r := range string(t.buf) {
			if more++; r >= 0x10000 {
				more++
			}
		}
		if units+more > limit && n > 0 {
			return n, true
		}
		if used == 0 {
			return len(raw), false
		}
		n += used
		if units += more; units >= limit {
			return n, true
		}
	}
	return n, false
}
