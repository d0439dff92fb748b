package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"goflume/agent"
	"goflume/conf"
)

// loader reads the configuration that the command line names, at the start and at every reload.
type loader struct {
	files   []string
	name    string // of the agent; empty: the only one
	lenient bool
	env     func(now time.Time) conf.Env
	stdin   io.Reader
	once    map[string][]conf.Input // by file: what can be read only once, such as a pipe; nil before it was read
}

// prepare notes which files can be read only once: standard input, and pipes such as a shell's <(...).
func (l *loader) prepare() {
	l.once = map[string][]conf.Input{}
	for _, f := range l.files {
		info, err := os.Stat(f)
		if f == "-" || err == nil && info.Mode()&(os.ModeNamedPipe|os.ModeCharDevice|os.ModeSocket) != 0 {
			l.once[f] = nil
		}
	}
}

// watched are the files that may change.
func (l *loader) watched() []string {
	return slices.DeleteFunc(slices.Clone(l.files), func(f string) bool {
		_, once := l.once[f]
		return once
	})
}

// read reads the files; what can be read only once is kept for a reload.
func (l *loader) read() (inputs []conf.Input, issues []conf.Issue) {
	for _, f := range l.files {
		in, once := l.once[f]
		if in == nil {
			var more []conf.Issue
			in, more = conf.Read(l.stdin, f)
			issues = append(issues, more...)
			if once && !conf.HasErrors(more) {
				l.once[f] = in
			}
		}
		inputs = append(inputs, in...)
	}
	return inputs, issues
}

// loaded is a configuration with all that was found about it.
type loaded struct {
	set    *conf.Set   // nil if there is none
	agent  *conf.Agent // nil if the name is not there
	plan   *agent.Plan // nil if it cannot run
	issues []conf.Issue
	inputs []conf.Input // that it was made of
}

// load reads, checks and plans. It changes nothing and opens nothing but the files.
func (l *loader) load(ctx context.Context) loaded {
	var r loaded
	r.inputs, r.issues = l.read()
	if conf.HasErrors(r.issues) {
		return r
	}
	var found []conf.Issue
	r.set, found = conf.Parse(ctx, l.env(time.Now()), r.inputs...)
	r.issues = found
	if r.set == nil {
		return r
	}
	a, issue := r.set.Pick(l.name)
	if issue != nil {
		// Without the agent its components are not known; what was found in the file may say why it is not there.
		r.issues = append(r.issues, *issue)
		return r
	}
	r.agent = a
	plan, more := agent.Check(a, found, l.lenient)
	r.plan = plan
	r.issues = append(conf.Of(a.Name, found), more...)
	r.issues = append(r.issues, conf.CheckRights(r.issues)...)
	return r
}

// write shows what was found: errors, warnings and notes with their lines, and with errors what they come to.
func (r loaded) write(w io.Writer, colour bool) {
	conf.Sort(r.issues)
	conf.WriteText(w, r.issues, colour)
	if conf.HasErrors(r.issues) {
		conf.WriteSummary(w, r.set, r.issues)
	}
}

// label names the files for a message.
func (l *loader) label() string { return strings.Join(l.files, ", ") }

// refusal is the last line of a reload that failed.
func refusal(files, why string, st agent.Status) string {
	return fmt.Sprintf("reload of %s refused: %s; still running generation %d (loaded %s)", files, why, st.Generation, st.Loaded.UTC().Format(time.RFC3339))
}

// errorsOnly counts the errors, such as "1 error".
func errorsOnly(issues []conf.Issue) string {
	var errs []conf.Issue
	for _, is := range issues {
		if is.Severity == conf.Error {
			errs = append(errs, is)
		}
	}
	return conf.Count(errs)
}
