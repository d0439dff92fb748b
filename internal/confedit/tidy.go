package confedit

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/magiconair/properties"
)

// item is a property with the comments in front of it.
type item struct {
	comments []string
	key      string // as it is written
	value    string // as it is written; its further lines follow it
	more     []string
}

// property matches a line of the syntax: a key, its separator, the rest.
var property = regexp.MustCompile(`^[ \t\f]*((?:\\.|[^ \t\f=:\\])+)(?:[ \t\f]*[=:]|[ \t\f])?[ \t\f]*(.*)$`)

// widest is the longest key in characters that the others are aligned with.
const widest = 60

// Tidy returns the configuration with each component's properties together, their values aligned. Comments stay with the
// property that they stand in front of, the order within a component stays, and so does what every key means: where that
// cannot be said, the error tells so.
func Tidy(data []byte) ([]byte, error) {
	items, rest := items(strings.ReplaceAll(string(data), "\r\n", "\n"))
	var order []string
	groups := map[string][]item{}
	for _, it := range items {
		g := group(it.key)
		if groups[g] == nil {
			order = append(order, g)
		}
		groups[g] = append(groups[g], it)
	}
	var b strings.Builder
	for i, g := range order {
		if i > 0 {
			b.WriteByte('\n')
		}
		width := 0
		for _, it := range groups[g] {
			if n := utf8.RuneCountInString(it.key); n <= widest {
				width = max(width, n)
			}
		}
		for _, it := range groups[g] {
			for _, c := range it.comments {
				b.WriteString(c + "\n")
			}
			pad := strings.Repeat(" ", max(width-utf8.RuneCountInString(it.key), 0))
			b.WriteString(strings.TrimRight(it.key+pad+" = "+it.value, " ") + "\n")
			for _, line := range it.more {
				b.WriteString(line + "\n")
			}
		}
	}
	if len(rest) > 0 && len(items) > 0 {
		b.WriteByte('\n')
	}
	for _, c := range rest {
		b.WriteString(c + "\n")
	}
	out := []byte(b.String())
	before, err := meaning(data)
	if err != nil {
		return nil, err
	}
	after, err := meaning(out)
	if err != nil {
		return nil, err
	}
	if !maps.Equal(before, after) {
		return nil, fmt.Errorf("the configuration cannot be rearranged without a change of its meaning: a bug, please report it")
	}
	return out, nil
}

// items reads the properties, and the comments behind the last one.
func items(text string) (all []item, rest []string) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		switch trimmed := strings.TrimLeft(line, " \t\f"); {
		case trimmed == "":
			continue
		case trimmed[0] == '#' || trimmed[0] == '!':
			rest = append(rest, strings.TrimRight(trimmed, " \t"))
			continue
		}
		it := item{comments: rest}
		rest = nil
		if m := property.FindStringSubmatch(line); m != nil {
			it.key, it.value = m[1], m[2]
		} else {
			it.key = strings.TrimSpace(line)
		}
		for continued(line) && i+1 < len(lines) {
			i++
			line = lines[i]
			it.more = append(it.more, line)
		}
		all = append(all, it)
	}
	return all, rest
}

// group names what a key belongs to: a component, or its agent's lists.
func group(key string) string {
	parts := strings.SplitN(key, ".", 4)
	if len(parts) < 3 {
		return parts[0]
	}
	return strings.Join(parts[:3], ".")
}

// meaning is what every key says in the end.
func meaning(data []byte) (map[string]string, error) {
	encoding := properties.UTF8
	if !utf8.Valid(data) {
		encoding = properties.ISO_8859_1
	}
	p, err := (&properties.Loader{Encoding: encoding, DisableExpansion: true}).LoadBytes(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")))
	if err != nil {
		return nil, err
	}
	all := p.Map()
	for k, v := range all {
		all[k] = strings.TrimSpace(v)
	}
	return all, nil
}
