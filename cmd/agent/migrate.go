package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"goflume/agent"
	"goflume/conf"
	"goflume/internal/confedit"
)

var migrateVerb = verb{name: "migrate", usage: "FILE...", does: "bring a configuration up to date, with --exec-to-taildir without tail -F", options: true, run: migrate,
	more: `Rewrites deprecated names of properties, commas in lists of names and the names of Java classes that are not Flume's own.
With --exec-to-taildir, exec sources that run tail -F or tail -f become taildir sources, which lose nothing over a restart;
what taildir does not have becomes a comment. Comments, order and everything else stay as they are. What cannot be
translated is told and left. It prints a unified diff, in which secrets are masked, and changes nothing; -w writes the files.
  agent migrate flume.conf
  agent migrate --exec-to-taildir -w flume.conf
`}

// migration is a configuration with the changes to it.
type migration struct {
	texts map[*conf.File]*confedit.Text
	order []*conf.File
	twice map[string]bool // components with a key that is given twice, by agent and label
	notes []remark
}

// remark is what a migration has to say of a place.
type remark struct {
	at   conf.Pos
	text string
}

func (m *migration) say(at conf.Pos, format string, args ...any) {
	m.notes = append(m.notes, remark{at, fmt.Sprintf(format, args...)})
}

func migrate(o *options, std streams) int {
	if !o.named("migrate", std) {
		return exitUsage
	}
	paths := append(o.files, o.args...)
	if o.write && slices.Contains(paths, "-") {
		fmt.Fprintln(std.err, "agent migrate: -w writes files; standard input is none")
		return exitUsage
	}
	script := readScript(o.confDir, os.Getenv)
	env := o.env(time.Now())
	env.Getenv = script.getenv
	inputs, issues := conf.Read(std.in, paths...)
	var set *conf.Set
	if !conf.HasErrors(issues) {
		var more []conf.Issue
		set, more = checkInputs(env, inputs)
		issues = append(issues, more...)
	}
	if set == nil || len(set.Files) != len(inputs) {
		conf.Sort(issues)
		conf.WriteText(std.err, issues, o.useColour(std.err))
		return exitOf(issues)
	}
	agents := set.Agents
	if o.name != "" {
		a, issue := set.Pick(o.name)
		if issue != nil {
			conf.WriteText(std.err, []conf.Issue{*issue}, o.useColour(std.err))
			return exitConfig
		}
		agents = []*conf.Agent{a}
	}
	m, err := newMigration(set, inputs, issues)
	if err != nil {
		fmt.Fprintln(std.err, "agent migrate:", err)
		return exitSoftware
	}
	for _, a := range agents {
		m.lists(a, issues)
		m.names(a)
		if o.execToTaildir {
			m.execs(a)
		}
	}
	return m.finish(o, std, env, inputs, issues)
}

// checkInputs parses and checks every agent of the inputs.
func checkInputs(env conf.Env, inputs []conf.Input) (*conf.Set, []conf.Issue) {
	set, issues := conf.Parse(context.Background(), env, inputs...)
	if set == nil {
		return nil, issues
	}
	found := issues
	for _, a := range set.Agents {
		_, more := agent.Check(a, found, false)
		issues = append(issues, more...)
	}
	return set, issues
}

func newMigration(set *conf.Set, inputs []conf.Input, issues []conf.Issue) (*migration, error) {
	m := &migration{texts: map[*conf.File]*confedit.Text{}, order: set.Files, twice: map[string]bool{}}
	for i, f := range set.Files {
		t, err := confedit.New(inputs[i], f)
		if err != nil {
			return nil, err
		}
		m.texts[f] = t
	}
	for _, is := range issues {
		if (is.Code == "FL302" || is.Code == "FL303") && is.Component != "" {
			m.twice[is.Agent+" "+is.Component] = true
		}
	}
	return m, nil
}

// finish checks the result, shows or writes it, and says what was left.
func (m *migration) finish(o *options, std streams, env conf.Env, inputs []conf.Input, before []conf.Issue) int {
	slices.SortStableFunc(m.notes, func(a, b remark) int {
		if f := slices.Index(m.order, a.at.File) - slices.Index(m.order, b.at.File); f != 0 {
			return f
		}
		return a.at.Line - b.at.Line
	})
	for _, n := range m.notes {
		fmt.Fprintf(std.err, "%s:%d: %s\n", conf.Clean(n.at.File.Name), n.at.Line, conf.Clean(n.text))
	}
	changed := 0
	results := slices.Clone(inputs)
	for i, f := range m.order {
		if m.texts[f].Changed() {
			results[i].Data = m.texts[f].Bytes()
			changed++
		}
	}
	if changed == 0 {
		fmt.Fprintln(std.err, "nothing to change")
		return exitOK
	}
	_, after := checkInputs(env, results)
	if countErrors(after) > countErrors(before) {
		conf.Sort(after)
		conf.WriteText(std.err, after, o.useColour(std.err))
		fmt.Fprintln(std.err, "agent migrate: the result would have more errors than there are now: nothing is written")
		return exitSoftware
	}
	for i, f := range m.order {
		switch t := m.texts[f]; {
		case !t.Changed():
		case o.write:
			if err := replaceFile(f.Name, inputs[i].Data, results[i].Data); err != nil {
				fmt.Fprintln(std.err, "agent migrate:", err)
				return exitCantCreate
			}
			fmt.Fprintf(std.out, "wrote %s\n", conf.Clean(f.Name))
		default:
			if err := t.WriteDiff(plain(std.out)); err != nil {
				fmt.Fprintln(std.err, "agent migrate:", err)
				return exitIOErr
			}
		}
	}
	if conf.HasErrors(after) {
		fmt.Fprintf(std.err, "the result still has %s: `agent validate` shows them\n", errorsOnly(after))
	}
	return exitOK
}

func countErrors(issues []conf.Issue) int {
	n := 0
	for _, is := range issues {
		if is.Severity == conf.Error {
			n++
		}
	}
	return n
}

// replaceFile puts data in the place of the file's text, which must still be old. At any moment the name has the one or the
// other; rights, owner and symbolic links stay.
func replaceFile(name string, old, data []byte) (err error) {
	name, err = filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := keepOwner(f, info); err != nil {
		return fmt.Errorf("%s: the new file cannot have the owner of the old one: %w", name, err)
	}
	if err := f.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	now, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, old) {
		return fmt.Errorf("%s was changed in the meantime: nothing is written", name)
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return nil // the name is there; only its safety over a power failure is not known
	}
	defer dir.Close()
	dir.Sync()
	return nil
}
