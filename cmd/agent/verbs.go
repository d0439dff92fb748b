package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"goflume/conf"
)

// verb is a word that may come first on the command line.
type verb struct {
	name    string
	aliases []string
	usage   string // what comes behind the name
	does    string // one line
	more    string // of `agent help NAME`, beside the options
	options bool   // it has the options of flagsOf
	run     func(o *options, std streams) int
}

// verbs are set by init, as help needs them.
var verbs []verb

func init() {
	verbs = append(verbs,
		runVerb, validateVerb, graphVerb, listVerb, createVerb, migrateVerb, fmtVerb, explainVerb, healthVerb, statusVerb, versionVerb, completionVerb, manVerb, helpVerb, docsVerb)
}

// findVerb returns the verb of that name or alias.
func findVerb(name string) (verb, bool) {
	for _, v := range verbs {
		if v.name == name || slices.Contains(v.aliases, name) {
			return v, true
		}
	}
	return verb{}, false
}

// dispatch runs the verb that args begin with and returns the exit code. Options without a verb mean run. Under the name
// flume-ng the words are those of Flume's script.
func dispatch(argv0 string, args []string, std streams) int {
	if filepath.Base(argv0) == "flume-ng" {
		return dispatchFlume(args, std)
	}
	std = std.calledBy(programName(argv0))
	name := "run"
	switch {
	case len(args) == 0:
		printHelp(std.err)
		return exitUsage
	case args[0] == "-h" || args[0] == "--help" || args[0] == "-help":
		name, args = "help", args[1:]
	case args[0] == "--version" || args[0] == "-version":
		name, args = "version", nil
	case !strings.HasPrefix(args[0], "-"):
		name, args = args[0], args[1:]
	}
	v, ok := findVerb(name)
	if !ok {
		fmt.Fprintf(std.err, "agent: unknown command %q\n", name)
		var names []string
		for _, v := range verbs {
			names = append(append(names, v.name), v.aliases...)
		}
		if near := conf.Nearest(name, names); near != "" {
			fmt.Fprintf(std.err, "  = help: did you mean `agent %s`?\n", near)
		} else {
			fmt.Fprintln(std.err, "  = help: `agent help` lists the commands")
		}
		return exitUsage
	}
	return v.call(args, std)
}

// dispatchFlume runs a command of bin/flume-ng.
func dispatchFlume(args []string, std streams) int {
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch name {
	case "agent", "node":
		if name == "node" {
			fmt.Fprintln(std.err, "flume-ng: the command node is deprecated: write agent")
		}
		if v, ok := findVerb("run"); ok {
			return v.call(args, std)
		}
	case "help":
		printHelp(std.out)
		return exitOK
	case "version":
		return versionVerb.call(nil, std)
	case "avro-client", "tool":
		fmt.Fprintf(std.err, "flume-ng %s: not in this version\n", name)
		return exitUsage
	}
	fmt.Fprintf(std.err, "Error: Unknown or unspecified command '%s'\n", name)
	printHelp(std.err)
	return exitUsage
}

// call parses the options and runs the verb.
func (v verb) call(args []string, std streams) int {
	o := &options{}
	if v.options {
		var err error
		if o, err = parseOptions(v.name, args); err != nil {
			fmt.Fprintf(std.err, "agent %s: %v\n", v.name, err)
			return exitUsage
		}
	} else if o.args = args; len(args) > 0 && (args[0] == "-h" || args[0] == "--help") {
		o.help = true
	}
	if o.help {
		printVerbHelp(std.out, v)
		return exitOK
	}
	return v.run(o, std)
}

var versionVerb = verb{name: "version", does: "print the version", run: func(_ *options, std streams) int {
	fmt.Fprintf(std.out, "goflume %s (runs Apache Flume 1.11 configuration)\n", version)
	return exitOK
}}

var helpVerb = verb{name: "help", usage: "[COMMAND]", does: "what there is, or more on a command", run: func(o *options, std streams) int {
	if len(o.args) == 0 {
		printHelp(std.out)
		return exitOK
	}
	v, ok := findVerb(o.args[0])
	if !ok {
		fmt.Fprintf(std.err, "agent help: unknown command %q\n", o.args[0])
		return exitUsage
	}
	printVerbHelp(std.out, v)
	return exitOK
}}

func printHelp(w io.Writer) {
	fmt.Fprintf(w, `goflume runs Apache Flume's configuration files.

  agent --conf-file FILE [--name AGENT]     run it; so does flume-ng agent ...

Commands:
`)
	for _, v := range verbs {
		if v.does != "" {
			fmt.Fprintf(w, "  %-12s %s\n", v.name, v.does)
		}
	}
	fmt.Fprintf(w, `
First steps:
  agent create netcat/memory/logger -o flume.conf
  agent -f flume.conf

agent help COMMAND tells more.
`)
}

func printVerbHelp(w io.Writer, v verb) {
	fmt.Fprintf(w, "usage: agent %s\n\n%s.\n", strings.TrimSpace(v.name+" "+v.usage), strings.ToUpper(v.does[:1])+v.does[1:])
	if len(v.aliases) > 0 {
		fmt.Fprintf(w, "Also: agent %s\n", strings.Join(v.aliases, ", agent "))
	}
	if v.more != "" {
		fmt.Fprintf(w, "\n%s", v.more)
	}
	if v.options {
		o := &options{}
		fmt.Fprintf(w, "\nOptions, each also as AGENT_NAME and such in the environment:\n%s", o.flagsOf(v.name).FlagUsages())
	}
}
