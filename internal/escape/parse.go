package escape

import "strings"

type kind uint8

const (
	literal     kind = iota
	header           // %{name}
	timeField        // %Y; also one that Flume does not know, which becomes nothing but needs a timestamp all the same
	machineName      // %[localhost]
)

// part is one piece of a template.
type part struct {
	kind  kind
	text  string // the literal, the header's name, or what stands in the square brackets
	code  byte   // of a time field
	index int    // of a header in Template.values, of a time field in clock.texts
}

// parse cuts a template as Flume's pattern %(\w|%)|%\{([\w\.-]+)\}|%\[(\w+)\] does; all that does not match is literal.
func parse(s string) []part {
	var parts []part
	lit := 0
	for i := 0; i+1 < len(s); {
		if s[i] != '%' {
			i++
			continue
		}
		p, n := escapeAt(s[i+1:])
		if n == 0 {
			i++
			continue
		}
		if lit < i {
			parts = append(parts, part{kind: literal, text: s[lit:i]})
		}
		parts = append(parts, p)
		i += 1 + n
		lit = i
	}
	if lit < len(s) {
		parts = append(parts, part{kind: literal, text: s[lit:]})
	}
	return parts
}

// escapeAt returns the escape that s, which follows a %, begins with, and its length; 0 if it is none.
func escapeAt(s string) (part, int) {
	switch c := s[0]; {
	case c == '%' || isWord(c):
		return part{kind: timeField, code: c}, 1
	case c == '{':
		if n := wordLen(s[1:], ".-"); n > 0 && strings.HasPrefix(s[1+n:], "}") {
			return part{kind: header, text: s[1 : 1+n]}, n + 2
		}
	case c == '[':
		if n := wordLen(s[1:], ""); n > 0 && strings.HasPrefix(s[1+n:], "]") {
			return part{kind: machineName, text: strings.ToLower(s[1 : 1+n])}, n + 2
		}
	}
	return part{}, 0
}

func wordLen(s, also string) int {
	n := 0
	for n < len(s) && (isWord(s[n]) || strings.IndexByte(also, s[n]) >= 0) {
		n++
	}
	return n
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
