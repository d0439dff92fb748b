package conf

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The families of components, which are also the names of an agent's lists.
var families = []string{"sources", "channels", "sinks", "sinkgroups", "configfilters"}

// draft is an agent while it is put together.
type draft struct {
	agent  *Agent
	lists  map[string]*entry
	listed map[string][]Item // by family, commas and doubles put right
	nodes  map[string][]*Node
	index  map[string]*Node // the same, by family.name
	issues []Issue
}

func (d *draft) report(s Severity, code string, at Pos, component, format string, args ...any) *Issue {
	d.issues = append(d.issues, Issue{Severity: s, Code: code, Mark: Mark{At: at}, Message: MaskURLs(fmt.Sprintf(format, args...)), Component: component})
	return &d.issues[len(d.issues)-1]
}

// declared tells whether the agent has a list of components.
func (d *draft) declared() bool {
	return d.lists["sources"] != nil || d.lists["channels"] != nil || d.lists["sinks"] != nil
}

// node returns the component's node, made if it is not there.
func (d *draft) node(family, name string) *Node {
	n := d.index[family+"."+name]
	if n == nil {
		n = &Node{Agent: d.agent.Name, Family: family, Name: name}
		d.index[family+"."+name] = n
		d.nodes[family] = append(d.nodes[family], n)
	}
	return n
}

// property makes a node's property of the entry; key is the last part of its key.
func (e *entry) property(key string) Property {
	all := len([]rune(e.key))
	return Property{Key: key, Value: e.value, Written: e.written, Hidden: e.hidden, Broken: e.broken,
		KeyAt: e.at(all-len([]rune(key)), all), ValueAt: e.valueAt, whole: e.keyAt}
}

// componentOf is the label of the component whose property the key is, empty if it is none.
func componentOf(key string) string {
	parts := strings.SplitN(key, ".", 4)
	if len(parts) < 4 || !slices.Contains(families, parts[1]) {
		return ""
	}
	return (&Node{Family: parts[1], Name: parts[2]}).Label()
}

// split sorts the entries by agent, in the order of the file, and reports those that belong to none.
func split(entries []*entry) ([]*draft, []Issue) {
	var drafts []*draft
	var issues []Issue
	byAgent := map[string]*draft{}
	var strays []func()
	used := referenced(entries)
	for _, e := range entries {
		name, rest, dotted := strings.Cut(e.key, ".")
		if e.value == "" {
			issues = append(issues, Issue{Severity: Warning, Code: codeNoValue, Mark: Mark{At: e.keyAt}, Agent: name, Component: componentOf(e.key),
				Message: fmt.Sprintf("%s has no value: ignored", e.key)})
			continue
		}
		if name, rest = trim(name), trim(rest); name == "" || rest == "" {
			if dotted || !used[e.key] {
				issues = append(issues, Issue{Severity: Warning, Code: codeNoAgent, Mark: Mark{At: e.keyAt},
					Message: fmt.Sprintf("%q names no agent and no property: ignored", e.key),
					Help:    []string{"a line is `agent.sources.name.property = value`"}})
			}
			continue
		}
		d := byAgent[name]
		if d == nil {
			d = &draft{agent: &Agent{Name: name, At: e.at(0, len([]rune(name)))}, lists: map[string]*entry{},
				listed: map[string][]Item{}, nodes: map[string][]*Node{}, index: map[string]*Node{}}
			byAgent[name] = d
			drafts = append(drafts, d)
		}
		if slices.Contains(families, rest) {
			d.lists[rest] = e
			if !d.declaredBefore() {
				d.agent.At = e.at(0, len([]rune(name)))
			}
			continue
		}
		if !d.add(e, rest) && !used[e.key] {
			strays = append(strays, func() { d.stray(e, rest) })
		}
	}
	for _, report := range strays { // now that all that is right has its place
		report()
	}
	adopt(drafts)
	return drafts, issues
}

// declaredBefore tells whether a second list has come.
func (d *draft) declaredBefore() bool { return len(d.lists) > 1 }

// add puts a component's property into its node. It returns false if rest is not family.name.key.
func (d *draft) add(e *entry, rest string) bool {
	parts := strings.SplitN(rest, ".", 3)
	if len(parts) < 3 || !slices.Contains(families, parts[0]) || trim(parts[1]) == "" || trim(parts[2]) == "" {
		return false
	}
	n := d.node(parts[0], trim(parts[1]))
	n.Props = append(n.Props, e.property(parts[2]))
	return true
}

// stray reports a property of the agent that is neither a list nor below a component, and puts right what is near one.
func (d *draft) stray(e *entry, rest string) {
	family, below, dotted := strings.Cut(rest, ".")
	start := len([]rune(d.agent.Name)) + 1
	at := e.at(start, start+len([]rune(family)))
	if slices.Contains(families, family) {
		is := d.report(Warning, codeNoGroup, e.at(start, len([]rune(e.key))), "", "%s does not say which property of %s: ignored", e.key, strings.Trim(below, "."))
		is.Help = []string{fmt.Sprintf("did you mean `%s.type`?", strings.Trim(e.key, "."))}
		return
	}
	near := Nearest(family, families)
	name, key, _ := strings.Cut(below, ".")
	if near == "" || dotted && (name == "" || key == "") {
		is := d.report(Warning, codeNoGroup, at, "", "an agent has no property %q: ignored", rest)
		is.Help = []string{"an agent has " + strings.Join(families, ", ")}
		if near != "" && name != "" {
			is.Help = []string{fmt.Sprintf("did you mean `%s.%s.%s.type`?", d.agent.Name, near, below)}
		}
		return
	}
	is := d.report(Error, codeNoGroup, at, "", "an agent has no %q", family)
	is.Help = []string{"did you mean `" + strings.TrimSuffix(d.agent.Name+"."+near+"."+below, ".") + "`?"}
	is.Flume = "this line is dropped"
	if !dotted {
		if d.lists[near] == nil {
			d.lists[near] = e
		}
		return
	}
	n := d.node(near, name)
	if _, ok := n.Get(key); !ok {
		n.Props = append(n.Props, e.property(key))
	}
	is.Component = n.Label()
}

// referenced are the keys that look-ups in the values name.
func referenced(entries []*entry) map[string]bool {
	used := map[string]bool{}
	for _, e := range entries {
		for rest := e.written; ; {
			_, after, ok := strings.Cut(rest, "${")
			if !ok {
				break
			}
			rest = after
			if end := strings.IndexAny(after, "}:$"); end >= 0 {
				after = after[:end]
			}
			used[after] = true
		}
	}
	return used
}

// adopt reports agents that have properties and no lists, and gives what belongs to an agent of nearly that name to it.
func adopt(drafts []*draft) {
	var names []string
	byName := map[string]*draft{}
	for _, d := range drafts {
		if d.declared() {
			names = append(names, d.agent.Name)
			byName[d.agent.Name] = d
		}
	}
	for _, d := range drafts {
		if d.declared() || len(d.nodes) == 0 {
			continue
		}
		if to := byName[Nearest(d.agent.Name, names)]; to != nil {
			to.takeFrom(d)
			continue
		}
		is := d.report(Error, codeNotDeclared, d.agent.At, "", "agent %q declares no sources, channels or sinks", d.agent.Name)
		is.Help = []string{fmt.Sprintf("add its lists, such as `%s.sources = ...`", d.agent.Name)}
		is.Flume = "the agent is not there; the process would run idle"
		if len(names) > 0 {
			is.Notes = []string{"agents in this file: " + strings.Join(names, ", ")}
		}
	}
}

// takeFrom reports the components of the misspelt agent, one by one, and takes their properties.
func (d *draft) takeFrom(wrong *draft) {
	for _, family := range families {
		for _, n := range wrong.nodes[family] {
			first := n.Props[0]
			own := d.node(family, n.Name)
			is := d.report(Error, codeNotDeclared, pathPlace(n, 0, 1), "", "agent %q declares no sources, channels or sinks", wrong.agent.Name)
			is.Text = fmt.Sprintf("agent %q is declared on line %d", d.agent.Name, d.agent.At.Line)
			if c := lookAlike(wrong.agent.Name, d.agent.Name); c != "" {
				is.Text = "that is " + c + "; " + is.Text
			}
			is.Help = []string{fmt.Sprintf("did you mean `%s.%s`?", own.Path(), first.Key)}
			is.Flume = "this line is dropped"
			if len(n.Props) > 1 {
				is.Flume = fmt.Sprintf("this line and %d more like it are dropped", len(n.Props)-1)
			}
			for _, need := range []struct{ key, what string }{{"type", "a type"}, {"channels", "channels"}, {"channel", "a channel"}} {
				_, has := own.Get(need.key)
				if _, sets := n.Get(need.key); sets && !has && d.inList(family, n.Name) && is.Component == "" {
					is.Component = n.Label()
					is.Flume += " and " + n.Label() + " is removed for want of " + need.what
				}
			}
			for _, p := range n.Props {
				if _, ok := own.Get(p.Key); !ok {
					own.Props = append(own.Props, p)
				}
			}
		}
	}
	wrong.nodes = nil
}

func (d *draft) inList(family, name string) bool {
	e := d.lists[family]
	return e != nil && slices.Contains(strings.FieldsFunc(e.value, func(r rune) bool { return r <= ' ' || r == ',' }), name)
}

// lookAlike names the character that makes wrong differ from right, where the two look the same.
func lookAlike(wrong, right string) string {
	a, b := []rune(wrong), []rune(right)
	if len(a) != len(b) {
		return ""
	}
	what := ""
	for i := range a {
		if a[i] == b[i] {
			continue
		}
		name := map[rune]string{'l': "the letter l", 'I': "the letter I", '1': "the digit 1", 'O': "the letter O", 'o': "the letter o", '0': "the digit 0"}
		alike := strings.ContainsRune("lI1", a[i]) && strings.ContainsRune("lI1", b[i]) ||
			strings.ContainsRune("Oo0", a[i]) && strings.ContainsRune("Oo0", b[i])
		if !alike {
			return ""
		}
		what = name[a[i]]
	}
	return what
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.SortedFunc(maps.Keys(m), cmp.Compare[string])
}
