// Package registry is how component types are declared: a name, its aliases, default settings and a constructor. From one
// declaration come decoding, diagnostics, `agent list` and the pages of docs/components.
package registry

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"slices"
	"strings"

	"goflume/conf"
	"goflume/internal/metric"
)

// Env is what the program hands to a component that is built. Building does no I/O; Log and Metrics are never nil.
type Env struct {
	Agent    string // the agent's name
	Name     string // the component's, such as k1
	Log      *slog.Logger
	Metrics  *metric.Set
	StateDir string // for files of the component's own, made by whoever writes there first

	// Peers are, for a selector, the names of the source's channels in order; for a processor, of the group's sinks.
	Peers []string
	// Durable tells a sink that its channel survives a crash, so that what it commits must too.
	Durable bool
	// Health is what Report calls; nil where nobody listens.
	Health func(error)
	// Listen opens a socket that the agent owns: it outlives a source that was changed by a reload. The listener may be
	// closed by the source; the agent keeps the port until no source wants it.
	Listen func(ctx context.Context, network, addr string) (net.Listener, error)
}

// Report is for components that retry inside Run: nil means RUNNING, else BACKOFF with this as the last error.
func (e Env) Report(err error) {
	if e.Health != nil {
		e.Health(err)
	}
}

// Entry is one component type.
type Entry[T any] struct {
	Name     string
	Aliases  []string // Java class names and other spellings
	Refused  string   // why this agent has no such type and what to use instead; empty for a real one
	Defaults any      // a settings struct
	build    func(Env, any) (T, error)
}

// Registry holds the types of one family. It is filled by init functions and read-only after.
type Registry[T any] struct {
	Kind    string // for messages: source, channel, sink ...
	common  any
	entries []*Entry[T]
	byName  map[string]*Entry[T] // lower case
}

// New returns an empty registry of that kind.
func New[T any](kind string) *Registry[T] {
	return &Registry[T]{Kind: kind, byName: map[string]*Entry[T]{}}
}

// WithCommon sets the struct of the properties that every type of the family has. The types do not see them.
func (r *Registry[T]) WithCommon(common any) *Registry[T] {
	r.common = common
	return r
}

// Common returns the struct given to WithCommon, or nil.
func (r *Registry[T]) Common() any { return r.common }

// Add declares a type. The name and the aliases are matched in any case. It panics if one is taken: a bug seen at start.
func Add[T, S any](r *Registry[T], name string, aliases []string, defaults S, build func(Env, S) (T, error)) {
	r.add(&Entry[T]{Name: name, Aliases: aliases, Defaults: defaults,
		build: func(env Env, s any) (T, error) { return build(env, s.(S)) }})
}

// Refuse declares a type that Flume has and this agent cannot have, with what to use instead.
func (r *Registry[T]) Refuse(name string, aliases []string, instead string) {
	r.add(&Entry[T]{Name: name, Aliases: aliases, Refused: instead, Defaults: struct{}{}})
}

func (r *Registry[T]) add(e *Entry[T]) {
	r.entries = append(r.entries, e)
	for _, n := range append([]string{e.Name}, e.Aliases...) {
		key := strings.ToLower(n)
		if r.byName[key] != nil {
			panic(fmt.Sprintf("registry: %s type %s is declared twice", r.Kind, n))
		}
		r.byName[key] = e
	}
}

// Lookup returns the type of that name or alias, in any case, or nil. An alias such as *.TwitterSource stands for every
// class of that name, whatever its package, that no other alias names.
func (r *Registry[T]) Lookup(name string) *Entry[T] {
	name = strings.ToLower(name)
	if e := r.byName[name]; e != nil {
		return e
	}
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		return r.byName["*"+name[dot:]]
	}
	return nil
}

// Entries returns every type, by name.
func (r *Registry[T]) Entries() []*Entry[T] {
	return slices.SortedFunc(slices.Values(r.entries), func(a, b *Entry[T]) int { return cmp.Compare(a.Name, b.Name) })
}

// Names returns every name and alias of types that can be built, for suggestions.
func (r *Registry[T]) Names() []string {
	var names []string
	for _, e := range r.entries {
		if e.Refused == "" {
			names = append(append(names, e.Name), e.Aliases...)
		}
	}
	return names
}

// Plan is a type with its decoded settings: all that is needed to build a component, and what tells over a reload whether
// it changed. Plans are compared by Equal.
type Plan[T any] struct {
	Entry    *Entry[T]
	Settings any
}

// Equal tells whether both plans build the same thing. Where in a file the settings stand makes no difference.
func (p Plan[T]) Equal(q Plan[T]) bool {
	return p.Entry == q.Entry && same(reflect.ValueOf(p.Settings), reflect.ValueOf(q.Settings))
}

// Build makes the component. It does no I/O. The error is a setting's, found only now.
func (p Plan[T]) Build(env Env) (T, error) { return p.Entry.build(env, p.Settings) }

// Decode reads the node's `type` and settings and reports every problem at once. The plan is usable if no issue is an
// error. For an unknown type that is near a known one the settings are read as that one's, so that their problems show too.
func (r *Registry[T]) Decode(n *conf.Node) (Plan[T], []conf.Issue) {
	typ, ok := n.Get("type")
	if !ok {
		return Plan[T]{}, []conf.Issue{conf.MissingType(n, r.Kind)}
	}
	e, issues := r.find(n, typ)
	if e == nil {
		return Plan[T]{}, issues
	}
	common := []any{&typeKey{}}
	if r.common != nil {
		common = append(common, reflect.New(reflect.TypeOf(r.common)).Interface())
	}
	plan, more := r.decode(e, n, common...)
	return plan, append(issues, more...)
}

func (r *Registry[T]) decode(e *Entry[T], n *conf.Node, common ...any) (Plan[T], []conf.Issue) {
	named := *n
	named.Type = e.Name + " " + r.Kind
	settings := reflect.New(reflect.TypeOf(e.Defaults))
	settings.Elem().Set(clone(reflect.ValueOf(e.Defaults)))
	issues := conf.Decode(&named, append([]any{settings.Interface()}, common...)...)
	return Plan[T]{e, settings.Elem().Interface()}, issues
}

// typeKey makes `type` a known key of every component.
type typeKey struct {
	// What the component is: a name of `agent list`, or Flume's Java class name.
	Type string `conf:"type"`
}

// find returns the type that the property names, with an issue if it is only near one; nil if there is none.
func (r *Registry[T]) find(n *conf.Node, typ conf.Property) (*Entry[T], []conf.Issue) {
	e := r.Lookup(typ.Value)
	switch {
	case e == nil && typ.Broken:
		return nil, nil // its look-up was reported
	case e == nil:
		names := r.Names()
		return r.Lookup(conf.NearestType(typ.Value, names)), []conf.Issue{conf.UnknownType(n, typ, r.Kind, names)}
	case e.Refused != "":
		return nil, []conf.Issue{conf.RefusedType(n, typ, r.Kind, e.Refused)}
	}
	return e, nil
}
