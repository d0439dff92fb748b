package main

import (
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// programName is the name of the program in its texts. They are written for agent; the packages install it as goflume,
// because agent is too common a name for /usr/bin.
func programName(argv0 string) string {
	if name := filepath.Base(argv0); name == "goflume" {
		return name
	}
	return "agent"
}

// called is a stream whose texts have the program's name in the place of agent.
type called struct {
	to   io.Writer
	name string
}

// calledBy returns the streams with texts for a program of that name.
func (s streams) calledBy(name string) streams {
	if name != "agent" {
		s.out, s.err = called{s.out, name}, called{s.err, name}
	}
	return s
}

// through has what goes to w go to out.
func through(w, out io.Writer) io.Writer {
	if c, ok := w.(called); ok {
		c.to = out
		return c
	}
	return out
}

// plain is the stream itself: for terminals, and for the log, whose texts are not only ours.
func plain(w io.Writer) io.Writer {
	if c, ok := w.(called); ok {
		return c.to
	}
	return w
}

// commandLine matches agent where a command line begins: before a verb or an option.
var commandLine = sync.OnceValue(func() *regexp.Regexp {
	var words []string
	for _, v := range verbs {
		words = append(append(words, v.name), v.aliases...)
	}
	return regexp.MustCompile(`(flume-ng )?\bagent ((?:` + strings.Join(words, "|") + `)\b|-)`)
})

// Write implements io.Writer. A text comes in one piece, or with its command lines whole.
func (c called) Write(p []byte) (int, error) {
	named := commandLine().ReplaceAllStringFunc(string(p), func(found string) string {
		if rest, ours := strings.CutPrefix(found, "agent "); ours {
			return c.name + " " + rest
		}
		return found // flume-ng's own
	})
	if _, err := io.WriteString(c.to, named); err != nil {
		return 0, err
	}
	return len(p), nil
}
