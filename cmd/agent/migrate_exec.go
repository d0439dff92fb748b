package main

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"goflume/conf"
	"goflume/sources"
)

// followed is what a command of tail says.
type followed struct {
	files   []string // as they are written, with look-ups
	start   bool     // from the start of the files, not from their end
	skipped string   // lines or bytes that are left out at the start, as they are written
}

// execs makes taildir sources of the exec sources that follow files.
func (m *migration) execs(a *conf.Agent) {
	for _, n := range a.Sources {
		typ, _ := n.Get("type")
		if d, ok := find(sources.Registry, typ.Value); !ok || d.name != "exec" {
			continue
		}
		command, ok := n.Get("command")
		if !ok {
			continue // validate says so
		}
		tail, err := readTail(command)
		if err == nil {
			err = m.taildir(a, n, typ, command, tail)
		}
		if err != nil {
			m.say(command.KeyAt, "%s stays an exec source: %v", n.Label(), err)
		}
	}
}

// taildir changes the source's lines. It changes none of them where it returns an error.
func (m *migration) taildir(a *conf.Agent, n *conf.Node, typ, command conf.Property, tail followed) error {
	var gone []conf.Property
	old, _ := find(sources.Registry, "exec")
	now, ok := find(sources.Registry, "taildir")
	if !ok {
		return errors.New("this program has no taildir source")
	}
	for _, p := range n.Props {
		isKey := func(f conf.Field) bool { return f.Key == p.Key }
		switch {
		case p.Key == "filegroups" || strings.HasPrefix(p.Key, "filegroups.") || p.Key == "positionFile" || p.Key == "skipToEnd":
			return fmt.Errorf("it has the property %s already", p.Key)
		case p.Key == "charset" && !strings.EqualFold(p.Value, "UTF-8"):
			return fmt.Errorf("taildir reads UTF-8, not %s", p.Value)
		case slices.ContainsFunc(old.fields, isKey) && !slices.ContainsFunc(now.fields, isKey):
			if why := m.fixed(n, p); why != "" {
				return fmt.Errorf("%s: %s", p.Key, why)
			}
			gone = append(gone, p)
		}
	}
	if !m.written(typ) {
		return errors.New("its type comes from a look-up or runs over several lines")
	}

	var groups, lines []string
	for i, file := range tail.files {
		g := "f" + strconv.Itoa(i+1)
		groups = append(groups, g)
		dir, base := path.Split(file)
		if dir == "" {
			dir = "./"
		}
		lines = append(lines, m.line(n, command, "filegroups."+g, dir+regexp.QuoteMeta(base)))
	}
	lines = slices.Insert(lines, 0, m.line(n, command, "filegroups", strings.Join(groups, " ")))
	lines = append(lines, m.line(n, command, "positionFile", positionFile(n)))
	if !tail.start {
		lines = append(lines, m.line(n, command, "skipToEnd", "true"))
		m.say(command.KeyAt, "%s: as tail does, it starts at the end of the files, once; without skipToEnd it would read them from their start", n.Label())
	}
	if tail.skipped != "" {
		m.say(command.KeyAt, "%s: reads the files from their start: taildir cannot leave out what -n or -c %s leaves out", n.Label(), tail.skipped)
	}
	if _, ok := n.Get("batchSize"); !ok {
		if most := smallestTransaction(a, n); most < 100 {
			lines = append(lines, m.line(n, command, "batchSize", strconv.Itoa(most)))
		}
	}
	m.texts[typ.ValueAt.File].Replace(typ.ValueAt, "TAILDIR")
	for _, p := range gone {
		m.texts[p.KeyAt.File].Comment(p.KeyAt.Line, "not in taildir")
	}
	m.texts[command.KeyAt.File].Below(command.KeyAt.Line, lines...)
	return nil
}

// smallestTransaction is the least transactionCapacity that a channel of the source is given, at most 100: taildir's batch.
func smallestTransaction(a *conf.Agent, n *conf.Node) int {
	most := 100
	for _, item := range n.Items("channels") {
		if c := a.Channel(item.Name); c != nil {
			if size, err := strconv.Atoi(c.Value("transactionCapacity")); err == nil && size > 0 {
				most = min(most, size)
			}
		}
	}
	return most
}

// positionFile names a file that no other source has: neither name has a dot in it.
func positionFile(n *conf.Node) string {
	return "${sys:user.home}/.flume/taildir_position." + url.PathEscape(n.Agent) + "." + url.PathEscape(n.Name) + ".json"
}

// forShell are characters that a shell reads; without one they are hardly ever meant as they are.
const forShell = "|&;<>()$`\\\"'*?[]{}#~"

// readTail reads a command that is tail and nothing else. The error says why it cannot be translated.
func readTail(command conf.Property) (followed, error) {
	var f followed
	value, written := strings.Fields(command.Value), strings.Fields(command.Written)
	switch {
	case command.Broken || len(value) == 0:
		return f, errors.New("a look-up in its command has no value")
	case path.Base(value[0]) != "tail":
		return f, errors.New("its command is not tail, but " + value[0])
	case strings.ContainsAny(command.Value, forShell):
		i := strings.IndexAny(command.Value, forShell)
		return f, fmt.Errorf("its command has a %c, which is for a shell", command.Value[i])
	case len(written) != len(value):
		return f, errors.New("a look-up in its command stands for several words")
	}
	follows, literal := false, false
	for i := 1; i < len(value); i++ {
		word := value[i]
		if literal || word == "-" || !strings.HasPrefix(word, "-") {
			file, err := readFile(word, written[i])
			if err != nil {
				return f, err
			}
			if !slices.Contains(f.files, file) {
				f.files = append(f.files, file)
			}
			continue
		}
		if word == "--" {
			literal = true
			continue
		}
		letters, err := readOption(word)
		if err != nil {
			return f, err
		}
		for at, letter := range letters {
			switch letter {
			case 'f', 'F':
				follows = true
			case 'q', 'v':
			case 'n', 'c', 's':
				amount := letters[at+1:]
				if amount == "" {
					if i++; i == len(value) {
						return f, fmt.Errorf("its command gives %s no value", word)
					}
					amount = value[i]
				}
				if letter != 's' {
					f.start, f.skipped = strings.HasPrefix(amount, "+"), ""
					if f.start && amount != "+0" && amount != "+1" {
						f.skipped = amount
					}
				}
			default:
				return f, fmt.Errorf("its command has the option %s, which taildir has not", word)
			}
			if letter == 'n' || letter == 'c' || letter == 's' {
				break
			}
		}
	}
	switch {
	case !follows:
		return f, errors.New("its command does not follow: it has neither -f nor -F")
	case len(f.files) == 0:
		return f, errors.New("its command names no file")
	}
	return f, nil
}

// readOption returns the letters of an option, with its value behind the last one, as if it were a short one.
func readOption(word string) (string, error) {
	if !strings.HasPrefix(word, "--") {
		if number := strings.TrimRight(word[1:], "fF"); number != "" && strings.Trim(number, "0123456789") == "" {
			return word[1+len(number):] + "n" + number, nil // -20f
		}
		return word[1:], nil
	}
	name, value, given := strings.Cut(word[2:], "=")
	switch {
	case name == "follow":
		return "f", nil
	case (name == "quiet" || name == "silent" || name == "retry") && !given:
		return "q", nil
	case name == "verbose" && !given:
		return "v", nil
	}
	if letter, ok := map[string]string{"lines": "n", "bytes": "c", "sleep-interval": "s", "max-unchanged-stats": "s"}[name]; ok {
		return letter + value, nil
	}
	return "", fmt.Errorf("its command has the option %s, which taildir has not", word)
}

// readFile checks a file of the command: its name must be known, as it becomes a regular expression.
func readFile(value, written string) (string, error) {
	dir, base := path.Split(written)
	_, want := path.Split(value)
	switch {
	case value == "-":
		return "", errors.New("its command reads standard input")
	case want == "":
		return "", fmt.Errorf("its command follows the directory %s", value)
	case base != want, strings.Count(dir, "${") != strings.Count(dir, "}"), strings.Contains(dir, "$$"):
		return "", fmt.Errorf("the name of the file %s comes from a look-up, and would be read as a regular expression", written)
	}
	return written, nil
}
