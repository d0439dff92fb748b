package main

import (
	"fmt"
	"strings"

	"goflume/conf"
)

var explainVerb = verb{name: "explain", usage: "[CODE]", does: "tell more of a diagnostic, such as FL410", run: explain}

func explain(o *options, std streams) int {
	if len(o.args) == 0 {
		for _, c := range conf.Codes() {
			fmt.Fprintf(std.out, "%s  %s\n", c.ID, c.Title)
		}
		return exitOK
	}
	for i, id := range o.args {
		c := conf.Lookup(strings.Trim(id, "[]"))
		if c.ID == "" {
			fmt.Fprintf(std.err, "agent explain: there is no code %q; `agent explain` lists them\n", id)
			return exitUsage
		}
		if i > 0 {
			fmt.Fprintln(std.out)
		}
		fmt.Fprintf(std.out, "%s: %s\n\n%s\n", c.ID, c.Title, c.Text)
	}
	return exitOK
}
