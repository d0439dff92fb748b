package javaregex

import (
	"strconv"
	"unicode"
	"unicode/utf16"
)

// escape reads what follows a backslash outside of a class.
func (t *translator) escape() (bool, error) {
	at := t.at - 1
	if !t.more() {
		return false, t.errorf(at, "a backslash at the end escapes nothing")
	}
	switch c := t.in[t.at]; c {
	case 'b', 'B':
		t.at++
		if t.peek("{") {
			return false, t.errorf(at, `\b{g} is not supported`)
		}
		t.out.WriteString(`\` + string(c))
		return false, nil
	case 'A', 'z':
		t.at++
		t.out.WriteString(`\` + string(c))
		return false, nil
	case 'Z':
		t.at++
		t.out.WriteString(endBefore)
		t.backtracks = true
		return false, nil
	case 'R':
		t.at++
		t.out.WriteString("(?:\r\n|[\n-\r\u0085\u2028\u2029])")
		return true, nil
	case 'G', 'X', 'N':
		return false, t.errorf(at, `\%c is not supported`, c)
	case 'k':
		return true, t.namedReference(at)
	case 'Q':
		return false, t.quoted()
	}
	if c := t.in[t.at]; c >= '1' && c <= '9' {
		return true, t.reference(at)
	}
	s, c, err := t.character(at)
	if err != nil {
		return false, err
	}
	if s != nil {
		s.write(&t.out)
	} else {
		t.literal(c)
	}
	return true, nil
}

// reference reads \N: as many digits as still name a group.
func (t *translator) reference(at int) error {
	n := int(t.in[t.at] - '0')
	for t.at++; t.more() && t.in[t.at] >= '0' && t.in[t.at] <= '9'; t.at++ {
		next := n*10 + int(t.in[t.at]-'0')
		if next > t.groups {
			break
		}
		n = next
	}
	if n > t.groups {
		return t.errorf(at, `\%d refers to a group that is not there before it`, n)
	}
	t.out.WriteString(`(?:\` + strconv.Itoa(n) + `)`)
	t.backtracks = true
	return nil
}

func (t *translator) namedReference(at int) error {
	end := t.at + 1
	for end < len(t.in) && t.in[end] != '>' {
		end++
	}
	if !t.peek("k<") || end == len(t.in) {
		return t.errorf(at, `\k without <name>`)
	}
	n, ok := t.names[string(t.in[t.at+2:end])]
	if !ok {
		return t.errorf(at, `\k<%s> refers to a group that is not there before it`, string(t.in[t.at+2:end]))
	}
	t.at = end + 1
	t.out.WriteString(`(?:\` + strconv.Itoa(n) + `)`)
	t.backtracks = true
	return nil
}

// quoted reads \Q...\E. What repeats it repeats its last character.
func (t *translator) quoted() error {
	last := t.out.Len()
	for t.at++; t.more(); t.at++ {
		if t.peek(`\E`) {
			t.at += 2
			if last == t.out.Len() {
				return nil
			}
			return t.quantifier(last)
		}
		last = t.out.Len()
		t.literal(t.in[t.at])
	}
	return nil
}

// character reads an escape that is the same inside and outside of a class: a set, or one character when the set is nil.
func (t *translator) character(at int) (set, rune, error) {
	c := t.in[t.at]
	t.at++
	if s, ok := escapes[c]; ok {
		return s, 0, nil
	}
	if s, ok := escapes[unicode.ToLower(c)]; ok && c < unicode.MaxASCII {
		return s.negate(), 0, nil
	}
	switch c {
	case 't':
		return nil, '\t', nil
	case 'n':
		return nil, '\n', nil
	case 'r':
		return nil, '\r', nil
	case 'f':
		return nil, '\f', nil
	case 'a':
		return nil, 7, nil
	case 'e':
		return nil, 27, nil
	case 'c':
		if !t.more() {
			return nil, 0, t.errorf(at, `\c without a character`)
		}
		t.at++
		return nil, t.in[t.at-1] ^ 64, nil
	case '0':
		return t.octal(at)
	case 'x':
		if t.peek("{") {
			end := t.at
			for end < len(t.in) && t.in[end] != '}' {
				end++
			}
			if n, err := strconv.ParseUint(string(t.in[t.at+1:min(end, len(t.in))]), 16, 32); end < len(t.in) && err == nil && n <= unicode.MaxRune {
				t.at = end + 1
				return nil, rune(n), nil
			}
			return nil, 0, t.errorf(at, `\x{...} needs a character's number in hexadecimal`)
		}
		return t.hex(at, 2)
	case 'u':
		s, c, err := t.hex(at, 4)
		if err == nil && utf16.IsSurrogate(c) && t.peek(`\u`) {
			t.at += 2
			if _, low, err := t.hex(at, 4); err == nil {
				return nil, utf16.DecodeRune(c, low), nil
			}
		}
		return s, c, err
	case 'p', 'P':
		return t.property(at, c == 'P')
	}
	if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
		return nil, 0, t.errorf(at, `\%c means nothing`, c)
	}
	return nil, c, nil
}

func (t *translator) hex(at, digits int) (set, rune, error) {
	if t.at+digits <= len(t.in) {
		if n, err := strconv.ParseUint(string(t.in[t.at:t.at+digits]), 16, 32); err == nil {
			t.at += digits
			return nil, rune(n), nil
		}
	}
	return nil, 0, t.errorf(at, "a character's number needs %d hexadecimal digits", digits)
}

// octal reads \0n, \0nn and \0mnn with m up to 3.
func (t *translator) octal(at int) (set, rune, error) {
	n, digits := 0, 0
	for digits < 3 && t.more() && t.in[t.at] >= '0' && t.in[t.at] <= '7' && (digits < 2 || n <= 0o37) {
		n = n*8 + int(t.in[t.at]-'0')
		t.at++
		digits++
	}
	if digits == 0 {
		return nil, 0, t.errorf(at, `\0 needs octal digits`)
	}
	return nil, rune(n), nil
}

func (t *translator) property(at int, not bool) (set, rune, error) {
	if !t.more() {
		return nil, 0, t.errorf(at, `\p without a name`)
	}
	name := string(t.in[t.at])
	t.at++
	if name == "{" {
		end := t.at
		for end < len(t.in) && t.in[end] != '}' {
			end++
		}
		if end == len(t.in) {
			return nil, 0, t.errorf(at, `\p{ without }`)
		}
		name = string(t.in[t.at:end])
		t.at = end + 1
	}
	s, err := property(name)
	if err != nil {
		return nil, 0, t.errorf(at, "%w", err)
	}
	if t.flags.fold {
		s = s.fold()
	}
	if not {
		s = s.negate()
	}
	return s, 0, nil
}

// class reads what follows a `[`, up to its `]`: ranges, escapes, nested classes (union) and && (intersection).
func (t *translator) class() (set, error) {
	open := t.at - 1
	not := t.peek("^")
	if not {
		t.at++
	}
	var all, part set
	var crossed, any bool // an && was seen; something was seen since the class or the && began
	add := func(s set) { part, any = part.union(s), true }
	cross := func() {
		if crossed && any {
			all = all.intersect(part)
		} else if any {
			all = part
		}
		crossed, part, any = true, nil, false
	}
	for first := true; ; first = false {
		if !t.more() {
			return nil, t.errorf(open, "`[` without `]`")
		}
		c := t.in[t.at]
		switch {
		case c == ']' && !first:
			t.at++
			cross()
			if not {
				return all.negate(), nil
			}
			return all, nil
		case c == '[':
			t.at++
			s, err := t.class()
			if err != nil {
				return nil, err
			}
			add(s)
			continue
		case t.peek("&&"):
			t.at += 2
			cross()
			continue
		}
		s, err := t.classRange()
		if err != nil {
			return nil, err
		}
		if s != nil {
			add(s)
		}
	}
}

// classRange reads one character, escape or range of a class; nil for a quoting that holds nothing.
func (t *translator) classRange() (set, error) {
	if t.peek(`\Q`) {
		var s set
		for t.at += 2; t.more() && !t.peek(`\E`); t.at++ {
			s = s.union(t.folded(span{t.in[t.at], t.in[t.at]}))
		}
		t.at = min(t.at+2, len(t.in))
		return s, nil
	}
	s, lo, err := t.classCharacter()
	if s != nil || err != nil {
		return s, err
	}
	hi := lo
	if t.peek("-") && t.at+1 < len(t.in) && t.in[t.at+1] != ']' && t.in[t.at+1] != '[' {
		at := t.at
		t.at++
		if s, hi, err = t.classCharacter(); err != nil {
			return nil, err
		}
		if s != nil || hi < lo {
			return nil, t.errorf(at, "the range of a class must end above its start")
		}
	}
	return t.folded(span{lo, hi}), nil
}

func (t *translator) folded(r span) set {
	if t.flags.fold {
		return ranges(r).fold()
	}
	return ranges(r)
}

func (t *translator) classCharacter() (set, rune, error) {
	c := t.in[t.at]
	t.at++
	if c != '\\' {
		return nil, c, nil
	}
	if !t.more() {
		return nil, 0, t.errorf(t.at-1, "a backslash at the end escapes nothing")
	}
	return t.character(t.at - 1)
}
