package conf

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Set is what a configuration says: its files and the agents in them.
type Set struct {
	Files  []*File
	Agents []*Agent // in the order of their first lines
}

// Agent is one agent of a configuration: the components that are in its lists and have properties, in the lists' order.
type Agent struct {
	Name string
	At   Pos // where it is first declared

	Sources  []*Node
	Channels []*Node
	Sinks    []*Node
	Groups   []*Node // sink groups
}

// Channel returns the node of the channel, nil if there is none.
func (a *Agent) Channel(name string) *Node { return byName(a.Channels, name) }

func byName(nodes []*Node, name string) *Node {
	for _, n := range nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Load reads and parses the files at the paths, as Read and Parse do. The set is nil if there is nothing in them.
func Load(ctx context.Context, env Env, stdin io.Reader, paths ...string) (*Set, []Issue) {
	inputs, issues := Read(stdin, paths...)
	if HasErrors(issues) {
		return nil, issues
	}
	return Parse(ctx, env, inputs...)
}

// Parse makes agents of the inputs: later ones override earlier ones, key by key. It reports everything that is wrong but
// for what only the component types know; a Registry's Decode tells that. What is most probably meant is put right in the
// nodes after it was reported, so that one mistake does not hide the next. The set is nil if there is no property at all.
func Parse(ctx context.Context, env Env, inputs ...Input) (*Set, []Issue) {
	s := &Set{}
	var entries []*entry
	var issues []Issue
	for _, in := range inputs {
		text, more, ok := in.text()
		if !ok {
			issues = append(issues, more...)
			continue
		}
		f, found, bad := scan(in.Name, text)
		if len(more) > 0 && len(f.Lines) > 0 {
			more[0].At = Pos{f, 1, 1, 1}
		}
		f.public = in.Public
		s.Files = append(s.Files, f)
		entries = append(entries, found...)
		issues = append(append(issues, more...), bad...)
		if len(found) == 0 && len(bad) == 0 && len(inputs) == 1 {
			issues = append(issues, Issue{Code: codeEmpty, Message: in.Name + " has no property: nothing to run",
				Help: []string{"`agent create netcat/memory/logger` prints a first configuration"}, Flume: "the process ends with status 0"})
		}
	}
	if len(entries) == 0 {
		if len(inputs) > 1 && !HasErrors(issues) {
			issues = append(issues, Issue{Code: codeEmpty, Message: "no file has a property: nothing to run"})
		}
		return nil, issues
	}
	entries, more := lastOnes(entries)
	issues = append(issues, more...)

	r := &resolver{ctx: ctx, env: env, entries: map[string]*entry{}, state: map[*entry]int{}, filters: map[string]*filter{}}
	for _, e := range entries {
		r.entries[e.key] = e
	}
	r.declareFilters(entries)
	for _, e := range entries {
		r.resolve(e)
	}
	issues = append(issues, r.issues...)

	drafts, more := split(entries)
	issues = append(issues, more...)
	for _, d := range drafts {
		d.wire()
		if d.declared() {
			s.Agents = append(s.Agents, d.agent)
		}
		for _, is := range d.issues {
			is.Agent = d.agent.Name
			issues = append(issues, is)
		}
	}
	return s, Few(issues)
}

// lastOnes keeps of each key the last entry, in the order of the last ones, and reports the others.
func lastOnes(entries []*entry) ([]*entry, []Issue) {
	var issues []Issue
	last := map[string]*entry{}
	for _, e := range entries {
		agent, _, _ := strings.Cut(e.key, ".")
		before := last[e.key]
		last[e.key] = e
		if before == nil {
			continue
		}
		is := Issue{Severity: Warning, Code: codeTwice, Mark: Mark{At: e.valueAt}, Agent: agent, Component: componentOf(e.key),
			Message: fmt.Sprintf("%s is given twice: this later value counts", e.key),
			Also:    []Mark{{before.valueAt, "overridden"}}, Help: []string{"take one of the lines out"}, Secret: SecretKey(e.key)}
		switch {
		case before.written == e.written:
			is.Severity, is.Code, is.Message = Note, codeRepeated, fmt.Sprintf("%s is given twice with the same value", e.key)
			is.Also[0].Text = "first here"
		case before.keyAt.File != e.keyAt.File:
			is.Severity, is.Help = Note, nil
			is.Message = fmt.Sprintf("%s overrides the value in %s", e.key, before.keyAt.File.Name)
		}
		issues = append(issues, is)
	}
	return slices.DeleteFunc(entries, func(e *entry) bool { return last[e.key] != e }), issues
}

// most is how many issues of one code are kept, so that a file that is no configuration does not flood anybody.
const most = 50

// Few keeps so many issues of each code that a reader can still look at them, and says how many more there are.
func Few(issues []Issue) []Issue {
	count := map[string]int{}
	first := map[string]Issue{}
	var few []Issue
	for _, is := range issues {
		if _, ok := first[is.Code]; !ok {
			first[is.Code] = is
		}
		if is.more > 0 { // what an earlier Few said
			count[is.Code] += is.more
		} else if count[is.Code]++; count[is.Code] <= most {
			few = append(few, is)
		}
	}
	for _, code := range sortedKeys(count) {
		if n := count[code] - most; n > 0 {
			few = append(few, Issue{Severity: first[code].Severity, Code: code, Agent: first[code].Agent, more: n,
				Message: fmt.Sprintf("and %d more like this: %s", n, Lookup(code).Title)})
		}
	}
	return few
}

// Pick returns the agent of that name, or the only one if the name is empty. Without it the issue says why.
func (s *Set) Pick(name string) (*Agent, *Issue) {
	var names, places []string
	for _, a := range s.Agents {
		if a.Name == name || name == "" && len(s.Agents) == 1 {
			return a, nil
		}
		names = append(names, a.Name)
		places = append(places, fmt.Sprintf("%s (line %d)", a.Name, a.At.Line))
	}
	file := "the configuration"
	if len(s.Files) == 1 {
		file = s.Files[0].Name
	}
	have := "agents in this file: " + strings.Join(places, ", ")
	switch {
	case len(names) == 0:
		return nil, &Issue{Code: codeNoSuchAgent, Message: file + " declares no agent",
			Help: []string{"an agent is declared by its lists: `a1.sources = r1`, `a1.channels = c1`, `a1.sinks = k1`"}}
	case name == "":
		return nil, &Issue{Code: codeWhichAgent, Message: file + " has several agents: say which with --name", Help: []string{have}}
	}
	is := &Issue{Code: codeNoSuchAgent, Message: fmt.Sprintf("%s has no agent named %q", file, name), Help: []string{have}}
	if near := Nearest(name, names); near != "" {
		is.Help[0] = "did you mean --name " + near + "?   " + have
	}
	return nil, is
}

// Of keeps the issues that concern the agent: its own and those of the file.
func Of(agent string, issues []Issue) []Issue {
	return slices.DeleteFunc(slices.Clone(issues), func(is Issue) bool { return is.Agent != "" && is.Agent != agent })
}
