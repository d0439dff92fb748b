package conf

import (
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/magiconair/properties"
)

// entry is one occurrence of a property in a file.
type entry struct {
	key     string // trimmed
	value   string // trimmed, ${...} resolved
	written string // trimmed, as in the file after escapes
	keyAt   Pos    // the whole key
	valueAt Pos    // the value, as far as it stands on its first line; where it would be if it is empty
	plain   bool   // the key is in the file letter by letter, so that its parts have places
	hidden  bool   // the value holds something from a secret store
	broken  bool   // a look-up in the value was reported
}

// at is the place of the runes from..to of the key.
func (e *entry) at(from, to int) Pos {
	p := e.keyAt
	if e.plain {
		p.EndColumn = p.Column + to
		p.Column += from
	}
	return p
}

// scan reads all properties of a text in the order of its lines.
func scan(name, text string) (*File, []*entry, []Issue) {
	f := &File{Name: name, Lines: naturalLines(text)}
	f.values = make([]valueSpan, len(f.Lines))
	var entries []*entry
	var issues []Issue
	for i := 0; i < len(f.Lines); {
		l := logicalLine(f, i)
		i = l.next
		if len(l.runes) == 0 {
			continue
		}
		e, issue := l.entry()
		if issue != nil {
			issues = append(issues, *issue)
			continue
		}
		entries = append(entries, e)
	}
	return f, entries, issues
}

// naturalLines cuts the text at \n, \r\n and \r, as java.util.Properties does.
func naturalLines(text string) []string {
	var lines []string
	for len(text) > 0 {
		end := strings.IndexAny(text, "\r\n")
		if end < 0 {
			return append(lines, text)
		}
		lines = append(lines, text[:end])
		if strings.HasPrefix(text[end:], "\r\n") {
			end++
		}
		text = text[end+1:]
	}
	return lines
}

// logical is one property: a line with those that continue it joined, and the place of each of its runes.
type logical struct {
	file  *File
	runes []rune
	places
	next int // index of the natural line after it
}

// places give for each rune its line and column, both from 1.
type places struct{ line, column []int32 }

func isBlank(r rune) bool { return r == ' ' || r == '\t' || r == '\f' }

// logicalLine joins the natural lines from index i on. A comment or an empty line gives no runes.
func logicalLine(f *File, i int) logical {
	l := logical{file: f}
	for first := true; i < len(f.Lines); first = false {
		line := []rune(f.Lines[i])
		start := 0
		for start < len(line) && isBlank(line[start]) {
			start++
		}
		i++
		if first && (start == len(line) || line[start] == '#' || line[start] == '!') {
			break
		}
		end := len(line)
		slashes := 0
		for end-slashes > start && line[end-slashes-1] == '\\' {
			slashes++
		}
		continued := slashes%2 == 1
		if continued {
			end--
		}
		for c := start; c < end; c++ {
			l.runes = append(l.runes, line[c])
			l.line = append(l.line, int32(i))
			l.column = append(l.column, int32(c+1))
		}
		if !continued {
			break
		}
	}
	l.next = i
	return l
}

// entry splits the line into key and value. Where they are is found here; what they are, by magiconair/properties.
func (l *logical) entry() (*entry, *Issue) {
	keyEnd := 0
	for keyEnd < len(l.runes) && !strings.ContainsRune(" \t\f:=", l.runes[keyEnd]) {
		if l.runes[keyEnd] == '\\' {
			keyEnd++
		}
		keyEnd++
	}
	keyEnd = min(keyEnd, len(l.runes))
	value := keyEnd
	skip := func() {
		for value < len(l.runes) && isBlank(l.runes[value]) {
			value++
		}
	}
	skip()
	if value < len(l.runes) && (l.runes[value] == ':' || l.runes[value] == '=') {
		value++
		skip()
	}
	if bad, ok := l.badEscape(); ok {
		return nil, &Issue{Code: codeSyntax, Mark: Mark{At: bad}, Message: "`\\u` is not followed by four hexadecimal digits",
			Help:  []string{"write `\\\\u` for a backslash and the letter u"},
			Flume: "the whole file is refused, and the process ends with status 0"}
	}
	key, written := "", ""
	if keyEnd > 0 { // the library refuses an empty key
		var err error
		if key, written, err = parseLine(string(l.runes)); err != nil {
			return nil, &Issue{Code: codeSyntax, Mark: Mark{At: l.span(0, len(l.runes))}, Message: fmt.Sprintf("line cannot be read: %v", err)}
		}
	}
	e := &entry{key: trim(key), written: trim(written), keyAt: l.span(0, keyEnd)}
	if e.key == "" {
		return nil, &Issue{Severity: Warning, Code: codeNoAgent, Mark: Mark{At: l.span(0, max(1, value))},
			Message: "there is no key on this line: ignored"}
	}
	e.value = e.written
	e.plain = e.key == string(l.runes[:keyEnd]) && l.line[0] == l.line[keyEnd-1]
	end := len(l.runes)
	for end > value && l.runes[end-1] <= ' ' {
		end--
	}
	for end > value && l.line[end-1] != l.line[value] {
		end--
	}
	e.valueAt = l.span(value, end)
	for i := value; i < len(l.runes); i++ {
		v := &l.file.values[l.line[i]-1]
		if v.first == 0 {
			*v = valueSpan{int(l.column[i]), 0, int(l.line[value])}
		}
		v.to = int(l.column[i]) + 1
	}
	if SecretKey(e.key) {
		e.valueAt.hide()
	}
	return e, nil
}

// span is the place of the runes from..to, which are on one line; of nothing, the place after the last rune.
func (l *logical) span(from, to int) Pos {
	if from >= len(l.runes) {
		last := len(l.runes) - 1
		column := int(l.column[last]) + 1
		return Pos{l.file, int(l.line[last]), column, column}
	}
	p := Pos{l.file, int(l.line[from]), int(l.column[from]), int(l.column[from])}
	for i := from; i < to && i < len(l.runes) && l.line[i] == l.line[from]; i++ {
		p.EndColumn = int(l.column[i]) + 1
	}
	return p
}

// badEscape finds the first \u without four digits.
func (l *logical) badEscape() (Pos, bool) {
	for i := 0; i+1 < len(l.runes); i++ {
		if l.runes[i] != '\\' {
			continue
		}
		i++
		if l.runes[i] != 'u' {
			continue
		}
		for j := i + 1; j < i+5; j++ {
			if j >= len(l.runes) || !strings.ContainsRune("0123456789abcdefABCDEF", l.runes[j]) {
				return l.span(i-1, min(j+1, len(l.runes))), true
			}
		}
	}
	return Pos{}, false
}

// parseLine gives the key and value of a line without line ends, escapes resolved.
func parseLine(line string) (key, value string, err error) {
	line = joinSurrogates(line)
	p, err := (&properties.Loader{Encoding: properties.UTF8, DisableExpansion: true}).LoadBytes([]byte(line))
	if err != nil {
		return "", "", err
	}
	for _, key = range p.Keys() {
		value, _ = p.Get(key)
	}
	return key, value, nil
}

// joinSurrogates replaces pairs like \ud83d\ude00, which Java reads as one character, by that character.
func joinSurrogates(line string) string {
	if !strings.Contains(line, `\ud`) && !strings.Contains(line, `\uD`) {
		return line
	}
	var b strings.Builder
	for i := 0; i < len(line); i++ {
		if line[i] != '\\' || i+1 == len(line) {
			b.WriteByte(line[i])
			continue
		}
		var high, low rune
		if n, _ := fmt.Sscanf(line[i:min(i+12, len(line))], `\u%04x\u%04x`, &high, &low); n == 2 {
			if r := utf16.DecodeRune(high, low); r != '�' {
				b.WriteRune(r)
				i += 11
				continue
			}
		}
		b.WriteString(line[i : i+2])
		i++
	}
	return b.String()
}

// trim cuts what Java's String.trim cuts.
func trim(s string) string { return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' }) }
