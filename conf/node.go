package conf

import "strings"

// Property is one key and value of a component.
type Property struct {
	Key     string // below the node, such as hdfs.path
	Value   string // trimmed, with ${...} resolved
	KeyAt   Pos    // of Key alone, without the node's own path
	ValueAt Pos    // of the value as it is written
}

// Node is one component's part of a configuration: its properties, each with its place, in the order of the file.
// It is read-only once made.
type Node struct {
	Agent  string
	Family string // as in the file: sources, channels, sinks, sinkgroups, configfilters
	Name   string
	Below  string     // of the component's own keys, for a part of it: interceptors.i1
	Listed Pos        // where the component's name stands in its agent's list
	Props  []Property // one a key; of duplicates the last
}

// Path returns what stands before the node's keys in the file, such as a1.sinks.k1.
func (n *Node) Path() string {
	p := n.Agent + "." + n.Family
	if n.Name != "" {
		p += "." + n.Name
	}
	if n.Below != "" {
		p += "." + n.Below
	}
	return p
}

// Label names the component for a reader, such as "sink k1".
func (n *Node) Label() string {
	return strings.TrimSuffix(strings.TrimSuffix(n.Family, "s"), "group") + map[bool]string{true: " group"}[n.Family == "sinkgroups"] + " " + n.Name
}

// Get returns the property of that key.
func (n *Node) Get(key string) (Property, bool) {
	for i := range n.Props {
		if n.Props[i].Key == key {
			return n.Props[i], true
		}
	}
	return Property{}, false
}

// Value returns the value of that key, empty if there is none.
func (n *Node) Value(key string) string {
	p, _ := n.Get(key)
	return p.Value
}

// Sub returns the part of the node below prefix: the property `prefix.x` becomes `x`. It is never nil.
func (n *Node) Sub(prefix string) *Node {
	s := *n
	s.Below = strings.TrimPrefix(n.Below+"."+prefix, ".")
	s.Props = nil
	for _, p := range n.Props {
		if rest, ok := strings.CutPrefix(p.Key, prefix+"."); ok {
			p.KeyAt.Column += len([]rune(prefix)) + 1
			p.Key = rest
			s.Props = append(s.Props, p)
		}
	}
	return &s
}
