package conf

import (
	"strings"
	"unicode"
)

// Property is one key and value of a component.
type Property struct {
	Key     string // below the node, such as hdfs.path
	Value   string // trimmed, with ${...} resolved
	Written string // trimmed, as it is in the file after Java's escapes; empty where the property was made by hand
	KeyAt   Pos    // of Key alone, without the node's own path
	ValueAt Pos    // of the value as it is written
	Hidden  bool   // the value comes from a secret store and is never shown
	whole   Pos    // of the whole key
	Broken  bool   // a look-up in the value was reported: there is no value, though one is given
}

// Node is one component's part of a configuration: its properties, each with its place, in the order of the file.
// It is read-only once made.
type Node struct {
	Agent  string
	Family string // as in the file: sources, channels, sinks, sinkgroups, configfilters
	Name   string
	Below  string     // of the component's own keys, for a part of it: interceptors.i1
	Type   string     // type and kind for messages, once they are known: memory channel
	Listed Pos        // where the component's name stands in its agent's list
	Props  []Property // one a key; of duplicates the last

	listedAs string   // the name in the list, where it is not Name and was meant to be
	settled  []string // keys that were reported already, so that Decode says no more of them
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

// Component is the label of the component that the node is or is a part of, such as "source r1".
func (n *Node) Component() string { return n.familyName() + " " + n.Name }

// Label names the component for a reader, such as "sink k1" or "interceptor i1 of source r1".
func (n *Node) Label() string {
	label := n.Component()
	if n.Below == "" {
		return label
	}
	if name, ok := strings.CutPrefix(n.Below, "interceptors."); ok {
		return "interceptor " + name + " of " + label
	}
	return n.Below + " of " + label
}

func (n *Node) familyName() string {
	switch n.Family {
	case "sinkgroups":
		return "sink group"
	case "configfilters":
		return "config filter"
	}
	return strings.TrimSuffix(n.Family, "s")
}

// kind is what the node is, in a word: its last part of Label without names.
func (n *Node) kind() string {
	switch {
	case n.Below == "":
		return n.familyName()
	case strings.HasPrefix(n.Below, "interceptors."):
		return "interceptor"
	}
	return n.Below
}

// place is where the component is declared: its type, else its name in the list, else its first line.
func (n *Node) place() Pos {
	if p, ok := n.Get("type"); ok {
		return p.ValueAt
	}
	if !n.Listed.IsZero() {
		return n.Listed
	}
	if len(n.Props) > 0 {
		return n.Props[0].KeyAt
	}
	return Pos{}
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

// shortest is the length from which on a secret value is looked for in messages: the letters of a shorter one, which
// protects nothing, are in every text.
const shortest = 4

// masked is text about the node as it may be shown: without the values that come from secret stores or have a secret's
// name, and without the users and passwords of URLs.
func (n *Node) masked(text string) string {
	for _, p := range n.Props {
		if len(p.Value) >= shortest && (p.Hidden || SecretKey(p.Key)) {
			text = strings.ReplaceAll(text, p.Value, Mask)
		}
	}
	return MaskURLs(text)
}

// Sub returns the part of the node below prefix: the property `prefix.x` becomes `x`. It is never nil.
func (n *Node) Sub(prefix string) *Node {
	s := *n
	s.Below = strings.TrimPrefix(n.Below+"."+prefix, ".")
	s.Type, s.Props, s.settled = "", nil, nil
	if p, ok := n.Get(prefix); ok {
		s.Listed = p.ValueAt
	}
	for _, p := range n.Props {
		if rest, ok := strings.CutPrefix(p.Key, prefix+"."); ok {
			p.KeyAt.Column += len([]rune(prefix)) + 1
			p.Key = rest
			s.Props = append(s.Props, p)
		}
	}
	return &s
}

// Item is a name in a list of names, and its place.
type Item struct {
	Name string
	At   Pos
}

// Items returns the names in the value of that key, which are separated by blanks.
func (n *Node) Items(key string) []Item {
	p, ok := n.Get(key)
	if !ok {
		return nil
	}
	return p.items()
}

// items splits the value at blanks. Where the value is in the file as it is read, each item has its own place; after an
// escape, a continued line or a look-up all have the whole value's.
func (p Property) items() []Item {
	exact := p.ValueAt.text() == p.Value
	var items []Item
	column := 0
	for i, word := range wordsAndBlanks(p.Value) {
		at := p.ValueAt
		n := len([]rune(word))
		if exact {
			at.Column += column
			at.EndColumn = at.Column + n
		}
		column += n
		if i%2 == 0 && word != "" {
			items = append(items, Item{word, at})
		}
	}
	return items
}

// wordsAndBlanks cuts s into a word, blanks, a word and so on; the first word may be empty.
func wordsAndBlanks(s string) []string {
	var parts []string
	start, blank := 0, false
	for i, r := range s {
		if unicode.IsSpace(r) != blank {
			parts = append(parts, s[start:i])
			start, blank = i, !blank
		}
	}
	return append(parts, s[start:])
}
