package main

import (
	"slices"
	"strings"
	"unicode"

	"goflume/channels"
	"goflume/conf"
	"goflume/internal/confedit"
	"goflume/internal/registry"
	"goflume/sinks"
	"goflume/sinks/processor"
	"goflume/sources"
	"goflume/sources/interceptor"
	"goflume/sources/selector"
)

// declared is a component type as its registry has it.
type declared struct {
	name   string
	fields []conf.Field
}

// find looks a type up. ok is false for one that is not there or cannot be had.
func find[T any](r *registry.Registry[T], name string) (d declared, ok bool) {
	e := r.Lookup(name)
	if e == nil || e.Refused != "" {
		return declared{}, false
	}
	d = declared{e.Name, conf.Fields(e.Defaults)}
	if common := r.Common(); common != nil {
		d.fields = append(d.fields, conf.Fields(common)...)
	}
	return d, true
}

// elsewhere are old names that the settings do not know, by family and type. An empty new name: the property has no effect.
var elsewhere = map[string]map[string]string{
	"sinks kafka":    {"kafka.flumeBatchSize": "flumeBatchSize"},
	"channels kafka": {"readSmallestOffset": "kafka.consumer.auto.offset.reset", "zookeeperConnect": "", "migrateZookeeperOffsets": ""},
	"sources kafka":  {"zookeeperConnect": "", "migrateZookeeperOffsets": ""},
}

// otherValue are values that change with the name.
var otherValue = map[string]map[string]string{"readSmallestOffset": {"true": "earliest", "false": "latest"}}

// names rewrites the deprecated names of all components, and the class names that are not Flume's own.
func (m *migration) names(a *conf.Agent) {
	for _, n := range a.Sources {
		names(m, sources.Registry, n)
		for _, i := range n.Items("interceptors") {
			names(m, interceptor.Registry, n.Sub("interceptors."+i.Name))
		}
		names(m, selector.Registry, n.Sub("selector"))
	}
	for _, n := range a.Channels {
		names(m, channels.Registry, n)
	}
	for _, n := range a.Sinks {
		names(m, sinks.Registry, n)
	}
	for _, n := range a.Groups {
		names(m, processor.Registry, n.Sub("processor"))
	}
}

func names[T any](m *migration, r *registry.Registry[T], n *conf.Node) {
	typ, ok := n.Get("type")
	if !ok {
		return
	}
	d, ok := find(r, typ.Value)
	if !ok {
		return
	}
	if strings.Contains(typ.Value, ".") && !strings.HasPrefix(strings.ToLower(typ.Value), "org.apache.flume.") {
		if m.written(typ) {
			m.texts[typ.ValueAt.File].Replace(typ.ValueAt, d.name)
		} else {
			m.say(typ.ValueAt, "%s: left as it is: the class %s comes from a look-up or runs over several lines; its type is %s", n.Label(), typ.Value, d.name)
		}
	}
	for _, p := range n.Props {
		if now, old := d.renamed(n, p.Key); old {
			m.rename(n, p, now)
		}
	}
}

// renamed returns the name that an old key has now; it is empty for one that is without effect.
func (d declared) renamed(n *conf.Node, key string) (now string, old bool) {
	if n.Below == "" {
		if now, old = elsewhere[n.Family+" "+d.name][key]; old {
			return now, old
		}
	}
	if slices.ContainsFunc(d.fields, func(f conf.Field) bool { return f.Key == key }) {
		return "", false
	}
	for _, f := range d.fields {
		if slices.Contains(f.Was, key) {
			return f.Key, true
		}
	}
	return "", false
}

// rename gives the property its new name, or takes it out where that is given or there is none.
func (m *migration) rename(n *conf.Node, p conf.Property, now string) {
	value, translated := otherValue[p.Key][strings.ToLower(p.Value)]
	_, given := n.Get(now)
	switch why := m.fixed(n, p); {
	case why != "":
		m.say(p.KeyAt, "%s: %s is left as it is: %s", n.Label(), p.Key, why)
	case now == "":
		if _, known := n.Get("kafka.bootstrap.servers"); !known && p.Key == "zookeeperConnect" {
			m.say(p.KeyAt, "%s: brokers are not looked up in ZooKeeper: write `%s.kafka.bootstrap.servers = host:port`", n.Label(), n.Path())
		}
		m.texts[p.KeyAt.File].Comment(p.KeyAt.Line, "without effect")
	case given:
		m.texts[p.KeyAt.File].Comment(p.KeyAt.Line, "ignored beside "+now)
	case otherValue[p.Key] != nil && (!translated || !m.written(p)):
		m.say(p.ValueAt, "%s: %s is left as it is: write %s in its place", n.Label(), p.Key, now)
	default:
		m.texts[p.KeyAt.File].Replace(p.KeyAt, now)
		if translated {
			m.texts[p.ValueAt.File].Replace(p.ValueAt, value)
		}
	}
}

// fixed says why the line of a property cannot be changed, nothing if it can.
func (m *migration) fixed(n *conf.Node, p conf.Property) string {
	full := n.Path() + "." + p.Key
	for _, f := range m.order {
		for _, line := range f.Lines {
			if strings.Contains(line, "${"+full) {
				return "another value looks it up by ${" + full + "}"
			}
		}
	}
	switch {
	case m.twice[n.Agent+" "+n.Component()]:
		return "a property of " + n.Component() + " is given twice; take one of the lines out first"
	case m.texts[p.KeyAt.File].At(p.KeyAt) != p.Key:
		return "the name is written with escapes or runs over several lines"
	}
	return ""
}

// written tells whether the value stands in the file as it is: no look-up, no escape, on one line.
func (m *migration) written(p conf.Property) bool {
	return m.texts[p.ValueAt.File].At(p.ValueAt) == p.Value
}

// lists takes the commas out of lists of names.
func (m *migration) lists(a *conf.Agent, issues []conf.Issue) {
	for _, is := range issues {
		if is.Code != "FL103" || is.Agent != a.Name || is.At.IsZero() {
			continue
		}
		t := m.texts[is.At.File]
		_, last := t.Property(is.At.Line)
		var text strings.Builder
		for i := is.At.Line; i <= last; i++ {
			text.WriteString(is.At.File.Lines[i-1])
		}
		switch {
		case strings.Contains(text.String(), "${"):
			m.say(is.At, "the list is left as it is: its commas may come from a look-up")
			continue
		case last > is.At.Line:
			m.say(is.At, "the list is left as it is: it runs over several lines; write blanks in the place of its commas")
			continue
		}
		at := is.At
		at.EndColumn = len([]rune(at.File.Lines[at.Line-1])) + 1
		t.Replace(at, blanks(t.At(at)))
	}
}

// blanks puts one blank in the place of each comma with the blanks around it; at the end nothing.
func blanks(list string) string {
	names := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	return strings.Join(names, " ")
}

// line is a property as a line of its own, written like the one that like is.
func (m *migration) line(n *conf.Node, like conf.Property, key, value string) string {
	between := " = "
	if like.KeyAt.Line == like.ValueAt.Line && like.KeyAt.File == like.ValueAt.File {
		if s := m.texts[like.KeyAt.File].Between(like.KeyAt.Line, like.KeyAt.EndColumn, like.ValueAt.Column); s != "" {
			between = s
		}
	}
	return confedit.EscapeKey(n.Path()+"."+key) + between + confedit.EscapeValue(value)
}
