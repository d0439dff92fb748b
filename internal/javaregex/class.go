package javaregex

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// set is a set of characters: sorted ranges that do not touch, both ends in.
type set []span

type span struct{ lo, hi rune }

func ranges(s ...span) set { return set(s).normal() }

func (s set) normal() set {
	s = slices.Clone(s)
	slices.SortFunc(s, func(a, b span) int { return int(a.lo - b.lo) })
	var out set
	for _, r := range s {
		if n := len(out); n > 0 && r.lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, r.hi)
		} else {
			out = append(out, r)
		}
	}
	return out
}

func (s set) union(o set) set { return append(slices.Clone(s), o...).normal() }

func (s set) negate() set {
	var out set
	next := rune(0)
	for _, r := range s {
		if r.lo > next {
			out = append(out, span{next, r.lo - 1})
		}
		next = r.hi + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, span{next, unicode.MaxRune})
	}
	return out
}

func (s set) intersect(o set) set { return s.negate().union(o.negate()).negate() }

// fold adds the other case of every ASCII letter, which is what Java's (?i) does without (?u).
func (s set) fold() set {
	out := slices.Clone(s)
	for _, r := range s {
		for c := max(r.lo, 'A'); c <= min(r.hi, 'Z'); c++ {
			out = append(out, span{c + 32, c + 32})
		}
		for c := max(r.lo, 'a'); c <= min(r.hi, 'z'); c++ {
			out = append(out, span{c - 32, c - 32})
		}
	}
	return out.normal()
}

// write gives the set as a class that both engines read.
func (s set) write(b *strings.Builder) {
	if len(s) == 0 {
		b.WriteString(`[^\x00-` + string(unicode.MaxRune) + `]`)
		return
	}
	b.WriteByte('[')
	for _, r := range s {
		writeRune(b, r.lo)
		if r.hi > r.lo {
			b.WriteByte('-')
			writeRune(b, r.hi)
		}
	}
	b.WriteByte(']')
}

// writeRune gives one character, escaped where it could mean something inside or outside of a class.
func writeRune(b *strings.Builder, c rune) {
	switch {
	case c < ' ' || c == 0x7f:
		fmt.Fprintf(b, `\x%02x`, c)
	case strings.ContainsRune(`\.+*?()|[]{}^$-&#~`, c):
		b.WriteByte('\\')
		b.WriteRune(c)
	case c >= 0xd800 && c <= 0xdfff: // the gap that no string can hold
		b.WriteRune(0xd7ff)
	default:
		b.WriteRune(c)
	}
}

func fromTable(tables ...*unicode.RangeTable) set {
	var s set
	for _, t := range tables {
		for _, r := range t.R16 {
			for c := rune(r.Lo); c <= rune(r.Hi); c += rune(r.Stride) {
				s = append(s, span{c, c})
			}
		}
		for _, r := range t.R32 {
			for c := rune(r.Lo); c <= rune(r.Hi); c += rune(r.Stride) {
				s = append(s, span{c, c})
			}
		}
	}
	return s.normal()
}

var (
	digit = ranges(span{'0', '9'})
	upper = ranges(span{'A', 'Z'})
	lower = ranges(span{'a', 'z'})
	punct = ranges(span{'!', '/'}, span{':', '@'}, span{'[', '`'}, span{'{', '~'})
	alnum = upper.union(lower).union(digit)

	// The classes behind a backslash; the upper-case letter is the opposite.
	escapes = map[rune]set{
		'd': digit,
		's': ranges(span{'\t', '\r'}, span{' ', ' '}),
		'w': alnum.union(ranges(span{'_', '_'})),
		'h': ranges(span{'\t', '\t'}, span{' ', ' '}, span{0xa0, 0xa0}, span{0x1680, 0x1680}, span{0x180e, 0x180e},
			span{0x2000, 0x200a}, span{0x202f, 0x202f}, span{0x205f, 0x205f}, span{0x3000, 0x3000}),
		'v': ranges(span{'\n', '\r'}, span{0x85, 0x85}, span{0x2028, 0x2029}),
	}
	lineEnds = ranges(span{'\n', '\n'}, span{'\r', '\r'}, span{0x85, 0x85}, span{0x2028, 0x2029})

	// POSIX names, ASCII only as in Java.
	posix = map[string]set{
		"Lower": lower, "Upper": upper, "ASCII": ranges(span{0, 0x7f}), "Alpha": upper.union(lower), "Digit": digit,
		"Alnum": alnum, "Punct": punct, "Graph": alnum.union(punct), "Print": alnum.union(punct).union(ranges(span{' ', ' '})),
		"Blank": ranges(span{' ', ' '}, span{'\t', '\t'}), "Cntrl": ranges(span{0, 0x1f}, span{0x7f, 0x7f}),
		"XDigit": digit.union(ranges(span{'a', 'f'}, span{'A', 'F'})), "Space": ranges(span{'\t', '\r'}, span{' ', ' '}),
	}
)

// property returns the characters of \p{name}.
func property(name string) (set, error) {
	if s, ok := posix[name]; ok {
		return s, nil
	}
	for _, prefix := range []string{"", "Is", "general_category=", "gc=", "script=", "sc="} {
		short, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		if t := unicode.Categories[short]; t != nil {
			return fromTable(t), nil
		}
		if t := unicode.Scripts[short]; t != nil && prefix != "" {
			return fromTable(t), nil
		}
	}
	switch name {
	case "IsAlphabetic", "javaAlphabetic":
		return fromTable(unicode.L, unicode.Nl, unicode.Other_Alphabetic), nil
	case "IsLetter", "javaLetter":
		return fromTable(unicode.L), nil
	case "IsDigit", "javaDigit":
		return fromTable(unicode.Nd), nil
	case "IsUppercase", "javaUpperCase":
		return fromTable(unicode.Lu, unicode.Other_Uppercase), nil
	case "IsLowercase", "javaLowerCase":
		return fromTable(unicode.Ll, unicode.Other_Lowercase), nil
	case "IsWhite_Space":
		return fromTable(unicode.White_Space), nil
	case "IsPunctuation":
		return fromTable(unicode.P), nil
	}
	return nil, fmt.Errorf(`\p{%s} is not supported; list the characters in a class instead`, name)
}
