package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

var manVerb = verb{name: "man", does: "print the manual page", more: "  agent man | man -l -\n", run: func(o *options, std streams) int {
	if len(o.args) > 0 {
		fmt.Fprintln(std.err, "usage: agent man")
		return exitUsage
	}
	fmt.Fprint(std.out, manPage(programName(os.Args[0])))
	return exitOK
}}

// exitStatus says what the exit codes mean.
var exitStatus = []struct {
	code    int
	name    string
	meaning string
}{
	{exitOK, "OK", "The agent stopped after it had drained; there was nothing to object to."},
	{exitUsage, "USAGE", "An option or a word that there is not, or two that do not go together."},
	{exitNoInput, "NOINPUT", "A configuration file is not there or cannot be read."},
	{exitUnavailable, "UNAVAILABLE", "With --require-healthy: a component did not start. health: the agent does not answer, or is not well."},
	{exitSoftware, "SOFTWARE", "A bug in this program, or a file that a tool cannot work on."},
	{exitCantCreate, "CANTCREAT", "A file or a directory cannot be made: of a file channel, which may also be in use, of the process id, of an output."},
	{exitIOErr, "IOERR", "channel: the files are damaged. Other commands: what they print cannot be written."},
	{exitTempFail, "TEMPFAIL", "Events were left in memory channels when the drain timeout had passed; the last line of the log counts them."},
	{exitNoPerm, "NOPERM", "A configuration file may not be read."},
	{exitConfig, "CONFIG", "The configuration has errors; validate shows them."},
}

// signalMeaning says what signals do to a running agent.
var signalMeaning = [][2]string{
	{"SIGTERM, SIGINT", "Stop: sources end, memory channels are drained, sinks close their files. A second one stops at once."},
	{"SIGHUP", "Read the configuration again."},
	{"SIGUSR1", "Log the state of every component."},
	{"SIGQUIT", "Print what every goroutine does, and go on."},
}

// manFiles are the files of a packaged agent.
var manFiles = [][2]string{
	{"/etc/goflume/NAME.conf", "Configuration of the agent NAME, which goflume@NAME.service runs."},
	{"/etc/goflume/goflume.env, /etc/goflume/NAME.env", "Options of all agents and of one, as variables: AGENT_DRAIN_TIMEOUT=60."},
	{"/etc/flume/flume.opts", "Default options, named as the long ones: conf-file = /etc/flume/flume.conf."},
	{"/var/lib/goflume/NAME", "What the agent keeps: positions, file channels."},
	{"/run/goflume/NAME/admin.sock", "Its admin interface."},
}

// manPage returns the manual page in roff, made of the texts that help prints.
func manPage(program string) string {
	var m roff
	fmt.Fprintf(&m, ".TH %s 1 \"\" \"goflume %s\" \"User Commands\"\n", strings.ToUpper(program), version)
	m.section("NAME")
	m.text(program + " - runs Apache Flume's configuration files")
	m.section("SYNOPSIS")
	m.line(program + " [run] --conf-file FILE [--name AGENT]")
	m.line(program + " COMMAND [OPTION...]")
	m.line("flume-ng agent --conf-file FILE --name AGENT")
	m.section("DESCRIPTION")
	m.text("goflume takes events from sources, keeps them in channels and delivers them by sinks, as a flume.conf says. " +
		"It needs neither Java nor Hadoop. Called by the name flume-ng it has the words and options of Flume's own script.")
	m.section("COMMANDS")
	for _, v := range verbs {
		if v.does == "" {
			continue
		}
		m.item(strings.TrimSpace(v.name+" "+v.usage), strings.ToUpper(v.does[:1])+v.does[1:]+".")
		if v.more != "" {
			m.WriteString(".RS\n.PP\n")
			m.verbatim(v.more)
			m.WriteString(".RE\n")
		}
	}
	m.section("OPTIONS")
	m.text("Those of run. Each can also be given as a variable: AGENT_CONF_FILE for --conf-file. help COMMAND shows what other commands add.")
	(&options{}).flagsOf("run").VisitAll(func(f *pflag.Flag) {
		value, about := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "false" && f.DefValue != "0s" {
			about += " (" + f.DefValue + ")"
		}
		m.item(strings.TrimSpace(name+" "+value), about+".")
	})
	m.section("SIGNALS")
	m.items(signalMeaning)
	m.section("EXIT STATUS")
	for _, s := range exitStatus {
		m.item(fmt.Sprintf("%d %s", s.code, s.name), s.meaning)
	}
	m.section("FILES")
	m.items(manFiles)
	m.section("SEE ALSO")
	m.text("The pages below /usr/share/doc/goflume/docs: operations.md, security.md, coming-from-flume.md, and components/ with every property.")
	return m.String()
}

// roff writes a manual page.
type roff struct{ strings.Builder }

func (m *roff) section(title string) { fmt.Fprintf(m, ".SH %s\n", title) }

// item is a paragraph with a bold tag.
func (m *roff) item(tag, text string) {
	fmt.Fprintf(m, ".TP\n\\fB%s\\fR\n%s\n", escaped(tag), escaped(text))
}

func (m *roff) items(all [][2]string) {
	for _, i := range all {
		m.item(i[0], i[1])
	}
}

func (m *roff) text(text string) { fmt.Fprintf(m, "%s\n", escaped(text)) }

// line stands by itself.
func (m *roff) line(text string) { fmt.Fprintf(m, "%s\n.br\n", escaped(text)) }

// verbatim keeps lines as they are.
func (m *roff) verbatim(text string) {
	fmt.Fprintf(m, ".nf\n%s\n.fi\n", escaped(strings.TrimRight(text, "\n")))
}

// escaped is the text with what roff reads otherwise: a backslash, a dash, a dot or an apostrophe at the start of a line.
func escaped(text string) string {
	lines := strings.Split(strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
