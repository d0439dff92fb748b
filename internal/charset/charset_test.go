package charset

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestDecodesAndEncodesAsJavaDoes(t *testing.T) {
	for _, c := range []struct{ name, in, utf8, back string }{
		{"utf-8", "é\xff", "é\xff", "é\xff"},
		{"ISO-8859-1", "\xe9\x85", "é\u0085", "\xe9\x85"},
		{"latin1", "\xe9", "é", "\xe9"},
		{"US-ASCII", "a\xe9", "a\uFFFD", "a?"},
		{"UTF-16BE", "\x00h\x00\xe9", "hé", "\x00h\x00\xe9"},
		{"windows-1252", "\x80", "€", "\x80"},
		{"Shift_JIS", "\x82\xa0", "あ", "\x82\xa0"},
	} {
		var set Charset
		if err := set.UnmarshalText([]byte(c.name)); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := string(set.Decode([]byte("<"), []byte(c.in))); got != "<"+c.utf8 {
			t.Errorf("%s: decoded %q, want %q", c.name, got, c.utf8)
		}
		if got := string(set.Encode([]byte("<"), []byte(c.utf8))); got != "<"+c.back {
			t.Errorf("%s: encoded %q, want %q", c.name, got, c.back)
		}
	}
}

func TestAnUnfinishedCharacterWaits(t *testing.T) {
	d := Charset{"UTF-16BE"}.Decoder()
	out, used := d.Append(nil, []byte("\x00h\x00"), false)
	if string(out) != "h" || used != 2 {
		t.Errorf("%q after %d bytes, want h after 2", out, used)
	}
	out, used = d.Append(nil, []byte("\x00"), true)
	if string(out) != "\uFFFD" || used != 1 {
		t.Errorf("at the end: %q after %d bytes, want U+FFFD after 1", out, used)
	}
}

func TestAnUnknownNameIsRefused(t *testing.T) {
	var c Charset
	if err := c.UnmarshalText([]byte("utf-9")); err == nil {
		t.Error("utf-9 is accepted")
	}
	if c.IsUTF8() != true || (Charset{"latin1"}).IsUTF8() {
		t.Error("the zero set must be UTF-8, latin1 must not")
	}
}

func TestReaderGivesUTF8(t *testing.T) {
	for name, want := range map[string]string{"UTF-16LE": "hé", "UTF-8": "h\x00\xe9\x00"} {
		got, err := io.ReadAll(Charset{name}.Reader(iotest.OneByteReader(strings.NewReader("h\x00\xe9\x00"))))
		if string(got) != want || err != nil {
			t.Errorf("%s: %q, error %v, want %q", name, got, err, want)
		}
	}
}
