package conf

import (
	"fmt"
	"strings"
)

// MissingType reports a component without `type`. kind is the family's name for a reader, such as sink.
func MissingType(n *Node, kind string) Issue {
	return Issue{Severity: Error, Code: codeNoType, Mark: Mark{At: n.place()},
		Message: n.Label() + " has no type",
		Help:    []string{fmt.Sprintf("add `%s.type = ...`; %s", n.Path(), shown(kind))},
		Flume:   "the " + kind + " is removed, the rest starts",
		Agent:   n.Agent, Component: n.Component(), Property: "type"}
}

// UnknownType reports a `type` that no known name is equal to; the nearest of known is suggested.
func UnknownType(n *Node, typ Property, kind string, known []string) Issue {
	is := Issue{Severity: Error, Code: codeUnknownType, Mark: Mark{At: typ.ValueAt},
		Message: fmt.Sprintf("unknown %s type %q", kind, typ.Value),
		Notes:   []string{fmt.Sprintf("`agent list %s` shows every type this build has", plural(kind))},
		Agent:   n.Agent, Component: n.Component(), Property: typ.Key}
	switch near := NearestType(typ.Value, known); {
	case near != "":
		is.Help = []string{"did you mean `" + near + "`?"}
	case strings.Contains(typ.Value, "."):
		is.Help = []string{"Java classes cannot be loaded; take a type of this build, or keep this component on Flume"}
	}
	return is
}

// RefusedType reports a type that Flume has and this agent has not; instead says what to use.
func RefusedType(n *Node, typ Property, kind, instead string) Issue {
	return Issue{Severity: Error, Code: codeRefusedType, Mark: Mark{At: typ.ValueAt},
		Message: fmt.Sprintf("%s type %q is not in this agent", kind, typ.Value),
		Help:    []string{instead},
		Agent:   n.Agent, Component: n.Component(), Property: typ.Key}
}

// NearestType returns the known type name that was probably meant, or "". Of a Java class only the simple name counts.
func NearestType(word string, known []string) string {
	var short []string
	for _, k := range known {
		if !strings.Contains(k, ".") {
			short = append(short, k)
		}
	}
	if !strings.Contains(word, ".") {
		return Nearest(word, short)
	}
	for _, k := range known {
		if strings.Contains(k, ".") && strings.EqualFold(simpleClass(k), simpleClass(word)) {
			return k
		}
	}
	return Nearest(simpleClass(word), short)
}

// simpleClass is NetcatSource of org.apache.flume.source.NetcatSource, and UUIDInterceptor of a.b.UUIDInterceptor$Builder.
func simpleClass(class string) string { return strings.TrimSuffix(lastPart(class), "$Builder") }

// shown tells how to see the types of that kind.
func shown(kind string) string {
	if kind == "config filter" {
		return "the types are env and external"
	}
	return "`agent list " + plural(kind) + "` shows every type"
}

// plural is what `agent list` calls the types of that kind.
func plural(kind string) string { return lastWord(kind) + "s" }

func lastWord(s string) string { return s[strings.LastIndexByte(s, ' ')+1:] }
