package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"goflume/agent/admin"
	"goflume/conf"
)

var statusVerb = verb{name: "status", usage: "--admin ADDR [--format json]", does: "tell what a running agent's components do", options: true, run: showStatus,
	more: `It asks the admin interface of an agent on this machine, which --admin or AGENT_ADMIN names as for run. The exit status
is 0 where an agent answers, however it fares, and 69 where none does; agent health tells whether all is well.
`}

// running is what the status page says of an agent.
type running struct {
	Agent, Version  string
	Started, Loaded time.Time
	Ready, Draining bool
	Generation      int
	ReloadRefused   string
	Components      []struct {
		Kind, Name, Type, State, LastError string
		Since                              time.Time
		Errors                             int
		Dropped                            int64
	}
}

// showStatus shows what an agent does.
func showStatus(o *options, std streams) int {
	if o.admin == "" || len(o.args) > 0 || o.format != "text" && o.format != "json" {
		fmt.Fprintln(std.err, "agent status: say --admin ADDR or unix:PATH, as run was told; --format is text or json")
		return exitUsage
	}
	if err := admin.CheckAddr(o.admin); err != nil {
		fmt.Fprintln(std.err, "agent status:", err)
		return exitUsage
	}
	text, err := askAdmin(o.admin, "/api/v1/status")
	if err == nil && o.format == "json" {
		io.WriteString(std.out, text)
		return exitOK
	}
	var r running
	counts := map[string]map[string]string{}
	if err == nil {
		err = json.Unmarshal([]byte(text), &r)
	}
	if err == nil {
		text, err = askAdmin(o.admin, "/metrics.json")
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &counts)
	}
	if err != nil {
		fmt.Fprintln(std.err, "agent status:", err)
		return exitUnavailable
	}
	r.write(std.out, counts, time.Now())
	return exitOK
}

// delivered says how many events sinks delivered, and how many they dropped if they did.
func delivered(n any, dropped int64) string {
	text := fmt.Sprint(n, " delivered")
	if dropped > 0 {
		text += fmt.Sprintf(", %d dropped", dropped)
	}
	return text
}

// write shows the agent in a line and each component in one of a table.
func (r running) write(w io.Writer, counts map[string]map[string]string, now time.Time) {
	how := "starting"
	switch {
	case r.Draining:
		how = "draining"
	case r.Ready:
		how = "ready"
	}
	fmt.Fprintf(w, "agent %s: %s, up %v, generation %d loaded %s, version %s\n", conf.Clean(r.Agent), how, now.Sub(r.Started).Round(time.Second),
		r.Generation, r.Loaded.Local().Format("2006-01-02 15:04:05"), conf.Clean(r.Version))
	if r.ReloadRefused != "" {
		fmt.Fprintf(w, "the last reload was refused: %s\n", conf.Clean(r.ReloadRefused))
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range r.Components {
		n := counts[strings.ToUpper(c.Kind)+"."+c.Name]
		did := ""
		switch c.Kind {
		case "source":
			did = n["EventAcceptedCount"] + " accepted"
		case "channel":
			did = n["ChannelSize"] + " queued"
			if n["ChannelCapacity"] != "0" {
				did += " of " + n["ChannelCapacity"]
			}
		case "sink":
			did = delivered(n["EventDrainSuccessCount"], c.Dropped)
		}
		why := ""
		if c.Errors > 0 {
			why = fmt.Sprintf("%d failures, the last: %s", c.Errors, conf.Clean(c.LastError))
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s for %v\t%s\t%s\n", c.Kind, conf.Clean(c.Name), conf.Clean(c.Type), c.State,
			now.Sub(c.Since).Round(time.Second), did, why)
	}
	table.Flush() // an error is the writer's, which has shown it
}
