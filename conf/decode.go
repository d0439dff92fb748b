package conf

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// NodeDecoder is a field type that reads its value and what stands below its key by itself (registry.Nested).
// key is the field's key in n.
type NodeDecoder interface {
	DecodeNode(n *Node, key string) []Issue
}

// Advice is what a settings struct has to say of values that are right but may surprise.
type Advice struct {
	Severity Severity // Warning or Note
	Code     string   // FLnnn
	Key      string
	About    string // the part of the value that is marked; empty for all of it
	Text     string
	Help     []string // lines; {path} stands for the component's, a1.sources.r1
	Flume    string
}

// Decode fills the structs that dst points to (the settings of a type, and the family's Common) from the node and reports
// all that is wrong at once: unknown keys, bad values, missing ones, broken rules of Validate. Fields keep the value they
// have where the node says nothing: that is the default.
//
// A field's tags:
//
//	conf:"key"            string, bool, int kinds, float64, time.Duration, []string, Secret, encoding.TextUnmarshaler, NodeDecoder
//	conf:"key,required"   must be given
//	conf:"key,batch"      the batch size that FL410 compares with transactionCapacity
//	conf:"prefix.*"       map[string]string or *Node: everything below that no other field's key takes
//	conf:",inline"        a struct of further fields; conf:"prefix,inline" puts prefix. before their keys
//	was:"old1,old2"       deprecated names of the key
//	min:"0" max:"65535"   bounds of a number (of a duration in its unit)
//	unit:"ms"             of a duration without a suffix: ms (where there is no tag) or s
//	enum:"a|b"            the values allowed, in any case; the field gets the spelling of the tag
//	sep:","               between the items of a []string; blanks when there is no tag
//
// An exact key beats a prefix, a longer prefix a shorter one, and of two structs the earlier the later. A *Node keeps the
// places in the file, so it has no part in settings that are compared over a reload.
//
// A dst, or an inline struct in it, may have two methods, called when all its values are good: Validate() error for rules
// across fields, which blames keys by Errorf, and Advice() []Advice.
func Decode(n *Node, dst ...any) []Issue {
	d := decoder{node: n}
	for i, s := range dst {
		fields := Fields(s)
		for j := range fields {
			fields[j].group = i
		}
		d.fields = append(d.fields, fields...)
	}
	d.props = make([][]Property, len(d.fields))
	d.bad = make([]bool, len(dst))
	d.assign()
	for i := range d.fields {
		d.decode(i)
	}
	for i, s := range dst {
		if !d.bad[i] {
			d.validate(reflect.ValueOf(s).Elem(), "")
		}
	}
	return d.issues
}

type decoder struct {
	node   *Node
	fields []Field
	props  [][]Property        // by field
	meant  map[string]Property // unknown properties, by the key that was suggested for them
	bad    []bool              // by dst: has a value that is not good
	issues []Issue
}

func (d *decoder) report(s Severity, code string, at Pos, key, format string, args ...any) *Issue {
	d.issues = append(d.issues, Issue{Severity: s, Code: code, Mark: Mark{At: at}, Message: MaskURLs(fmt.Sprintf(format, args...)),
		Agent: d.node.Agent, Component: d.node.Component(), Property: key})
	return &d.issues[len(d.issues)-1]
}

// assign gives each property to the field that owns it and reports those that nobody owns.
func (d *decoder) assign() {
	for _, p := range d.node.Props {
		owner, old := -1, ""
		longest := -1
		for i := range d.fields {
			f := &d.fields[i]
			if f.Key == p.Key {
				owner, old = i, ""
				break
			}
			if slices.Contains(f.Was, p.Key) && old == "" {
				owner, old, longest = i, p.Key, len(p.Key)
			}
			if prefix, ok := f.prefix(); ok && len(prefix) > longest && strings.HasPrefix(p.Key, prefix) && p.Key != prefix {
				owner, longest = i, len(prefix)
			}
		}
		switch {
		case owner < 0:
			d.unknown(p)
		case old != "":
			d.deprecated(owner, p)
		default:
			d.props[owner] = append(d.props[owner], p)
		}
	}
}

func (d *decoder) deprecated(owner int, p Property) {
	key := d.fields[owner].Key
	is := d.report(Warning, codeDeprecated, p.KeyAt, p.Key, "property %q is deprecated", p.Key)
	if q, ok := d.node.Get(key); ok {
		is.Message += fmt.Sprintf(" and ignored, as `%s` is given", key)
		is.Also = []Mark{{q.KeyAt, "this one counts"}}
		is.Help = []string{"take this line out"}
		return
	}
	is.Help = []string{"rename it: `" + d.node.Path() + "." + key + "`"}
	d.props[owner] = append(d.props[owner], p)
}

func (d *decoder) unknown(p Property) {
	if slices.Contains(d.node.settled, p.Key) {
		return
	}
	of := "of " + d.node.Label()
	if d.node.Type != "" {
		of = "for " + article(d.node.Type)
	}
	is := d.report(Warning, codeUnknownKey, p.KeyAt, p.Key, "unknown property %q %s: ignored", p.Key, of)
	is.Secret = SecretKey(p.Key)
	near := nearestKey(p.Key, d.fields)
	if near == "" {
		return
	}
	help := "did you mean `" + near + "`?"
	for i := range d.fields {
		if f := &d.fields[i]; f.Key == near && f.Default != "" && !f.Required {
			help += " (default " + f.Default + ")"
		}
	}
	is.Help = []string{help}
	if d.meant == nil {
		d.meant = map[string]Property{}
	}
	d.meant[near] = p
}

func (d *decoder) decode(i int) {
	f, props := &d.fields[i], d.props[i]
	if f.Required && !slices.ContainsFunc(props, func(p Property) bool { return p.Key == f.Key || slices.Contains(f.Was, p.Key) }) {
		d.missing(f)
		return
	}
	if len(props) == 0 {
		return
	}
	own := *d.node
	own.Props = props
	switch {
	case f.Type == nodeType, f.Type == mapType:
		prefix, _ := f.prefix()
		below := &own
		if prefix != "" {
			below = own.Sub(strings.TrimSuffix(prefix, "."))
		}
		if f.Type == nodeType {
			f.value.Set(reflect.ValueOf(below))
			return
		}
		m := make(map[string]string, len(props))
		for it := f.value.MapRange(); it.Next(); {
			m[it.Key().String()] = it.Value().String()
		}
		for _, p := range below.Props {
			m[p.Key] = p.Value
		}
		for _, p := range props {
			d.clearSecret(f, p)
		}
		f.value.Set(reflect.ValueOf(m))
	case f.decoder() != nil:
		for j := range props {
			if slices.Contains(f.Was, props[j].Key) {
				own.Props = slices.Clone(props)
				own.Props[j].Key = f.Key
			}
		}
		issues := f.decoder().DecodeNode(&own, f.Key)
		d.bad[f.group] = d.bad[f.group] || HasErrors(issues)
		d.issues = append(d.issues, issues...)
	default:
		p := props[len(props)-1]
		if p.Broken {
			d.bad[f.group] = true
			return
		}
		d.clearSecret(f, p)
		f.hide = p.Hidden || f.Secret || SecretKey(p.Key)
		if bad := f.set(p.Value); bad != nil {
			d.bad[f.group] = true
			is := d.report(Error, bad.code, p.ValueAt, p.Key, "%s %s", p.Key, bad.text)
			is.Flume, is.Secret = bad.flume, f.Secret || SecretKey(p.Key)
			if bad.help != "" {
				is.Help = []string{d.node.masked(bad.help)}
			}
		}
	}
}

func (d *decoder) missing(f *Field) {
	d.bad[f.group] = true
	if slices.Contains(d.node.settled, f.Key) {
		return
	}
	is := d.report(Error, codeMissing, d.node.place(), f.Key, "%s needs `%s`", d.node.Label(), f.Key)
	is.Help = []string{fmt.Sprintf("add `%s.%s = ...` (%s)", d.node.Path(), f.Key, f.Kind())}
	is.Flume = "the " + d.node.kind() + " is removed, the rest starts"
	if p, ok := d.meant[f.Key]; ok {
		is.Also = []Mark{{p.KeyAt, "was this meant?"}}
	}
}

// clearSecret warns of a secret that stands in the file as it is.
func (d *decoder) clearSecret(f *Field, p Property) {
	if !f.Secret && !SecretKey(p.Key) {
		return
	}
	p.ValueAt.hide()
	if p.Written == "" || strings.Contains(p.Written, "${") {
		return
	}
	is := d.report(Warning, codeClearSecret, p.ValueAt, p.Key, "%s is written in the file in clear text", p.Key)
	is.Secret = true
	is.Help = []string{fmt.Sprintf("`%s.%s = ${file:UTF-8:/path/of/a/secret}`, or ${env:NAME}, or ${cred:name}", d.node.Path(), p.Key)}
}

// validate asks the struct, and the inline structs in it first.
func (d *decoder) validate(v reflect.Value, prefix string) {
	t := v.Type()
	for i := range t.NumField() {
		if name, options, _ := strings.Cut(t.Field(i).Tag.Get("conf"), ","); slices.Contains(strings.Split(options, ","), "inline") {
			if name != "" {
				name = prefix + name + "."
			} else {
				name = prefix
			}
			d.validate(v.Field(i), name)
		}
	}
	if s, ok := v.Addr().Interface().(interface{ Validate() error }); ok {
		for _, ke := range keyErrors(s.Validate()) {
			key, message := prefix+ke.Key, d.node.masked(ke.Text)
			if ke.Key != "" {
				message = key + ": " + message
			}
			is := d.report(Error, codeRule, d.placeOf(key), key, "%s", message)
			if at, ok := d.mentioned(ke.Text); ok && is.At == d.node.place() {
				is.At = at
			}
			is.Secret = SecretKey(key)
			if ke.Help != "" {
				is.Help = []string{d.node.masked(ke.Help)}
			}
		}
	}
	if s, ok := v.Addr().Interface().(interface{ Advice() []Advice }); ok {
		for _, a := range s.Advice() {
			key := prefix + a.Key
			at := d.placeOf(key)
			if a.About != "" {
				at = Property{ValueAt: at}.within(a.About)
			}
			is := d.report(a.Severity, a.Code, at, key, "%s", d.node.masked(a.Text))
			for _, line := range a.Help {
				is.Help = append(is.Help, d.node.masked(strings.ReplaceAll(line, "{path}", d.node.Path())))
			}
			is.Flume, is.Secret = a.Flume, SecretKey(key)
		}
	}
}

// placeOf finds the value of the key, also under a deprecated name; without one, the component's place.
func (d *decoder) placeOf(key string) Pos {
	for i := range d.fields {
		if f := &d.fields[i]; f.Key == key && len(d.props[i]) > 0 {
			return d.props[i][len(d.props[i])-1].ValueAt
		}
	}
	if p, ok := d.node.Get(key); ok {
		return p.ValueAt
	}
	return d.node.place()
}

// mentioned finds the value of a property that the text of a rule names.
func (d *decoder) mentioned(text string) (Pos, bool) {
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '`' || r == ':' || r == ';' })
	for _, p := range d.node.Props {
		if slices.Contains(words, p.Key) {
			return p.ValueAt, true
		}
	}
	return Pos{}, false
}

// HasErrors tells whether one of the issues refuses the start.
func HasErrors(issues []Issue) bool {
	return slices.ContainsFunc(issues, func(i Issue) bool { return i.Severity == Error })
}

// Fail returns the errors among the issues as one error, for tests and tools; nil if there is none.
func Fail(issues []Issue) error {
	var all []error
	for _, i := range issues {
		if i.Severity == Error {
			all = append(all, errors.New(i.Message))
		}
	}
	return errors.Join(all...)
}

// article puts a or an before a noun, as it is spoken.
func article(noun string) string {
	first := strings.ToLower(noun)
	for _, spelled := range []string{"a", "e", "i", "o", "hdfs", "http", "hbase", "rpc"} {
		if strings.HasPrefix(first, spelled) {
			return "an " + noun
		}
	}
	return "a " + noun
}
