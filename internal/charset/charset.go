// Package charset knows character sets by the names that Java accepts, and turns text in them into UTF-8 and back.
package charset

import (
	"fmt"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Charset is a character set. It is a settings field type: the name is checked where the configuration is decoded. The
// zero Charset is UTF-8. It may be used by many goroutines at once.
type Charset struct {
	Name string
}

// UTF8 is the usual default.
var UTF8 = Charset{"UTF-8"}

// javaNames are those that Java has beside the registered ones, and those where it differs: ISO-8859-1 and US-ASCII are
// exactly those in Java, not the Windows sets that browsers take them for.
var javaNames = map[string]encoding.Encoding{
	"UTF8": nil, "UTF-8": nil,
	"ISO-8859-1": charmap.ISO8859_1, "ISO8859_1": charmap.ISO8859_1, "ISO8859-1": charmap.ISO8859_1, "LATIN1": charmap.ISO8859_1,
	"US-ASCII": ascii{}, "ASCII": ascii{},
	"UTF-16":   unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"UTF-16BE": unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
	"UTF-16LE": unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM),
	"CP1252":   charmap.Windows1252, "CP1251": charmap.Windows1251, "CP1250": charmap.Windows1250,
}

func lookup(name string) (encoding.Encoding, error) {
	if e, ok := javaNames[strings.ToUpper(name)]; ok {
		return e, nil
	}
	e, err := ianaindex.IANA.Encoding(name)
	if err != nil || e == nil {
		return nil, fmt.Errorf("%q is no character set known here; use a name such as UTF-8, ISO-8859-1 or windows-1252", name)
	}
	return e, nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Charset) UnmarshalText(text []byte) error {
	if _, err := lookup(string(text)); err != nil {
		return err
	}
	c.Name = string(text)
	return nil
}

// String returns the name.
func (c Charset) String() string { return c.Name }

func (c Charset) encoding() encoding.Encoding {
	if c.Name == "" {
		return nil
	}
	e, err := lookup(c.Name)
	if err != nil {
		panic("charset: " + err.Error()) // UnmarshalText lets no unknown name in
	}
	return e
}

// IsUTF8 tells whether text in the set needs no change.
func (c Charset) IsUTF8() bool { return c.encoding() == nil }

// Decoder turns text of one set into UTF-8, piece by piece. It is used by one goroutine at a time.
type Decoder struct {
	t transform.Transformer // nil for UTF-8
}

// Decoder returns a decoder at the start of a text.
func (c Charset) Decoder() *Decoder {
	e := c.encoding()
	if e == nil {
		return &Decoder{}
	}
	return &Decoder{e.NewDecoder()}
}

// Append appends src as UTF-8 to dst and returns the bytes of src that it used: all but the start of an unfinished
// character, unless atEnd. What is no character becomes U+FFFD. In UTF-8 bytes pass as they are, valid or not.
func (d *Decoder) Append(dst, src []byte, atEnd bool) (out []byte, used int) {
	if d.t == nil {
		return append(dst, src...), len(src)
	}
	return run(d.t, dst, src, atEnd)
}

// Encode appends the UTF-8 text src to dst in the set c. What the set lacks becomes `?` or the set's own substitute.
func (c Charset) Encode(dst, src []byte) []byte {
	e := c.encoding()
	if e == nil {
		return append(dst, src...)
	}
	dst, _ = run(encoding.ReplaceUnsupported(e.NewEncoder()), dst, src, true)
	return dst
}

// Decode appends the whole text src to dst as UTF-8.
func (c Charset) Decode(dst, src []byte) []byte {
	dst, _ = c.Decoder().Append(dst, src, true)
	return dst
}

func run(t transform.Transformer, dst, src []byte, atEnd bool) ([]byte, int) {
	used := 0
	for {
		room := cap(dst) - len(dst)
		if room < 16 {
			dst = append(dst, make([]byte, max(64, len(src)-used))...)[:len(dst)]
			room = cap(dst) - len(dst)
		}
		n, m, err := t.Transform(dst[len(dst):len(dst)+room], src[used:], atEnd)
		dst = dst[:len(dst)+n]
		used += m
		if err != transform.ErrShortDst {
			return dst, used
		}
		if n == 0 && m == 0 {
			dst = append(dst, make([]byte, 2*room)...)[:len(dst)]
		}
	}
}
