package javaregex

import (
	"fmt"
	"strconv"
)

// Replacement is a replacement text as Java's Matcher.replaceAll understands it: `$1` and `${name}` are groups, a
// backslash makes the next character plain.
type Replacement struct {
	parts []part
}

// part is a literal, or a group when text is empty.
type part struct {
	text  string
	group int
}

// Replacement compiles text for r. A group that the pattern does not have is an error.
func (r *Regexp) Replacement(text string) (*Replacement, error) {
	var rep Replacement
	var lit []byte
	flush := func() {
		if len(lit) > 0 {
			rep.parts = append(rep.parts, part{text: string(lit)})
			lit = nil
		}
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			if i++; i == len(text) {
				return nil, fmt.Errorf("replacement %q: a backslash at the end escapes nothing", text)
			}
			lit = append(lit, text[i])
		case c == '$':
			group, n, err := r.group(text[i+1:])
			if err != nil {
				return nil, fmt.Errorf("replacement %q: %w", text, err)
			}
			flush()
			rep.parts = append(rep.parts, part{group: group})
			i += n
		default:
			lit = append(lit, c)
		}
	}
	flush()
	return &rep, nil
}

// group reads what follows a `$`: as many digits as still name a group, or a name in braces. n is the bytes read.
func (r *Regexp) group(s string) (group, n int, err error) {
	if len(s) > 0 && s[0] == '{' {
		for n = 1; n < len(s) && s[n] != '}'; n++ {
		}
		if n >= len(s) {
			return 0, 0, fmt.Errorf("`${` without `}`; write `\\$` for a dollar sign")
		}
		g, ok := r.names[s[1:n]]
		if !ok {
			return 0, 0, fmt.Errorf("no group named %q", s[1:n])
		}
		return g, n + 1, nil
	}
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		g, _ := strconv.Atoi(s[:n+1])
		if g > r.groups && n > 0 {
			break
		}
		group, n = g, n+1
	}
	switch {
	case n == 0:
		return 0, 0, fmt.Errorf("`$` without a group; write `\\$` for a dollar sign")
	case group > r.groups:
		return 0, 0, fmt.Errorf("no group %d: the pattern has %d", group, r.groups)
	}
	return group, n, nil
}

// ReplaceAll appends b to dst with every match replaced, and tells whether there was one. The error is ErrSlow.
func (r *Regexp) ReplaceAll(dst, b []byte, rep *Replacement) ([]byte, bool, error) {
	done := 0 // bytes of b that are in dst
	each := func(loc []int) {
		dst = append(dst, b[done:loc[0]]...)
		for _, p := range rep.parts {
			if p.text != "" {
				dst = append(dst, p.text...)
			} else if from := loc[2*p.group]; from >= 0 {
				dst = append(dst, b[from:loc[2*p.group+1]]...)
			}
		}
		done = loc[1]
	}
	if r.linear != nil {
		all := r.linear.FindAllSubmatchIndex(b, -1)
		for _, loc := range all {
			each(loc[2*r.shift:])
		}
		return append(dst, b[done:]...), len(all) > 0, nil
	}
	keep := len(dst)
	m, err := r.back.FindStringMatch(string(b))
	at := []int(nil)
	for ; m != nil && err == nil; m, err = r.back.FindNextMatch(m) {
		if at == nil {
			at = runeOffsets(b)
		}
		each(r.offsets(m, at))
	}
	if err != nil {
		return dst[:keep], false, ErrSlow
	}
	return append(dst, b[done:]...), at != nil, nil
}

// Literal returns a replacement that is the text itself, whatever characters it has.
func (r *Regexp) Literal(text string) *Replacement {
	if text == "" {
		return &Replacement{}
	}
	return &Replacement{parts: []part{{text: text}}}
}
