package conf

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// Sort puts issues into the order in which they are shown: errors, warnings, notes, each by file and line.
func Sort(issues []Issue) {
	files := map[*File]int{nil: 0}
	for _, is := range issues {
		if _, ok := files[is.At.File]; !ok {
			files[is.At.File] = len(files)
		}
	}
	slices.SortStableFunc(issues, func(a, b Issue) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(files[a.At.File], files[b.At.File]),
			cmp.Compare(a.At.Line, b.At.Line), cmp.Compare(a.At.Column, b.At.Column))
	})
}

// WriteText shows the issues with the lines they are about, in the order they have. Secrets are masked. colour is for a
// terminal.
func WriteText(w io.Writer, issues []Issue, colour bool) error {
	out := &printer{Writer: bufio.NewWriter(w), colour: colour}
	for _, is := range issues {
		out.issue(&is)
		out.WriteByte('\n')
	}
	return out.Flush()
}

type printer struct {
	*bufio.Writer
	colour bool
}

var severityColour = [...]string{"1;31", "1;33", "1;36"}

func (w *printer) paint(style, text string) string {
	if !w.colour || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

func (w *printer) issue(is *Issue) {
	style := severityColour[is.Severity]
	fmt.Fprintf(w, "%s: %s\n", w.paint(style, fmt.Sprintf("%s[%s]", is.Severity, is.Code)), w.paint("1", Clean(is.Message)))
	width := 1
	for _, m := range append([]Mark{is.Mark}, is.Also...) {
		width = max(width, len(fmt.Sprint(m.At.Line)))
	}
	bar := w.paint("34", strings.Repeat(" ", width+1)+"|")
	if !is.At.IsZero() {
		fmt.Fprintf(w, "%s%s %s\n", strings.Repeat(" ", width), w.paint("34", "-->"), Clean(is.At.String()))
		w.file(is, is.At.File, width, bar)
		for _, f := range otherFiles(is) {
			first := slices.IndexFunc(is.Also, func(m Mark) bool { return m.At.File == f })
			fmt.Fprintf(w, "%s%s %s\n", strings.Repeat(" ", width), w.paint("34", ":::"), Clean(is.Also[first].At.String()))
			w.file(is, f, width, bar)
		}
		fmt.Fprintln(w, bar)
	}
	lead := strings.Repeat(" ", width+1) + w.paint("34", "=") + " "
	more := strings.Repeat(" ", width+1) + w.paint("34", "=") + "       "
	for i, h := range is.Help {
		if i == 0 {
			fmt.Fprintf(w, "%shelp: %s\n", lead, Clean(h))
		} else {
			fmt.Fprintf(w, "%s%s\n", more, Clean(h))
		}
	}
	for _, n := range is.Notes {
		fmt.Fprintf(w, "%snote: %s\n", lead, Clean(n))
	}
	if is.Flume != "" {
		fmt.Fprintf(w, "%seffect in Flume: %s\n", lead, Clean(is.Flume))
	}
}

func otherFiles(is *Issue) []*File {
	var files []*File
	for _, m := range is.Also {
		if m.At.File != nil && m.At.File != is.At.File && !slices.Contains(files, m.At.File) {
			files = append(files, m.At.File)
		}
	}
	return files
}

// file shows the lines of one file that have marks.
func (w *printer) file(is *Issue, f *File, width int, bar string) {
	type drawn struct {
		Mark
		sign string
	}
	var marks []drawn
	if is.At.File == f {
		marks = append(marks, drawn{is.Mark, string("^~."[is.Severity])})
	}
	for _, m := range is.Also {
		if m.At.File == f {
			marks = append(marks, drawn{m, "-"})
		}
	}
	slices.SortStableFunc(marks, func(a, b drawn) int { return cmp.Compare(a.At.Line, b.At.Line) })
	last := 0
	for _, m := range marks {
		if m.At.Line < 1 || m.At.Line > len(f.Lines) {
			continue
		}
		from, to := m.At.Column-1, max(m.At.EndColumn, m.At.Column+1)-1
		text := f.shown(m.At.Line, is.Secret, &from, &to)
		switch {
		case last == 0:
			fmt.Fprintln(w, bar)
		case m.At.Line > last+1:
			fmt.Fprintf(w, "%s...\n", strings.Repeat(" ", width+1))
		}
		if m.At.Line != last {
			fmt.Fprintf(w, "%s %s\n", w.paint("34", fmt.Sprintf("%*d |", width, m.At.Line)), text)
		}
		last = m.At.Line
		style := severityColour[is.Severity]
		if m.sign == "-" {
			style = "1;34"
		}
		label := strings.Repeat(m.sign, to-from)
		if m.Text != "" {
			label += " " + Clean(m.Text)
		}
		fmt.Fprintf(w, "%s %s%s\n", bar, strings.Repeat(" ", from), w.paint(style, label))
	}
}

const (
	widest = 160     // the most characters of a line that are shown
	reach  = 8 << 10 // how far from them URLs are looked for: no password is that long
)

// userInfo finds the first URL in text with a user name or password, and where they start and end. A password may hold
// what a URL would have in it encoded, such as / and @: they go to the last @ before a blank or another URL, but for a
// path behind a host without a port. So a path with an @ in it may be masked too.
func userInfo(text string) (from, to int, ok bool) {
	for at := 0; ; {
		i := strings.Index(text[at:], "://")
		if i < 0 {
			return 0, 0, false
		}
		at += i + len("://")
		rest, _, _ := strings.Cut(text[at:], "://")
		if end := strings.IndexFunc(rest, unicode.IsSpace); end >= 0 {
			rest = rest[:end]
		}
		host := rest
		if end := strings.IndexAny(rest, "/?#"); end >= 0 {
			host = rest[:end]
		}
		if last := strings.LastIndexByte(rest, '@'); last > 0 && strings.ContainsAny(host, ":@") {
			return at, at + last, true
		}
	}
}

// MaskURLs is the text with the user names and passwords of its URLs masked.
func MaskURLs(text string) string {
	var b strings.Builder
	for {
		from, to, ok := userInfo(text)
		if !ok {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:from] + Mask)
		text = text[to:]
	}
}

// shown returns the line as it may be shown: a secret value and user names in URLs masked, control characters replaced, a
// long line cut around the span. from and to, counted from 0, are the span, and are moved with it.
func (f *File) shown(line int, secret bool, from, to *int) string {
	text := f.Lines[line-1]
	runes := []rune(text)
	if len(f.values) >= line {
		if v := f.values[line-1]; v.first > 0 && (secret || f.secret[v.first]) {
			runes = mask(runes, v.from-1, v.to-1, from, to)
		}
	}
	if lo, hi := max(0, *from-reach), min(len(runes), *from+reach); lo > 0 || hi < len(runes) {
		runes = runes[lo:hi:hi]
		*from, *to = *from-lo, min(*to, hi)-lo
	}
	for at := 0; ; {
		rest := string(runes[at:])
		first, last, ok := userInfo(rest)
		if !ok {
			break
		}
		start := at + len([]rune(rest[:first]))
		end := at + len([]rune(rest[:last]))
		runes = mask(runes, start, end, from, to)
		at = start + len(Mask)
	}
	if len(runes) > widest {
		start := max(0, min(*from-widest/4, len(runes)-widest))
		end := min(start+widest, len(runes))
		cut := slices.Clone(runes[start:end])
		if end < len(runes) {
			cut = append(cut, []rune("...")...)
		}
		lead := 0
		if start > 0 {
			cut, lead = append([]rune("..."), cut...), 3
		}
		runes = cut
		*from = max(0, *from-start) + lead
		*to = max(*from+1, min(*to, end)-start+lead)
	}
	return Clean(string(runes))
}

// mask replaces the runes from..to and moves the span with them.
func mask(runes []rune, start, end int, from, to *int) []rune {
	end = min(end, len(runes))
	if start >= end {
		return runes
	}
	shift := len(Mask) - (end - start)
	move := func(at int, inside int) int {
		switch {
		case at <= start:
			return at
		case at >= end:
			return at + shift
		}
		return inside
	}
	*from, *to = move(*from, start), move(*to, start+len(Mask))
	return slices.Concat(runes[:start], []rune(Mask), runes[end:])
}

// Clean replaces what would move the cursor or speak to the terminal, for text that came from a configuration.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069':
			return '?'
		}
		return r
	}, s)
}
