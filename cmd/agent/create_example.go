package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"goflume/conf"
	"goflume/examples"
)

// createExample writes an example, or lists them.
func createExample(o *options, std streams) int {
	if len(o.args) > 0 || o.full {
		fmt.Fprintln(std.err, "agent create: an example is written as it is: no SOURCE/CHANNEL/SINK and no --full beside --example")
		return exitUsage
	}
	if o.example == "list" {
		listExamples(std.out)
		return exitOK
	}
	name := strings.TrimSuffix(o.example, ".conf")
	text, ok := examples.Text(name)
	if !ok {
		help := "`agent create --example list` shows them"
		if near := conf.Nearest(name, examples.Names()); near != "" {
			help = "did you mean " + near + "?"
		}
		fmt.Fprintf(std.err, "agent create: there is no example %q\n  = help: %s\n", o.example, help)
		return exitUsage
	}
	var agents []string
	if set, _ := conf.Parse(context.Background(), o.env(time.Now()), conf.Input{Name: name, Data: []byte(text)}); set != nil {
		for _, a := range set.Agents {
			agents = append(agents, a.Name)
		}
	}
	switch {
	case o.name == "":
	case len(agents) != 1:
		fmt.Fprintf(std.err, "agent create: the example %s has the agents %s: leave --name away\n", name, strings.Join(agents, ", "))
		return exitUsage
	default:
		text = withAgent(text, agents[0], o.name)
		agents[0] = o.name
	}
	what := "example " + name + ", agent " + strings.Join(agents, ", ")
	if o.output == "" || o.output == "-" {
		return o.deliver(std, text, what)
	}
	text = strings.ReplaceAll(text, examples.Folder+name+".conf", o.output)
	for _, file := range examples.Needs(name) {
		beside := filepath.Join(filepath.Dir(o.output), file)
		text = strings.ReplaceAll(text, examples.Folder+file, beside)
		if have, err := os.ReadFile(beside); err == nil && bytes.Equal(have, examples.File(file)) {
			continue
		}
		if err := writeNew(beside, string(examples.File(file))); err != nil {
			fmt.Fprintf(std.err, "agent create: %v\n", err)
			return exitCantCreate
		}
		what += ", with " + beside
	}
	return o.deliver(std, text, what)
}

// listExamples prints the examples' names with what each is for.
func listExamples(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, name := range examples.Names() {
		text, _ := examples.Text(name)
		fmt.Fprintf(table, "%s\t%s\n", name, firstSentence(text))
	}
	table.Flush()
}

// withAgent gives the agent of an example another name.
func withAgent(text, from, to string) string {
	var b bytes.Buffer
	for line := range strings.Lines(text) {
		mark := ""
		if rest, ok := strings.CutPrefix(line, "#"); ok {
			mark, line = "#", strings.ReplaceAll(rest, "--name "+from, "--name "+to)
		}
		if rest, ok := strings.CutPrefix(line, from+"."); ok {
			line = to + "." + rest
		}
		b.WriteString(mark + line)
	}
	return b.String()
}

// firstSentence is that of the comment at the head of an example.
func firstSentence(text string) string {
	var words []string
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "#")
		if !ok {
			break
		}
		words = append(words, strings.Fields(rest)...)
	}
	comment := strings.Join(words, " ")
	if at := strings.Index(comment, ". "); at >= 0 {
		comment = comment[:at]
	}
	return strings.TrimSuffix(comment, ".")
}
