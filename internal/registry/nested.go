package registry

import (
	"reflect"

	"goflume/conf"
)

// Nested is a settings field that holds a type of another family with its own properties, such as a sink's serializer:
//
//	Serializer registry.Nested[serializer.Format] `conf:"serializer"`
//
// reads the type from `serializer` and its properties from `serializer.*`. The default is made by Default.
type Nested[T any] struct {
	Plan Plan[T]
	from *Registry[T]
}

// Default returns the field's value where nothing is configured: the named type with its defaults. It panics if there is
// none.
func (r *Registry[T]) Default(name string) Nested[T] {
	e := r.Lookup(name)
	if e == nil {
		panic("registry: no " + r.Kind + " of type " + name)
	}
	return Nested[T]{Plan[T]{e, e.Defaults}, r}
}

// Build makes the nested component.
func (n Nested[T]) Build(env Env) (T, error) { return n.Plan.Build(env) }

// String names the type, for the printed default.
func (n Nested[T]) String() string {
	if n.Plan.Entry == nil {
		return ""
	}
	return n.Plan.Entry.Name
}

// TypeKind implements conf.TypeField.
func (n Nested[T]) TypeKind() string {
	if n.from == nil {
		return ""
	}
	return n.from.Kind
}

// DecodeNode implements conf.NodeDecoder.
func (n *Nested[T]) DecodeNode(node *conf.Node, key string) []conf.Issue {
	e := n.Plan.Entry
	var issues []conf.Issue
	if typ, ok := node.Get(key); ok {
		if e, issues = n.from.find(node, typ); e == nil {
			return issues
		}
	}
	plan, more := n.from.decode(e, node.Sub(key))
	n.Plan = plan
	return append(issues, more...)
}

// clone copies a settings value so deep that decoding into the copy leaves the declared defaults alone.
func clone(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	if v.Kind() != reflect.Struct {
		return c
	}
	for i := range v.NumField() {
		f := c.Field(i)
		switch {
		case !f.CanSet():
		case f.Kind() == reflect.Struct:
			f.Set(clone(v.Field(i)))
		case f.Kind() == reflect.Slice && !f.IsNil():
			s := reflect.MakeSlice(f.Type(), f.Len(), f.Len())
			reflect.Copy(s, f)
			f.Set(s)
		case f.Kind() == reflect.Map && !f.IsNil():
			m := reflect.MakeMapWithSize(f.Type(), f.Len())
			for it := f.MapRange(); it.Next(); {
				m.SetMapIndex(it.Key(), it.Value())
			}
			f.Set(m)
		}
	}
	return c
}
