// Package confedit changes single places of a configuration file and leaves every other byte as it is: comments, order,
// line ends, character set. What it would change it shows as a unified diff.
package confedit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"goflume/conf"
)

// Text is a file with the changes that were asked for. Places are those of the file as it was read, whatever was changed.
type Text struct {
	file  *conf.File
	mark  string // byte order mark
	latin bool   // the file is ISO-8859-1
	eol   string
	lines []line
}

// line is one line of the file.
type line struct {
	end         string // what ends it: \n, \r\n, \r or, for the last one, nothing
	first, last int    // index of the lines of the property that it is part of
	spans       []span
	comment     string // put before it
	below       []string
}

// span is text in the place of the characters from..to, which count from 0.
type span struct {
	from, to int
	text     string
}

const byteOrderMark = "\ufeff"

// New returns the text of an input without changes. f is what conf.Parse made of it.
func New(in conf.Input, f *conf.File) (*Text, error) {
	t := &Text{file: f, eol: "\n", lines: make([]line, len(f.Lines))}
	rest, marked := strings.CutPrefix(string(in.Data), byteOrderMark)
	if marked {
		t.mark = byteOrderMark
	}
	if t.latin = !utf8.ValidString(rest); t.latin {
		rest = fromLatin(rest)
	}
	for i, natural := range f.Lines {
		var ok bool
		if rest, ok = strings.CutPrefix(rest, natural); !ok {
			return nil, fmt.Errorf("%s:%d: not the text that was parsed", in.Name, i+1)
		}
		for _, end := range []string{"\r\n", "\n", "\r"} {
			if strings.HasPrefix(rest, end) {
				t.lines[i].end, rest = end, rest[len(end):]
				break
			}
		}
	}
	if rest != "" {
		return nil, fmt.Errorf("%s: text behind the last line", in.Name)
	}
	if len(t.lines) > 0 && t.lines[0].end != "" {
		t.eol = t.lines[0].end
	}
	t.join()
	return t, nil
}

// join finds the lines that continue others.
func (t *Text) join() {
	for i := 0; i < len(t.lines); {
		last := i
		if start := strings.TrimLeft(t.file.Lines[i], " \t\f"); start != "" && start[0] != '#' && start[0] != '!' {
			for last+1 < len(t.lines) && continued(t.file.Lines[last]) {
				last++
			}
		}
		for j := i; j <= last; j++ {
			t.lines[j].first, t.lines[j].last = i, last
		}
		i = last + 1
	}
}

// continued tells whether the line goes on in the next one: it ends in an odd number of backslashes.
func continued(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// At returns what stands in the file at the place.
func (t *Text) At(p conf.Pos) string {
	return t.Between(p.Line, p.Column, p.EndColumn)
}

// Between returns the characters of a line from the column from to the one before to, as conf.Pos counts them; empty where
// there are none.
func (t *Text) Between(line, from, to int) string {
	if line < 1 || line > len(t.lines) {
		return ""
	}
	runes := []rune(t.file.Lines[line-1])
	if from < 1 || to < from || to > len(runes)+1 {
		return ""
	}
	return string(runes[from-1 : to-1])
}

// Property returns the first and the last line of the property that the line is part of.
func (t *Text) Property(line int) (first, last int) {
	l := &t.lines[line-1]
	return l.first + 1, l.last + 1
}

// Replace puts text in the place of what stands at p. Two places that are replaced must not overlap.
func (t *Text) Replace(p conf.Pos, text string) {
	l := &t.lines[p.Line-1]
	l.spans = append(l.spans, span{p.Column - 1, p.EndColumn - 1, text})
}

// Comment makes a comment of the property that the line is part of; why stands before it.
func (t *Text) Comment(line int, why string) {
	first, last := t.Property(line)
	t.lines[first-1].comment = "# " + why + ": "
	for i := first + 1; i <= last; i++ {
		t.lines[i-1].comment = "# "
	}
}

// Below adds lines below the property that the line is part of.
func (t *Text) Below(line int, lines ...string) {
	_, last := t.Property(line)
	l := &t.lines[last-1]
	l.below = append(l.below, lines...)
}

// Changed tells whether the text is another than that of the file.
func (t *Text) Changed() bool { return slices.ContainsFunc(t.lines, line.changed) }

func (l line) changed() bool { return len(l.spans) > 0 || l.comment != "" || len(l.below) > 0 }

// Bytes returns the text with all changes.
func (t *Text) Bytes() []byte {
	var b strings.Builder
	b.WriteString(t.mark)
	for i := range t.lines {
		l := &t.lines[i]
		b.WriteString(t.encode(t.after(i, false)))
		for _, text := range l.below {
			b.WriteString(t.eol)
			b.WriteString(t.encode(text))
		}
		b.WriteString(l.end)
	}
	return []byte(b.String())
}

// after is the line with its changes but for what is below it.
func (t *Text) after(i int, masked bool) string {
	l := &t.lines[i]
	runes := []rune(t.file.Lines[i])
	slices.SortFunc(l.spans, func(a, b span) int { return cmp.Compare(b.from, a.from) })
	for _, s := range l.spans {
		runes = slices.Replace(runes, s.from, s.to, []rune(s.text)...)
	}
	text := string(runes)
	if masked {
		text = t.masked(i, text)
	}
	return l.comment + text
}

// masked is text, which stands in the place of the line, as it may be shown: without secret values, also of properties that
// are comments, and without user names in URLs.
func (t *Text) masked(i int, text string) string {
	if t.file.Secret(i + 1) {
		return mask(text, i > t.lines[i].first)
	}
	if property := strings.TrimLeft(text, " \t\f#!"); property != text && looksSecret(property) {
		return text[:len(text)-len(property)] + mask(property, false)
	}
	return conf.MaskURLs(text)
}

// looksSecret tells whether the text of a comment is a property that holds a secret. A sentence is none: its words are
// neither keys with dots nor in front of an equals sign or a colon.
func looksSecret(text string) bool {
	end := strings.IndexAny(text, " \t\f:=")
	if end < 0 || !conf.SecretKey(text[:end]) {
		return false
	}
	rest := strings.TrimLeft(text[end:], " \t\f")
	return strings.Contains(text[:end], ".") || strings.HasPrefix(rest, "=") || strings.HasPrefix(rest, ":")
}

// mask hides the value on a line. One that continues another has nothing else.
func mask(text string, continues bool) string {
	key := strings.TrimLeft(text, " \t\f")
	if at := strings.IndexAny(key, " \t\f:="); at >= 0 && !continues {
		return text[:len(text)-len(key)+at] + " = " + conf.Mask
	}
	return conf.Mask
}

func fromLatin(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

// encode writes text in the file's character set, with Java's escapes for what is not in it.
func (t *Text) encode(text string) string {
	if !t.latin {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if r < 0x100 {
			b.WriteByte(byte(r))
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// EscapeValue writes a value as it must stand in the file.
func EscapeValue(value string) string { return escapes.Replace(value) }

// EscapeKey writes a key as it must stand in the file.
func EscapeKey(key string) string {
	key = keyEscapes.Replace(key)
	if strings.HasPrefix(key, "#") || strings.HasPrefix(key, "!") {
		key = `\` + key
	}
	return key
}

var (
	escapes    = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\f", `\f`)
	keyEscapes = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\f", `\f`, " ", `\ `, ":", `\:`, "=", `\=`)
)
