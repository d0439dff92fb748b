package docgen

import (
	"reflect"
	"regexp"
	"strings"

	"goflume/channels"
	"goflume/conf"
	"goflume/internal/registry"
	"goflume/sinks"
	"goflume/sinks/processor"
	"goflume/sinks/serializer"
	"goflume/sources"
	"goflume/sources/interceptor"
	"goflume/sources/selector"
)

// Family is a family of component types, as `agent list` shows it.
type Family struct {
	Name  string // in the plural: sources
	Kind  string // source
	Types []Type
}

// Type is one component type.
type Type struct {
	Kind    string
	Name    string
	Aliases []string
	Refused string // what to use instead, of a type that this agent cannot have
	About   string // what it is, for a reader
	Fields  []Setting
}

// Setting is one property of a type.
type Setting struct {
	conf.Field
	About  string
	Common bool // every type of the family has it
}

// Families lists the types of all families, as far as their packages are part of the program.
func Families(c Comments) []Family {
	return []Family{
		family(c, "sources", sources.Registry),
		family(c, "channels", channels.Registry),
		family(c, "sinks", sinks.Registry),
		family(c, "interceptors", interceptor.Registry),
		family(c, "selectors", selector.Registry),
		family(c, "processors", processor.Registry),
		family(c, "serializers", serializer.Registry),
	}
}

func family[T any](c Comments, name string, r *registry.Registry[T]) Family {
	f := Family{Name: name, Kind: r.Kind}
	for _, e := range r.Entries() {
		t := Type{Kind: r.Kind, Name: e.Name, Aliases: e.Aliases, Refused: e.Refused}
		if e.Refused == "" {
			t.About = c.about(reflect.TypeOf(e.Defaults))
			if common := r.Common(); common != nil {
				t.Fields = c.settings(common, true)
			}
			t.Fields = append(t.Fields, c.settings(e.Defaults, false)...)
		}
		f.Types = append(f.Types, t)
	}
	return f
}

func (c Comments) settings(s any, common bool) []Setting {
	var all []Setting
	for _, f := range conf.Fields(s) {
		all = append(all, Setting{f, c[f.Struct+"."+f.Name], common})
	}
	return all
}

// about says what a type is: the comment of its package, or, where a package has several types, of its settings.
func (c Comments) about(settings reflect.Type) string {
	text := c[settings.PkgPath()]
	if settings.Name() != "Settings" {
		text = c[settings.PkgPath()+"."+settings.Name()]
	}
	text, _, _ = strings.Cut(text, "\n\n")
	if m := subject.FindStringSubmatch(text); m != nil {
		text = "The " + text[len(m[0]):]
	}
	return text
}

// subject is how the comments of packages and settings begin.
var subject = regexp.MustCompile(`^(?:Package \w+ is|\w+Settings(?: are)?(?: the settings)? of) the `)

// Find returns the type of that family and name, or alias, in any case. The family may be given in the singular; empty, it
// is the first that has such a type.
func Find(families []Family, family, name string) (Type, bool) {
	for _, f := range families {
		if family != "" && !f.Is(family) {
			continue
		}
		for _, t := range f.Types {
			if t.Is(name) {
				return t, true
			}
		}
	}
	return Type{}, false
}

// Is tells whether the family is called that, in the singular or plural.
func (f Family) Is(name string) bool {
	return strings.EqualFold(strings.TrimSuffix(name, "s"), strings.TrimSuffix(f.Name, "s"))
}

// Is tells whether name is the type's, or an alias.
func (t Type) Is(name string) bool {
	if strings.EqualFold(name, t.Name) {
		return true
	}
	for _, a := range t.Aliases {
		if strings.EqualFold(name, a) {
			return true
		}
	}
	return false
}

// Summary is the first sentence of what the type is.
func (t Type) Summary() string {
	first := t.About
	if at := sentenceEnd.FindStringIndex(first); at != nil {
		first = first[:at[0]]
	}
	for _, opening := range []string{"The " + t.Kind + " that ", "The " + t.Name + " " + t.Kind + ", which "} {
		first = strings.TrimPrefix(first, opening)
	}
	return strings.TrimRight(first, ". ")
}

var sentenceEnd = regexp.MustCompile(`\.\s+[A-Z]`)

// Allowed says which values the setting takes: its kind, and bounds where it has some.
func (s Setting) Allowed() string {
	if b := s.Bounds(); b != "" {
		return s.Kind() + ", " + b
	}
	return s.Kind()
}
