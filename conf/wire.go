package conf

import (
	"fmt"
	"slices"
	"strings"
)

// wire checks the agent's lists and how its components hang together, and fills in the agent.
func (d *draft) wire() {
	if !d.declared() {
		return
	}
	for _, family := range []string{"sources", "channels", "sinks", "sinkgroups"} {
		d.list(family)
	}
	for _, family := range []string{"sources", "channels", "sinks", "sinkgroups"} {
		d.match(family)
	}
	d.agent.Sources, d.agent.Channels = d.members("sources"), d.members("channels")
	d.agent.Sinks, d.agent.Groups = d.members("sinks"), d.members("sinkgroups")
	for _, n := range d.agent.Sources {
		d.source(n)
	}
	for _, n := range d.agent.Sinks {
		d.sink(n)
	}
	d.groups()
	d.whole()
	for i := range d.issues {
		if is := &d.issues[i]; is.effect != nil {
			is.Flume, is.effect = is.effect(), nil
		}
	}
}

// list reads the names of a family: commas, doubles.
func (d *draft) list(family string) {
	e := d.lists[family]
	if e == nil {
		return
	}
	kind := (&Node{Family: family}).familyName()
	items := d.separate(Property{Key: family, Value: e.value, ValueAt: e.valueAt}, kind, d.agent.Name+"."+family, "")
	seen := map[string]Item{}
	for _, item := range items {
		if first, ok := seen[item.Name]; ok {
			is := d.report(Warning, codeListedTwice, item.At, "", "%s %q is in the list twice", kind, item.Name)
			is.Also = []Mark{{first.At, "first here"}}
			continue
		}
		seen[item.Name] = item
		d.listed[family] = append(d.listed[family], item)
	}
}

// separate returns the names in a list and reports commas, which Flume takes for a part of the name. path is the list's
// key; user is the component whose list it is, empty for an agent's own.
func (d *draft) separate(p Property, kind, path, user string) []Item {
	items := p.items()
	if !strings.Contains(p.Value, ",") {
		return items
	}
	var clean []Item
	var names, lost []string
	var at *Item
	for i := range items {
		item := items[i]
		if strings.Contains(item.Name, ",") && at == nil {
			at = &items[i]
		}
		column := item.At.Column
		whole := item.At.EndColumn-item.At.Column != len([]rune(item.Name))
		for _, name := range strings.Split(item.Name, ",") {
			one := Item{name, item.At}
			if !whole {
				one.At.Column = column
				one.At.EndColumn = column + len([]rune(name))
			}
			column += len([]rune(name)) + 1
			if name == "" {
				continue
			}
			clean, names = append(clean, one), append(names, name)
			if strings.Contains(item.Name, ",") {
				lost = append(lost, name)
			}
		}
	}
	is := d.report(Error, codeComma, at.At, "", "component names are separated by spaces, not commas")
	is.Text = fmt.Sprintf("Flume would read this as a %s named %q", kind, at.Name)
	if len(lost) == 0 {
		is.Component, is.Help = user, []string{"take the comma out"}
		return clean
	}
	is.Help = []string{fmt.Sprintf("write `%s = %s`", path, strings.Join(names, " "))}
	if user != "" {
		is.Component = user
		is.Flume = fmt.Sprintf("%s is not connected to %s", user, enumerate(lost))
		return clean
	}
	is.Component = kind + " " + lost[0]
	for _, name := range lost {
		is.removes = append(is.removes, kind+" "+name)
	}
	is.effect = func() string {
		what := fmt.Sprintf("%s %s is never created", kind, lost[0])
		if len(lost) > 1 {
			what = fmt.Sprintf("%ss %s are never created", kind, enumerate(lost))
		}
		if kind == "channel" {
			switch users := d.usersOf(lost); len(users) {
			case 0:
			case 1:
				what += fmt.Sprintf("; %s loses its channel", users[0])
			default:
				what += fmt.Sprintf("; %s lose their channel", enumerate(users))
			}
		}
		return what
	}
	return clean
}

// usersOf names the sources and sinks of the channels.
func (d *draft) usersOf(channels []string) []string {
	var users []string
	for _, n := range slices.Concat(d.agent.Sources, d.agent.Sinks) {
		uses := func(p Item) bool { return slices.Contains(channels, p.Name) }
		if slices.ContainsFunc(n.Items("channels"), uses) || slices.ContainsFunc(n.Items("channel"), uses) {
			users = append(users, n.Name)
		}
	}
	return users
}

// enumerate writes a, b and c.
func enumerate(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// match compares a family's list with what is configured, both ways.
func (d *draft) match(family string) {
	kind := (&Node{Family: family}).familyName()
	var unlisted []*Node
	for _, n := range d.nodes[family] {
		i := slices.IndexFunc(d.listed[family], func(item Item) bool { return item.Name == n.Name })
		if i < 0 {
			unlisted = append(unlisted, n)
		} else {
			n.Listed = d.listed[family][i].At
		}
	}
	var empty []int
	for i, item := range d.listed[family] {
		if byName(d.nodes[family], item.Name) == nil {
			empty = append(empty, i)
		}
	}
	for _, i := range empty {
		item := d.listed[family][i]
		is := d.report(Error, codeNotConfigured, item.At, kind+" "+item.Name, "%s %q is declared but has no configuration", kind, item.Name)
		path := d.agent.Name + "." + family + "." + item.Name
		is.Text = "no line starts with " + path + "."
		is.Help = []string{fmt.Sprintf("add `%s`, or take %s off this list", example(path, family), item.Name)}
		is.Also = d.usesOf(family, item.Name)
		near := d.meant(item.Name, unlisted, len(empty))
		if near == nil {
			continue
		}
		unlisted = slices.DeleteFunc(unlisted, func(n *Node) bool { return n == near })
		is.Also = append(is.Also, Mark{pathPlace(near, 2, 3), fmt.Sprintf("%s is configured, but not in the list", near.Name)})
		is.Help = []string{fmt.Sprintf("did you mean `%s`? Write the same name here and in its properties", near.Name)}
		is.Flume = fmt.Sprintf("both are dropped in silence, and the agent runs without the %s", kind)
		near.Listed = item.At
		near.listedAs = item.Name
		d.listed[family][i].Name = near.Name
	}
	for _, n := range unlisted {
		list := d.agent.Name + "." + family
		is := d.report(Warning, codeNotListed, pathPlace(n, 2, 3), "", "%s %q is configured but not in the list `%s`: nothing is started for it", kind, n.Name, list)
		var names []string
		for _, item := range d.listed[family] {
			names = append(names, item.Name)
		}
		is.Help = []string{fmt.Sprintf("write `%s = %s`", list, strings.Join(append(names, n.Name), " "))}
		if e := d.lists[family]; e != nil {
			is.Also = []Mark{{e.valueAt, "the list"}}
		}
	}
}

// meant is the unlisted component that a listed one without configuration most probably is.
func (d *draft) meant(name string, unlisted []*Node, empty int) *Node {
	var names []string
	for _, n := range unlisted {
		names = append(names, n.Name)
	}
	if near := Nearest(name, names); near != "" {
		return byName(unlisted, near)
	}
	if len(unlisted) == 1 && empty == 1 {
		return unlisted[0]
	}
	return nil
}

// example is a line that configures a component of the family.
func example(path, family string) string {
	switch family {
	case "channels":
		return path + ".type = memory"
	case "sinkgroups":
		return path + ".sinks = ..."
	}
	return path + ".type = ..."
}

// pathPlace is the place of the parts from..to of the key of the node's first property, or of all of it.
func pathPlace(n *Node, from, to int) Pos {
	at := n.Props[0].whole
	parts := strings.Split(at.text(), ".")
	if len(parts) < to {
		return n.Props[0].KeyAt
	}
	start := at.Column
	at.Column += len([]rune(strings.Join(parts[:from], "."))) + min(from, 1)
	at.EndColumn = start + len([]rune(strings.Join(parts[:to], ".")))
	return at
}

// usesOf finds where a channel is named by sources and sinks, or a sink by groups.
func (d *draft) usesOf(family, name string) []Mark {
	var marks []Mark
	add := func(users, key string) {
		for _, n := range d.nodes[users] {
			for _, item := range n.Items(key) {
				if item.Name == name {
					marks = append(marks, Mark{item.At, "used here by " + n.Label()})
				}
			}
		}
	}
	switch family {
	case "channels":
		add("sources", "channels")
		add("sinks", "channel")
	case "sinks":
		add("sinkgroups", "sinks")
	}
	return marks
}

// members are the nodes of the list, in its order.
func (d *draft) members(family string) []*Node {
	var nodes []*Node
	for _, item := range d.listed[family] {
		if n := byName(d.nodes[family], item.Name); n != nil {
			nodes = append(nodes, n)
		}
	}
	return nodes
}
