package javaregex

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// translator reads a Java pattern and writes one that Go's engine reads, and the back-tracking one too: the output uses
// only what they share, plus what sets backtracks.
type translator struct {
	in  []rune
	at  int
	out strings.Builder

	flags      flags
	groups     int
	names      map[string]int
	depth      int
	backtracks bool
	endAnchor  bool // the pattern ended in a `$`, which is not in out
	bar        bool // there is a `|` outside of all groups
}

// flags are those of (?idmsx).
type flags struct{ fold, unixLines, multiline, dotall, comments bool }

func (t *translator) errorf(at int, format string, args ...any) error {
	return fmt.Errorf("at character %d: %w", at+1, fmt.Errorf(format, args...))
}

func (t *translator) more() bool { return t.at < len(t.in) }

func (t *translator) peek(s string) bool {
	return strings.HasPrefix(string(t.in[t.at:min(len(t.in), t.at+len(s))]), s)
}

func (t *translator) run() error {
	if err := t.alternatives(); err != nil {
		return err
	}
	if t.more() {
		return t.errorf(t.at, "`)` without `(`")
	}
	if t.endAnchor && t.bar {
		t.backtracks = true
	}
	return nil
}

// alternatives reads up to the end or the `)` of the group. Flags that are set inside end with the group.
func (t *translator) alternatives() error {
	for t.more() && t.in[t.at] != ')' {
		if t.in[t.at] == '|' {
			t.at++
			t.bar = t.bar || t.depth == 0
			t.out.WriteByte('|')
			continue
		}
		start := t.out.Len()
		atom, err := t.atom()
		if err != nil {
			return err
		}
		if atom {
			if err := t.quantifier(start); err != nil {
				return err
			}
		}
	}
	return nil
}

// atom reads one piece and tells whether a quantifier may follow it.
func (t *translator) atom() (bool, error) {
	at := t.at
	c := t.in[at]
	t.at++
	switch c {
	case '\\':
		return t.escape()
	case '(':
		return t.group()
	case '[':
		s, err := t.class()
		if err != nil {
			return false, err
		}
		s.write(&t.out)
		return true, nil
	case '.':
		switch {
		case t.flags.dotall:
			t.out.WriteString("(?s:.)")
		case t.flags.unixLines:
			t.out.WriteString(`[^\n]`)
		default:
			lineEnds.negate().write(&t.out)
		}
		return true, nil
	case '^':
		t.lineStart()
		return false, nil
	case '$':
		t.lineEnd()
		return false, nil
	case '*', '+', '?':
		return false, t.errorf(at, "`%c` has nothing to repeat", c)
	}
	if t.flags.comments {
		if unicode.IsSpace(c) {
			return false, nil
		}
		if c == '#' {
			for t.more() && t.in[t.at] != '\n' {
				t.at++
			}
			return false, nil
		}
	}
	t.literal(c)
	return true, nil
}

func (t *translator) literal(c rune) {
	if s := ranges(span{c, c}); t.flags.fold && len(s.fold()) > 1 {
		s.fold().write(&t.out)
		return
	}
	writeRune(&t.out, c)
}

func (t *translator) lineStart() {
	switch {
	case !t.flags.multiline:
		t.out.WriteString(`\A`)
	case t.flags.unixLines:
		t.out.WriteString(`(?:\A|(?<=\n))(?!\z)`)
		t.backtracks = true
	default:
		t.out.WriteString("(?:\\A|(?<=[\n\u0085\u2028\u2029])|(?<=\r)(?!\n))(?!\\z)")
		t.backtracks = true
	}
}

func (t *translator) lineEnd() {
	switch {
	case t.flags.multiline:
		t.out.WriteString("(?=[\n\r\u0085\u2028\u2029]|\\z)")
		t.backtracks = true
	case !t.more() && t.depth == 0 && !t.flags.unixLines:
		t.endAnchor = true
	default:
		t.out.WriteString(endBefore)
		t.backtracks = true
	}
}

// quantifier reads what repeats the atom that was written at start.
func (t *translator) quantifier(start int) error {
	if !t.more() {
		return nil
	}
	at := t.at
	var q string
	switch c := t.in[t.at]; c {
	case '*', '+', '?':
		q = string(c)
		t.at++
	case '{':
		end := at
		for end < len(t.in) && t.in[end] != '}' {
			end++
		}
		if end == len(t.in) {
			return t.errorf(at, "`{` without `}`; write `\\{` for a brace")
		}
		q = string(t.in[at : end+1])
		if lo, hi, two := strings.Cut(q[1:len(q)-1], ","); !isNumber(lo) || two && hi != "" && !isNumber(hi) {
			return t.errorf(at, "%s is no repeat count; write `\\{` for a brace", q)
		}
		t.at = end + 1
	default:
		return nil
	}
	switch {
	case t.peek("?"):
		t.at++
		q += "?"
	case t.peek("+"):
		t.at++
		t.backtracks = true
		all := t.out.String()
		t.out.Reset()
		t.out.WriteString(all[:start] + "(?>" + all[start:] + q + ")")
		return nil
	}
	t.out.WriteString(q)
	return nil
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 31)
	return err == nil
}

// group reads what follows a `(`.
func (t *translator) group() (bool, error) {
	open, outer := t.at-1, t.flags
	head := "("
	switch {
	case !t.peek("?"):
		t.groups++
	case t.peek("?:"):
		t.at += 2
		head = "(?:"
	case t.peek("?="), t.peek("?!"), t.peek("?>"):
		head = "(" + string(t.in[t.at:t.at+2])
		t.at += 2
		t.backtracks = true
	case t.peek("?<="), t.peek("?<!"):
		head = "(" + string(t.in[t.at:t.at+3])
		t.at += 3
		t.backtracks = true
	case t.peek("?<"):
		end := t.at + 2
		for end < len(t.in) && t.in[end] != '>' {
			end++
		}
		if end == len(t.in) {
			return false, t.errorf(open, "`(?<` without `>`")
		}
		name := string(t.in[t.at+2 : end])
		if _, twice := t.names[name]; twice {
			return false, t.errorf(open, "two groups are named %q", name)
		}
		t.groups++
		t.names[name] = t.groups
		t.at = end + 1
	default:
		scoped, err := t.setFlags(open)
		if err != nil || !scoped {
			return false, err
		}
		head = "(?:"
	}
	t.out.WriteString(head)
	t.depth++
	err := t.alternatives()
	t.depth--
	if err != nil {
		return false, err
	}
	if !t.more() {
		return false, t.errorf(open, "`(` without `)`")
	}
	t.at++
	t.flags = outer
	t.out.WriteByte(')')
	return true, nil
}

// setFlags reads (?idm-s) and (?idm-s: and tells whether a group opens.
func (t *translator) setFlags(open int) (scoped bool, err error) {
	on := true
	for t.at++; t.more(); t.at++ {
		switch c := t.in[t.at]; c {
		case '-':
			on = false
		case 'i':
			t.flags.fold = on
		case 'd':
			t.flags.unixLines = on
		case 'm':
			t.flags.multiline = on
		case 's':
			t.flags.dotall = on
		case 'x':
			t.flags.comments = on
		case 'u': // Unicode case folding: ASCII letters fold either way
		case ')', ':':
			t.at++
			return c == ':', nil
		default:
			return false, t.errorf(open, "flag (?%c) is not supported", c)
		}
	}
	return false, t.errorf(open, "`(?` without `)`")
}
