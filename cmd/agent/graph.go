package main

import (
	"fmt"
	"io"
	"strings"

	"goflume/agent"
	"goflume/conf"
)

var graphVerb = verb{name: "graph", usage: "FILE", does: "draw the flow of a configuration", options: true, run: graph,
	more: "  agent graph flume.conf\n  agent graph --format mermaid flume.conf     for a README\n  agent graph --format dot flume.conf | dot -Tsvg\n"}

func graph(o *options, std streams) int {
	draw := map[string]func(io.Writer, []*agent.Plan){"text": drawText, "mermaid": drawMermaid, "dot": drawDot}[o.format]
	if draw == nil {
		fmt.Fprintf(std.err, "agent graph: no format %q: text, mermaid or dot\n", o.format)
		return exitUsage
	}
	if !o.named("graph", std) {
		return exitUsage
	}
	c := o.check(std)
	if conf.HasErrors(c.issues) {
		conf.WriteText(std.err, c.issues, o.useColour(std.err))
		conf.WriteSummary(std.err, c.set, c.issues)
		return exitOf(c.issues)
	}
	draw(std.out, c.plans)
	return exitOK
}

func drawText(w io.Writer, plans []*agent.Plan) {
	for _, p := range plans {
		if len(plans) > 1 {
			fmt.Fprintf(w, "%s\n", conf.Clean(p.Agent))
		}
		for _, line := range p.Lines(nil) {
			fmt.Fprintf(w, "  %s\n", conf.Clean(line))
		}
	}
}

// shape is a component in a drawing.
type shape struct {
	id   string
	text string
}

// drawing is an agent's flow as shapes and arrows.
type drawing struct {
	agent                    string
	sources, channels, sinks []shape
	groups                   []shape // of more than one sink
	members                  map[string][]string
	arrows                   [][2]string // from, to
}

func newDrawing(n int, p *agent.Plan) drawing {
	d := drawing{agent: p.Agent, members: map[string][]string{}}
	ids := map[string]string{}
	id := func(kind, name string) string {
		key := kind + " " + name
		if ids[key] == "" {
			ids[key] = fmt.Sprintf("%s%d_%d", kind, n, len(ids))
		}
		return ids[key]
	}
	for _, c := range p.Channels {
		d.channels = append(d.channels, shape{id("channel", c.Node.Name), agent.Summary(c.Node.Name, c.Entry.Name, c.Settings)})
	}
	for _, s := range p.Sources {
		from := id("source", s.Node.Name)
		text := agent.Summary(s.Node.Name, s.Entry.Name, s.Settings)
		for _, i := range s.Interceptors {
			text += "\n" + i.Entry.Name
		}
		d.sources = append(d.sources, shape{from, text})
		for _, c := range s.Channels {
			d.arrows = append(d.arrows, [2]string{from, id("channel", c)})
		}
	}
	for _, g := range p.Groups {
		group := ""
		if g.Node != nil {
			group = id("group", g.Node.Name)
			d.groups = append(d.groups, shape{group, g.Node.Name + " " + g.Processor.Entry.Name})
		}
		for _, k := range g.Sinks {
			to := id("sink", k.Node.Name)
			d.sinks = append(d.sinks, shape{to, agent.Summary(k.Node.Name, k.Entry.Name, k.Settings)})
			d.arrows = append(d.arrows, [2]string{id("channel", k.Channel), to})
			d.members[group] = append(d.members[group], to)
		}
	}
	return d
}

func drawMermaid(w io.Writer, plans []*agent.Plan) {
	quote := strings.NewReplacer("\"", "#quot;", "\n", "<br/>", "<", "#lt;", ">", "#gt;")
	fmt.Fprintln(w, "flowchart LR")
	for n, p := range plans {
		d := newDrawing(n, p)
		fmt.Fprintf(w, "  subgraph agent%d[\"agent %s\"]\n", n, quote.Replace(d.agent))
		for _, s := range d.sources {
			fmt.Fprintf(w, "    %s[\"%s\"]\n", s.id, quote.Replace(s.text))
		}
		for _, s := range d.channels {
			fmt.Fprintf(w, "    %s[(\"%s\")]\n", s.id, quote.Replace(s.text))
		}
		for _, s := range d.sinks {
			fmt.Fprintf(w, "    %s[\"%s\"]\n", s.id, quote.Replace(s.text))
		}
		for _, g := range d.groups {
			fmt.Fprintf(w, "    subgraph %s[\"%s\"]\n      %s\n    end\n", g.id, quote.Replace(g.text), strings.Join(d.members[g.id], "\n      "))
		}
		for _, a := range d.arrows {
			fmt.Fprintf(w, "    %s --> %s\n", a[0], a[1])
		}
		fmt.Fprintln(w, "  end")
	}
}

func drawDot(w io.Writer, plans []*agent.Plan) {
	quote := func(s string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
	}
	fmt.Fprintln(w, "digraph flume {\n  rankdir=LR;\n  node [shape=box];")
	for n, p := range plans {
		d := newDrawing(n, p)
		fmt.Fprintf(w, "  subgraph cluster_%d {\n    label=%s;\n", n, quote("agent "+d.agent))
		for _, s := range append(d.sources, d.sinks...) {
			fmt.Fprintf(w, "    %s [label=%s];\n", s.id, quote(s.text))
		}
		for _, s := range d.channels {
			fmt.Fprintf(w, "    %s [shape=cylinder, label=%s];\n", s.id, quote(s.text))
		}
		for _, g := range d.groups {
			fmt.Fprintf(w, "    subgraph cluster_%s { label=%s; %s; }\n", g.id, quote(g.text), strings.Join(d.members[g.id], "; "))
		}
		for _, a := range d.arrows {
			fmt.Fprintf(w, "    %s -> %s;\n", a[0], a[1])
		}
		fmt.Fprintln(w, "  }")
	}
	fmt.Fprintln(w, "}")
}
