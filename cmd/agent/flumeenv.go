package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"goflume/conf"
)

// script is what flume-env.sh sets. It is read as data and never run.
type script struct {
	vars   map[string]string
	issues []conf.Issue // FL020 for each line that is not understood
}

var assignment = regexp.MustCompile(`^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$`)

// readScript reads DIR/flume-env.sh; without one it sets nothing. getenv is asked for the variables that its values name.
func readScript(dir string, getenv func(string) string) script {
	s := script{vars: map[string]string{}}
	name := filepath.Join(dir, "flume-env.sh")
	data, err := os.ReadFile(name)
	if dir == "" || err != nil {
		return s
	}
	lookup := func(name string) string {
		if v, ok := s.vars[name]; ok {
			return v
		}
		return getenv(name)
	}
	file := &conf.File{Name: name, Lines: strings.Split(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n")}
	for i, line := range file.Lines {
		text := strings.TrimSpace(line)
		if text == "" || text[0] == '#' {
			continue
		}
		m := assignment.FindStringSubmatch(text)
		value, err := "", errors.New("it sets no variable")
		if m != nil {
			value, err = shellWord(m[2], lookup)
		}
		if err != nil {
			s.issues = append(s.issues, conf.Issue{Severity: conf.Warning, Code: "FL020",
				Message: "line of flume-env.sh is not understood: " + err.Error(),
				Mark:    conf.Mark{At: conf.Pos{File: file, Line: i + 1, Column: 1, EndColumn: len([]rune(line)) + 1}},
				Help:    []string{"write a literal value, or set the variable where the agent is started"},
				Flume:   "the file is run by the shell"})
			continue
		}
		s.vars[m[1]] = value
	}
	return s
}

// shellWord reads a value as a shell would that knows quotes and $NAME, and nothing that computes.
func shellWord(text string, getenv func(string) string) (string, error) {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == '\'':
			b.WriteByte(c)
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case c == '`' || c == '$' && strings.HasPrefix(text[i+1:], "("):
			return "", errors.New("it runs a command")
		case c == '$':
			name, n := variable(text[i+1:])
			if n == 0 {
				return "", errors.New("it computes a value")
			}
			b.WriteString(getenv(name))
			i += n
		case quote == 0 && (c == ' ' || c == '\t'):
			if rest := strings.TrimSpace(text[i:]); rest != "" && rest[0] != '#' {
				return "", errors.New("there is more behind the value")
			}
			return b.String(), nil
		case quote == 0 && strings.IndexByte(";&|<>()", c) >= 0:
			return "", errors.New("it runs a command")
		default:
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return "", errors.New("a quote is not closed")
	}
	return b.String(), nil
}

var (
	bareName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*`)
	bracedName = regexp.MustCompile(`^\{([A-Za-z_][A-Za-z0-9_]*)\}`)
)

// variable reads NAME or {NAME} and tells how long it was; 0 if it is neither.
func variable(text string) (name string, n int) {
	if m := bracedName.FindStringSubmatch(text); m != nil {
		return m[1], len(m[0])
	}
	name = bareName.FindString(text)
	return name, len(name)
}

// javaOptions are the -D and -X options that the script hands to the JVM.
func (s script) javaOptions() []string {
	var all []string
	for _, name := range []string{"JAVA_OPTS", "FLUME_JAVA_OPTS"} {
		for _, o := range strings.Fields(s.vars[name]) {
			if strings.HasPrefix(o, "-D") || strings.HasPrefix(o, "-X") {
				all = append(all, o)
			}
		}
	}
	return all
}
