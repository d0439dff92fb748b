// Package javaregex runs regular expressions as java.util.regex understands them, on UTF-8 bytes.
//
// A pattern is translated once. Where Go's linear-time engine can run it, it does; what that engine cannot do
// (back-references, look-around, atomic groups, possessive quantifiers, line anchors in odd places) runs on a
// back-tracking engine with a limit on the time of each match. A construct that neither can do is an error that names it.
//
// Bytes that are no valid UTF-8 count as one character U+FFFD each; they are kept as they are in what is not replaced.
package javaregex

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// MatchLimit is the longest that one match on the back-tracking engine may take.
const MatchLimit = time.Second

// ErrSlow is returned for a match that took longer than MatchLimit.
var ErrSlow = fmt.Errorf("regular expression took longer than %v on this input", MatchLimit)

// Regexp is a compiled pattern. It may be used by many goroutines at once.
type Regexp struct {
	pattern string
	groups  int
	names   map[string]int

	linear *regexp.Regexp  // nil when only back has it
	full   *regexp.Regexp  // linear, for the whole input
	shift  int             // 1 when group 0 of the pattern is group 1 of linear
	back   *regexp2.Regexp // nil when linear has it
	whole  *regexp2.Regexp // back, for the whole input
}

// Compile translates a Java pattern. The error names the construct and its place.
func Compile(pattern string) (*Regexp, error) {
	t := &translator{in: []rune(pattern), names: map[string]int{}}
	if err := t.run(); err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", pattern, err)
	}
	r := &Regexp{pattern: pattern, groups: t.groups, names: t.names}
	body := t.out.String()
	if !t.backtracks {
		var err error
		if r.linear, err = regexp.Compile(linearForm(t, body)); err == nil {
			if t.endAnchor {
				r.shift = 1
			}
			r.full, err = regexp.Compile(`\A(?:` + body + `)\z`)
			return r, err
		}
		r.linear = nil
		if se := (*syntax.Error)(nil); !errors.As(err, &se) || se.Code != syntax.ErrInvalidRepeatSize {
			return nil, fmt.Errorf("regular expression %q: %w", pattern, err)
		}
	}
	if t.endAnchor {
		body += endBefore
	}
	var err error
	if r.back, err = regexp2.Compile(body, regexp2.None); err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", pattern, err)
	}
	r.back.MatchTimeout = MatchLimit
	if r.whole, err = regexp2.Compile(`\A(?:`+body+`)\z`, regexp2.None); err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", pattern, err)
	}
	r.whole.MatchTimeout = MatchLimit
	return r, nil
}

// A `$` that ends the pattern also stands before a last line end. The linear engine gets the line end as an optional tail
// outside of group 1, which then is the pattern's group 0.
const (
	lineEnd   = "(?:\r\n|[\n\r\u0085\u2028\u2029])"
	endBefore = "(?=" + lineEnd + "?\\z)"
)

func linearForm(t *translator, body string) string {
	if !t.endAnchor {
		return body
	}
	return "(" + body + ")" + lineEnd + `?\z`
}

// String returns the pattern as it was given.
func (r *Regexp) String() string { return r.pattern }

// Groups returns the number of capturing groups.
func (r *Regexp) Groups() int { return r.groups }

// Backtracks tells whether the pattern needs the slower engine.
func (r *Regexp) Backtracks() bool { return r.linear == nil }

// Find returns the first match as byte offsets, two for the whole and two for each group (-1 where a group took no part),
// or nil. The error is ErrSlow.
func (r *Regexp) Find(b []byte) ([]int, error) {
	if r.linear != nil {
		if loc := r.linear.FindSubmatchIndex(b); loc != nil {
			return loc[2*r.shift:], nil
		}
		return nil, nil
	}
	m, err := r.back.FindStringMatch(string(b))
	if m == nil || err != nil {
		return nil, slow(err)
	}
	return r.offsets(m, runeOffsets(b)), nil
}

// Match tells whether the pattern matches somewhere in b. The error is ErrSlow.
func (r *Regexp) Match(b []byte) (bool, error) {
	if r.linear != nil {
		return r.linear.Match(b), nil
	}
	ok, err := r.back.MatchString(string(b))
	return ok, slow(err)
}

// FullMatch tells whether the pattern matches all of b. The error is ErrSlow.
func (r *Regexp) FullMatch(b []byte) (bool, error) {
	if r.full != nil {
		return r.full.Match(b), nil
	}
	ok, err := r.whole.MatchString(string(b))
	return ok, slow(err)
}

// offsets returns the groups of a back-tracked match in bytes; at holds the byte offset of each character.
func (r *Regexp) offsets(m *regexp2.Match, at []int) []int {
	loc := make([]int, 0, 2*(r.groups+1))
	for i := 0; i <= r.groups; i++ {
		if g := m.GroupByNumber(i); g != nil && len(g.Captures) > 0 {
			loc = append(loc, at[g.Index], at[g.Index+g.Length])
		} else {
			loc = append(loc, -1, -1)
		}
	}
	return loc
}

func runeOffsets(b []byte) []int {
	at := make([]int, 0, len(b)+1)
	for i := 0; i < len(b); {
		at = append(at, i)
		_, n := utf8.DecodeRune(b[i:])
		i += n
	}
	return append(at, len(b))
}

func slow(err error) error {
	if err != nil {
		return ErrSlow
	}
	return nil
}
