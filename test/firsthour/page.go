// Package firsthour runs docs/first-hour.md as a reader would: it types every command of the page into terminals and compares
// what they show with what the page says they show.
//
// Commands and their output stand in fences of the kind console. The word behind console names the terminal, so that a
// program may go on in one while commands are typed into another. A line that begins with "$ " is typed, ^C is pressed, all
// others are output. With servers in the page, everything behind the comment `servers` needs those of package service.
package firsthour

import (
	"regexp"
	"strings"
)

// serverMark is the line of the page behind which commands need servers.
const serverMark = "<!-- servers -->"

// step is one command with what follows it in its fence, or the output that a program shows later.
type step struct {
	terminal string
	line     int    // of the page, from 1, of what is typed or of the first line of output
	typed    string // command, "^C", or "" where a program goes on
	output   []string
	last     int // line of the page behind the output
	servers  bool
}

// parse returns the steps of a page.
func parse(page string) []step {
	var steps []step
	terminal, inside, empty, servers := "", false, false, false
	add := func(s step) {
		s.terminal, s.servers, empty = terminal, servers, false
		steps = append(steps, s)
	}
	for i, line := range strings.Split(page, "\n") {
		n := i + 1
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case line == serverMark:
			servers = true
		case isFence && inside:
			if empty { // to be filled in by -update
				add(step{line: n, last: n})
			}
			inside = false
		case isFence:
			kind, name, _ := strings.Cut(fence, " ")
			inside, empty, terminal = kind == "console", true, name
		case inside:
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				add(step{line: n, typed: command})
			} else if line == "^C" {
				add(step{line: n, typed: line})
			} else {
				if empty {
					add(step{line: n})
				}
				s := &steps[len(steps)-1]
				s.output = append(s.output, line)
			}
			steps[len(steps)-1].last = n + 1
		}
	}
	return steps
}

// volatile is what differs from run to run, with what stands for it in a comparison.
var volatile = []struct {
	what *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\dT[\d:.]+Z?`), "TIME"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d\b`), "DAY"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d\b`), "TIME"},
	{regexp.MustCompile(`\b\d{13}(-\d+)?\b`), "NUMBER"},
	{regexp.MustCompile(`\b\d+ ms\b`), "N ms"},
	{regexp.MustCompile(`file:///[^ ]*…`), "file:///…"}, // cut where a path is long
	{regexp.MustCompile(`pid \d+|process \d+`), "process N"},
	{regexp.MustCompile(`\bgoflume [^ ]+ \(.*`), "goflume VERSION"},
	{regexp.MustCompile(`\bagent (dev|v?\d[^ ,]*),`), "agent VERSION,"},
}

// colours are what some programs put between letters on a terminal.
var colours = regexp.MustCompile(`\x1b\[[\d;]*[A-Za-z]`)

// normal is a line without what differs from run to run.
func normal(line string) string {
	for _, v := range volatile {
		line = v.what.ReplaceAllString(line, v.as)
	}
	return strings.TrimRight(line, " \r")
}

// same reports whether two outputs are equal but for what differs from run to run.
func same(got, want []string) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if normal(got[i]) != normal(want[i]) {
			return false
		}
	}
	return true
}

// follows returns how many lines of got are needed to hold those of want in their order, others between them; ok is false
// where one is missing.
func follows(got, want []string) (n int, ok bool) {
	for _, line := range want {
		for n < len(got) && normal(got[n]) != normal(line) {
			n++
		}
		if n == len(got) {
			return 0, false
		}
		n++
	}
	return n, true
}
