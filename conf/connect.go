package conf

import (
	"fmt"
	"slices"
	"strings"
)

// maxChannels is the most channels that one source may have: selectors answer with a set of 64.
const maxChannels = 64

// set gives the node's property another value, or a new property that stands at the place of old.
func (n *Node) set(key, value string, old Property) {
	old.Key, old.Value = key, value
	n.Props = slices.DeleteFunc(n.Props, func(p Property) bool { return p.Key == key })
	n.Props = append(n.Props, old)
}

// misnamed handles `channel` written for `channels` and the other way round: it is reported and read as meant.
func (d *draft) misnamed(n *Node, right, wrong, rule, none string) {
	p, ok := n.Get(wrong)
	if !ok {
		return
	}
	n.settled = append(n.settled, wrong)
	is := d.report(Error, codeChannelKey, p.KeyAt, n.Label(), "%s: the property is `%s`", rule, right)
	is.Text, is.Property = none, wrong
	is.Help = []string{fmt.Sprintf("rename it: `%s.%s = %s`", n.Path(), right, p.Value)}
	if _, both := n.Get(right); both {
		is.Severity, is.Help = Warning, []string{"take this line out"}
		return
	}
	n.Props = slices.DeleteFunc(n.Props, func(q Property) bool { return q.Key == wrong })
	n.set(right, p.Value, p)
}

// source checks the channels of a source.
func (d *draft) source(n *Node) {
	d.misnamed(n, "channels", "channel", "a source may feed several channels", "sources have no property `channel`")
	if p, ok := n.Get("interceptors"); ok && strings.Contains(p.Value, ",") {
		d.rewrite(n, p, d.separate(p, "interceptor", n.Path()+".interceptors", n.Label()))
	}
	p, ok := n.Get("channels")
	if !ok {
		n.settled = append(n.settled, "channels")
		is := d.report(Error, codeNoChannels, n.place(), n.Label(), "%s has no channels: nobody would get its events", n.Label())
		is.Help = []string{fmt.Sprintf("add `%s.channels = %s`", n.Path(), d.someChannel())}
		is.Flume = "the source is removed, the rest starts"
		return
	}
	if p.Broken {
		return
	}
	items := d.separate(p, "channel", n.Path()+".channels", n.Label())
	var known []Item
	for _, item := range items {
		name, ok := d.channel(n, item, "puts into")
		if ok && !slices.ContainsFunc(known, func(k Item) bool { return k.Name == name }) {
			known = append(known, Item{name, item.At})
		}
	}
	if len(known) > maxChannels {
		d.report(Error, codeManyChannels, p.ValueAt, n.Label(), "%s has %d channels: the most is %d", n.Label(), len(known), maxChannels)
	}
	d.rewrite(n, p, known)
}

// rewrite puts the names as they are meant into the property.
func (d *draft) rewrite(n *Node, p Property, items []Item) {
	var names []string
	for _, item := range items {
		names = append(names, item.Name)
	}
	if value := strings.Join(names, " "); value != "" && value != strings.Join(strings.Fields(p.Value), " ") {
		n.set(p.Key, value, p)
	}
}

// sink checks the channel of a sink.
func (d *draft) sink(n *Node) {
	d.misnamed(n, "channel", "channels", "a sink takes from exactly one channel", "sinks have no property `channels`")
	p, ok := n.Get("channel")
	if !ok {
		n.settled = append(n.settled, "channel")
		is := d.report(Error, codeNoChannel, n.place(), n.Label(), "%s has no channel to take from", n.Label())
		is.Help = []string{fmt.Sprintf("add `%s.channel = %s`", n.Path(), d.someChannel())}
		is.Flume = "the sink is removed, the rest starts"
		return
	}
	if p.Broken {
		return
	}
	items := d.separate(p, "channel", n.Path()+".channel", n.Label())
	if len(items) > 1 {
		is := d.report(Error, codeTwoChannels, items[1].At, n.Label(), "a sink takes from exactly one channel, and %s names %d", n.Label(), len(items))
		is.Help = []string{fmt.Sprintf("write `%s.channel = %s`, and add a sink for each other channel", n.Path(), items[0].Name)}
		is.Flume = "the sink is removed, the rest starts"
		items = items[:1]
	}
	for _, item := range items {
		if name, ok := d.channel(n, item, "takes from"); ok {
			d.rewrite(n, p, []Item{{name, item.At}})
		}
	}
}

// channel finds the declared channel that item names. ok is false if there is none.
func (d *draft) channel(n *Node, item Item, does string) (name string, ok bool) {
	var names []string
	for _, listed := range d.listed["channels"] {
		if listed.Name == item.Name {
			return item.Name, true
		}
		names = append(names, listed.Name)
		if c := byName(d.nodes["channels"], listed.Name); c != nil && c.listedAs == item.Name {
			return c.Name, true
		}
	}
	is := d.report(Error, codeUnknownChannel, item.At, n.Label(), "%s %s channel %q, which is not declared", n.Label(), does, item.Name)
	is.Flume = "the " + n.kind() + " is removed, the rest starts"
	if n.Family == "sources" {
		is.Flume = "the channel is left out in silence; a source without any other is removed"
	}
	if e := d.lists["channels"]; e != nil {
		is.Also = []Mark{{e.valueAt, "the channels of agent " + d.agent.Name}}
	}
	switch near := Nearest(item.Name, names); {
	case near != "":
		is.Help = []string{"did you mean `" + near + "`?"}
		return near, true
	case byName(d.nodes["channels"], item.Name) != nil:
		is.Help = []string{fmt.Sprintf("it is configured, but not in the list: write `%s.channels = %s`", d.agent.Name, strings.Join(append(names, item.Name), " "))}
	case len(names) > 0:
		is.Help = []string{"the channels are " + enumerate(names)}
	}
	return "", false
}

func (d *draft) someChannel() string {
	if items := d.listed["channels"]; len(items) > 0 {
		return items[0].Name
	}
	return "c1"
}

// groups checks the sinks of the sink groups.
func (d *draft) groups() {
	taken := map[string]Mark{}
	owner := map[string]*Node{}
	for _, g := range d.agent.Groups {
		p, ok := g.Get("sinks")
		if !ok {
			g.settled = append(g.settled, "sinks")
			is := d.report(Error, codeNoSinks, g.place(), g.Label(), "%s has no sinks", g.Label())
			is.Help = []string{fmt.Sprintf("add `%s.sinks = ...`", g.Path())}
			is.Flume = "the process ends at start"
			continue
		}
		var members []Item
		for _, item := range d.separate(p, "sink", g.Path()+".sinks", g.Label()) {
			if !d.member(g, &item) {
				continue
			}
			if first, twice := taken[item.Name]; twice {
				is := d.report(Error, codeTwoGroups, item.At, g.Label(), "sink %q is in two groups", item.Name)
				is.Also = []Mark{first}
				is.Help = []string{"a sink belongs to one group: take it out of the other"}
				is.Flume = "it stays in the first; a group without any other sink is removed"
				if owner[item.Name] == g {
					is.Severity, is.Message = Warning, fmt.Sprintf("sink %q is in the group twice", item.Name)
					is.Help, is.Flume = nil, ""
				}
				continue
			}
			taken[item.Name], owner[item.Name] = Mark{item.At, "also here, by " + g.Label()}, g
			members = append(members, item)
		}
		d.rewrite(g, p, members)
		d.processor(g, members)
	}
}

// member tells whether the item is a sink; of a near one the name is put right.
func (d *draft) member(g *Node, item *Item) bool {
	var names []string
	for _, listed := range d.listed["sinks"] {
		if listed.Name == item.Name {
			return true
		}
		names = append(names, listed.Name)
		if k := byName(d.nodes["sinks"], listed.Name); k != nil && k.listedAs == item.Name {
			item.Name = k.Name
			return true
		}
	}
	is := d.report(Error, codeUnknownSink, item.At, g.Label(), "%s names sink %q, which is not declared", g.Label(), item.Name)
	is.Flume = "the sink is left out in silence; a group without any other is removed"
	if near := Nearest(item.Name, names); near != "" {
		is.Help = []string{"did you mean `" + near + "`?"}
		item.Name = near
		return true
	}
	if len(names) > 0 {
		is.Help = []string{"the sinks are " + enumerate(names)}
	}
	return false
}

// processor checks that the group's processor fits the number of its sinks.
func (d *draft) processor(g *Node, members []Item) {
	typ, ok := g.Get("processor.type")
	switch {
	case !ok && len(members) > 1:
		is := d.report(Error, codeNoProcessor, g.place(), g.Label(), "%s has %d sinks and no processor that picks among them", g.Label(), len(members))
		is.Help = []string{fmt.Sprintf("add `%s.processor.type = failover`, or load_balance", g.Path())}
		is.Flume = "the group is removed, and its sinks with it"
	case ok && strings.EqualFold(typ.Value, "default") && len(members) > 1:
		is := d.report(Error, codeNoProcessor, typ.ValueAt, g.Label(), "the default processor has one sink, and %s has %d", g.Label(), len(members))
		is.Help = []string{"take failover or load_balance, or leave the group out: each sink then runs by itself"}
		is.Flume = "the group is removed, and its sinks with it"
	case ok && len(members) == 1 && strings.EqualFold(typ.Value, "load_balance"):
		is := d.report(Warning, codeOneSink, typ.ValueAt, g.Label(), "%s balances the load over a single sink", g.Label())
		is.Flume = "the group is removed, and its sink with it"
	}
}

// whole checks the agent as a whole.
func (d *draft) whole() {
	a := d.agent
	if d.lists["channels"] == nil {
		is := d.report(Error, codeNoChannelsAtAll, a.At, "", "agent %q has no channels", a.Name)
		is.Help = []string{fmt.Sprintf("add `%s.channels = c1` and `%s.channels.c1.type = memory`", a.Name, a.Name)}
		is.Flume = "the agent is not there; the process runs idle"
	}
	if len(a.Sources) == 0 && len(a.Sinks) == 0 && len(d.issues) == 0 {
		is := d.report(Error, codeNothingToRun, a.At, "", "agent %q has neither a source nor a sink", a.Name)
		is.Flume = "the agent is not there; the process runs idle"
	}
	for _, c := range a.Channels {
		var fed, drained bool
		for _, n := range a.Sources {
			fed = fed || slices.ContainsFunc(n.Items("channels"), func(i Item) bool { return i.Name == c.Name })
		}
		for _, n := range a.Sinks {
			drained = drained || n.Value("channel") == c.Name
		}
		shared := strings.Contains(strings.ToLower(c.Value("type")), "kafka")
		switch {
		case !fed && !drained:
			is := d.report(Warning, codeUnused, c.place(), "", "nothing is connected to channel %s", c.Name)
			is.Help = []string{fmt.Sprintf("name it in a source's `channels` and a sink's `channel`, or take %s off the list", c.Name)}
			is.Flume = "the channel is removed"
		case !drained && !shared:
			is := d.report(Warning, codeNotDrained, c.place(), "", "no sink takes from channel %s: it fills up, and its sources stop", c.Name)
			is.Help = []string{fmt.Sprintf("add a sink with `channel = %s`; `type = null` throws events away", c.Name)}
		}
	}
}
