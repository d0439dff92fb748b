package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"goflume/agent"
	"goflume/conf"
)

var validateVerb = verb{name: "validate", aliases: []string{"check"}, usage: "[FILE...]", does: "check a configuration and show its flow", options: true, run: validate,
	more: `Files and directories; - is standard input. Nothing is connected to and nothing is written; config filters of type
external are run. Without --name every agent of the file is checked. The exit status is 0 if it could run.

With --probe each component of a configuration in order is asked whether what it needs is there now, for at most 5
seconds: servers are connected to and asked for what they are, ports are listened on for a moment, directories and
programs are looked for. Nothing is changed. The exit status is 69 where something is missing.
`}

// probeLimit is how long a component may look for what it needs.
const probeLimit = 5 * time.Second

// checked is a configuration with all its agents, or the named one, checked.
type checked struct {
	set    *conf.Set
	agents []*conf.Agent
	plans  []*agent.Plan // by agent; nil for one with errors
	issues []conf.Issue
	probed []agent.Probed // with --probe
}

// probe asks the components of all agents for what they need, if the configuration is in order.
func (c *checked) probe() {
	if conf.HasErrors(c.issues) {
		return
	}
	for _, p := range c.plans {
		c.probed = append(c.probed, p.Probe(context.Background(), probeLimit)...)
	}
}

// probeIssues are what the probes came to: failures and, if all, also what was found.
func (c checked) probeIssues(all bool) (issues []conf.Issue) {
	for _, p := range c.probed {
		if all || p.Err != nil {
			issues = append(issues, conf.ProbeIssue(p.Node, p.Found, p.Err))
		}
	}
	return issues
}

// check reads the configuration that the options and arguments name.
func (o *options) check(std streams) checked {
	script := readScript(o.confDir, os.Getenv)
	o.takeScript(script)
	_, leave, err := o.remotes(context.Background())
	defer leave()
	if err != nil {
		return checked{issues: []conf.Issue{{Severity: conf.Error, Code: "FL001", Message: err.Error()}}}
	}
	c := checked{issues: append(script.issues, o.refused()...)}
	env := o.env(time.Now())
	env.Getenv = script.getenv
	ctx := context.Background()
	set, found := conf.Load(ctx, env, std.in, append(o.files, o.args...)...)
	if c.set = set; set == nil {
		c.issues = append(c.issues, found...)
		return c
	}
	c.agents = set.Agents
	if o.name != "" || len(set.Agents) == 0 {
		a, issue := set.Pick(o.name)
		if issue != nil {
			c.agents, c.issues = nil, append(c.issues, *issue)
		} else {
			c.agents, found = []*conf.Agent{a}, conf.Of(o.name, found)
		}
	}
	c.issues = append(c.issues, found...)
	for _, a := range c.agents {
		plan, more := agent.Check(a, found, o.lenient)
		c.plans = append(c.plans, plan)
		c.issues = append(c.issues, more...)
	}
	c.issues = conf.Few(append(c.issues, conf.CheckRights(c.issues)...))
	conf.Sort(c.issues)
	return c
}

// named tells whether a configuration was named, and says so if not.
func (o *options) named(verb string, std streams) bool {
	if len(o.files)+len(o.uris)+len(o.args) > 0 {
		return true
	}
	fmt.Fprintf(std.err, "agent %s: no configuration: name a file\n", verb)
	return false
}

func validate(o *options, std streams) int {
	if !o.named("validate", std) {
		return exitUsage
	}
	c := o.check(std)
	if o.probe {
		c.probe()
	}
	issues := append(c.issues, c.probeIssues(o.format == "json")...)
	conf.Sort(issues)
	var err error
	switch o.format {
	case "json":
		err = conf.WriteJSON(std.out, issues)
	case "github":
		err = conf.WriteGitHub(std.out, issues)
	case "sarif":
		err = conf.WriteSARIF(std.out, version, issues)
	case "text":
		err = c.write(o, std)
	default:
		fmt.Fprintf(std.err, "agent validate: no format %q: text, json, github or sarif\n", o.format)
		return exitUsage
	}
	if err != nil {
		fmt.Fprintln(std.err, "agent validate:", err)
		return exitIOErr
	}
	if status := c.status(o); status != exitOK {
		return status
	}
	c.issues = issues
	return c.status(o)
}

// status is the exit code of what was found.
func (c checked) status(o *options) int {
	if conf.HasErrors(c.issues) {
		return exitOf(c.issues)
	}
	if o.deny && strings.Contains(conf.Count(c.issues), "warning") {
		return exitConfig
	}
	return exitOK
}

// write shows the issues, and what it comes to: the removed components, or each agent's flow.
func (c checked) write(o *options, std streams) error {
	if err := conf.WriteText(std.out, c.issues, o.useColour(std.out)); err != nil {
		return err
	}
	if conf.HasErrors(c.issues) || c.set == nil {
		return conf.WriteSummary(std.out, c.set, c.issues)
	}
	var files []string
	for _, f := range c.set.Files {
		files = append(files, f.Name)
	}
	var text bytes.Buffer
	for i, a := range c.agents {
		what := conf.Count(conf.Of(a.Name, c.issues))
		if what == "" {
			what = "no warnings"
		}
		fmt.Fprintf(&text, "%s: OK   agent %s: %s, %s\n\n", conf.Clean(strings.Join(files, ", ")), conf.Clean(a.Name), c.plans[i].Size(), what)
		for _, line := range c.plans[i].Lines(nil) {
			fmt.Fprintf(&text, "  %s\n", conf.Clean(line))
		}
		c.writeProbed(&text, a.Name)
	}
	_, err := std.out.Write(text.Bytes())
	return err
}

// writeProbed shows what the components of an agent found.
func (c checked) writeProbed(text *bytes.Buffer, agent string) {
	var rows bytes.Buffer
	table := tabwriter.NewWriter(&rows, 0, 0, 2, ' ', 0)
	asked, failed := 0, 0
	for _, p := range c.probed {
		if p.Node.Agent != agent {
			continue
		}
		asked++
		what, said := "ok", p.Found
		if p.Err != nil {
			failed++
			what, said = "FAILED", strings.ReplaceAll(p.Err.Error(), "\n", "; ")
		}
		fmt.Fprintf(table, "  %s %s\t%s\t%s\n", conf.Clean(p.Node.Name), conf.Clean(p.Type), what, conf.Clean(said))
	}
	table.Flush() // into memory
	if asked > 0 {
		fmt.Fprintf(text, "\n  %d of %d that need something outside of the program found it:\n%s", asked-failed, asked, rows.Bytes())
	}
}
