package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"goflume/conf"
	"goflume/internal/docgen"
)

//go:generate go run goflume/internal/docgen/comments ../.. comments.json
//go:generate go run . docs ../../docs/components

//go:embed comments.json
var commentsJSON []byte

// families are all component types of this program with their descriptions.
func families() []docgen.Family {
	var c docgen.Comments
	if err := json.Unmarshal(commentsJSON, &c); err != nil {
		panic("agent: comments.json: " + err.Error())
	}
	return docgen.Families(c)
}

var listVerb = verb{name: "list", usage: "[FAMILY [TYPE]]", does: "component types, or the properties of one", options: true, run: list,
	more: "  agent list                 every type\n  agent list sinks           one family\n  agent list source netcat   a type's properties: default, values, meaning\n  agent list examples        configurations that run as they stand\n"}

func list(o *options, std streams) int {
	if len(o.args) == 1 && o.args[0] == "examples" {
		listExamples(std.out)
		return exitOK
	}
	all := families()
	var shown []docgen.Family
	for _, f := range all {
		if len(o.args) == 0 || f.Is(o.args[0]) {
			shown = append(shown, f)
		}
	}
	switch {
	case len(o.args) > 2:
		fmt.Fprintln(std.err, "agent list: at most a family and a type")
		return exitUsage
	case len(o.args) == 2 || len(shown) == 0:
		return listType(o, all, std)
	case o.format == "json":
		var types []docgen.Type
		for _, f := range shown {
			types = append(types, f.Types...)
		}
		return writeTypes(std.out, types)
	case o.format != "text":
		fmt.Fprintf(std.err, "agent list: no format %q: text or json\n", o.format)
		return exitUsage
	}
	w := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	for i, f := range shown {
		if len(shown) > 1 {
			if i > 0 {
				fmt.Fprintln(w)
			}
			fmt.Fprintln(w, f.Name)
		}
		for _, t := range f.Types {
			about := t.Summary()
			if t.Refused != "" {
				about = "not in this agent: " + t.Refused
			}
			fmt.Fprintf(w, "  %s\t%s\n", t.Name, about)
		}
	}
	w.Flush()
	return exitOK
}

// listType shows the properties of one type, which is named with or without its family.
func listType(o *options, all []docgen.Family, std streams) int {
	family, name := "", o.args[0]
	if len(o.args) == 2 {
		family, name = o.args[0], o.args[1]
	}
	t, ok := docgen.Find(all, family, name)
	if !ok {
		fmt.Fprintf(std.err, "agent list: there is no %s\n", strings.Join(o.args, " "))
		var names []string
		for _, f := range all {
			if len(o.args) == 1 {
				names = append(names, f.Name)
			}
			if family != "" && !f.Is(family) {
				continue
			}
			for _, t := range f.Types {
				names = append(names, t.Name)
			}
		}
		if near := conf.Nearest(name, names); near != "" {
			fmt.Fprintf(std.err, "  = help: did you mean `agent list %s`?\n", strings.TrimSpace(family+" "+near))
		}
		return exitUsage
	}
	if o.format == "json" {
		return writeTypes(std.out, []docgen.Type{t})
	}
	writeType(std.out, t)
	return exitOK
}

func writeType(w io.Writer, t docgen.Type) {
	fmt.Fprintf(w, "%s %s\n", t.Kind, t.Name)
	for _, a := range t.Aliases {
		fmt.Fprintf(w, "  also: %s\n", a)
	}
	if t.Refused != "" {
		fmt.Fprintf(w, "\nNot in this agent: %s\n", t.Refused)
		return
	}
	if t.About != "" {
		fmt.Fprintf(w, "\n%s\n", wrap(t.About, 100, ""))
	}
	for _, s := range t.Fields {
		fmt.Fprintf(w, "\n  %s", s.Key)
		switch {
		case s.Required:
			fmt.Fprintf(w, " (%s, required)", s.Allowed())
		case s.Default != "":
			fmt.Fprintf(w, " = %s (%s)", s.Default, s.Allowed())
		default:
			fmt.Fprintf(w, " (%s)", s.Allowed())
		}
		fmt.Fprintln(w)
		if s.About != "" {
			fmt.Fprintf(w, "      %s\n", wrap(s.About, 94, "      "))
		}
		if len(s.Was) > 0 {
			fmt.Fprintf(w, "      Deprecated names: %s\n", strings.Join(s.Was, ", "))
		}
	}
}

// wrap breaks text into lines of at most width characters; those after the first begin with indent.
func wrap(text string, width int, indent string) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		n := len([]rune(word))
		switch {
		case i == 0:
		case column+1+n > width:
			b.WriteString("\n" + indent)
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}

// typeJSON is a type for programs: the schema of its properties.
type typeJSON struct {
	Kind       string         `json:"kind"`
	Type       string         `json:"type"`
	Aliases    []string       `json:"aliases,omitempty"`
	Refused    string         `json:"refused,omitempty"`
	About      string         `json:"about,omitempty"`
	Properties []propertyJSON `json:"properties,omitempty"`
}

type propertyJSON struct {
	Key      string   `json:"key"`
	Kind     string   `json:"kind"`
	Default  string   `json:"default,omitempty"`
	Required bool     `json:"required,omitempty"`
	Secret   bool     `json:"secret,omitempty"`
	Min      string   `json:"min,omitempty"`
	Max      string   `json:"max,omitempty"`
	Enum     []string `json:"enum,omitempty"`
	Was      []string `json:"was,omitempty"`
	Common   bool     `json:"common,omitempty"`
	About    string   `json:"about,omitempty"`
}

func writeTypes(w io.Writer, types []docgen.Type) int {
	out := []typeJSON{}
	for _, t := range types {
		j := typeJSON{Kind: t.Kind, Type: t.Name, Aliases: t.Aliases, Refused: t.Refused, About: t.About}
		for _, s := range t.Fields {
			j.Properties = append(j.Properties, propertyJSON{Key: s.Key, Kind: s.Kind(), Default: s.Default, Required: s.Required,
				Secret: s.Secret, Min: s.Min, Max: s.Max, Enum: s.Enum, Was: s.Was, Common: s.Common, About: s.About})
		}
		out = append(out, j)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(out); err != nil {
		return exitIOErr
	}
	return exitOK
}
