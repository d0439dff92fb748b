package escape

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Confine says what a value from an event may do to a path. Whatever it may not becomes _.
type Confine uint8

const (
	// Free values go in as they are: for what is no path.
	Free Confine = iota
	// Path values may hold / but the result stays below the literal directory in front of the first escape: segments that
	// are . or .. are replaced, as are control characters and bytes that are no UTF-8. Compile errs where there is no such
	// directory, or where . or .. stand as literals behind the first escape: with an empty value in front they would lead
	// out of it.
	Path
	// Name values are parts of a file's name: as Path, and / is replaced as well.
	Name
)

// confine finds where escapes begin and refuses what could not be confined.
func (t *Template) confine(template string) error {
	lit := 0
	if len(t.parts) > 0 && t.parts[0].kind == literal {
		lit = len(t.parts[0].text)
	}
	t.start = strings.LastIndexByte(template[:lit], '/') + 1
	escapes := len(t.parts) > 1 || len(t.parts) == 1 && lit == 0
	if !escapes || t.opts.Confine != Path {
		return nil
	}
	if lit == 0 && len(t.headers) > 0 && !t.startsWithTime() {
		return errors.New("a header stands in front of the first directory, so events could choose any path: write a directory in front of it")
	}
	for i, p := range t.parts {
		if p.kind != literal || i == 0 {
			continue
		}
		segments := strings.Split(p.text, "/")
		for j, s := range segments {
			whole := j > 0 && (j < len(segments)-1 || i == len(t.parts)-1)
			if whole && (s == "." || s == "..") {
				return fmt.Errorf("the segment %s stands behind an escape, which may be empty: write the path without it", s)
			}
		}
	}
	return nil
}

// startsWithTime tells whether the text begins with something that an event cannot choose and that is never empty.
func (t *Template) startsWithTime() bool {
	p := t.parts[0]
	_, known := fields[p.code]
	return p.kind == machineName || p.kind == timeField && known
}

// cleanValue replaces in dst[at:] the characters that a value may not bring in.
func (t *Template) cleanValue(dst []byte, at int) (_ []byte, bad bool) {
	v := dst[at:]
	w := 0
	for i := 0; i < len(v); {
		c, n := rune(v[i]), 1
		if c >= utf8.RuneSelf {
			c, n = utf8.DecodeRune(v[i:])
		}
		if c == utf8.RuneError && n == 1 || unicode.IsControl(c) || c == '/' && t.opts.Confine == Name ||
			c < utf8.RuneSelf && strings.IndexByte(t.opts.Reserved, byte(c)) >= 0 {
			v[w], bad = '_', true
			w++
		} else {
			w += copy(v[w:], v[i:i+n])
		}
		i += n
	}
	return dst[:at+w], bad
}

// cleanSegments replaces segments of dst from start on that are . or .. by _.
func cleanSegments(dst []byte, start int) (_ []byte, bad bool) {
	w := start
	for i := start; i <= len(dst); {
		end := i
		for end < len(dst) && dst[end] != '/' {
			end++
		}
		seg := dst[i:end]
		if s := string(seg); s == "." || s == ".." {
			dst[w], bad = '_', true
			w++
		} else {
			w += copy(dst[w:], seg)
		}
		if end < len(dst) {
			dst[w] = '/'
			w++
		}
		i = end + 1
	}
	return dst[:w], bad
}
