package registry

import (
	"reflect"
	"slices"

	"goflume/conf"
)

// same compares settings as reflect.DeepEqual does, but for the places in a *conf.Node.
func same(v, w reflect.Value) bool {
	if v.IsValid() != w.IsValid() {
		return false
	}
	if !v.IsValid() {
		return true
	}
	if v.Type() != w.Type() {
		return false
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if !same(v.Field(i), w.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Interface:
		return same(v.Elem(), w.Elem())
	case reflect.Pointer:
		if v.Pointer() == w.Pointer() {
			return true
		}
		if v.Type() == reflect.TypeFor[*conf.Node]() {
			return sameNode(v, w)
		}
		return same(v.Elem(), w.Elem())
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.IsNil() != w.IsNil() || v.Len() != w.Len() {
			return false
		}
		for i := range v.Len() {
			if !same(v.Index(i), w.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		if v.IsNil() != w.IsNil() || v.Len() != w.Len() {
			return false
		}
		for it := v.MapRange(); it.Next(); {
			if !same(it.Value(), w.MapIndex(it.Key())) {
				return false
			}
		}
		return true
	case reflect.Func:
		return v.IsNil() && w.IsNil()
	}
	return v.Equal(w)
}

// sameNode compares two nodes by their keys and values, in order.
func sameNode(v, w reflect.Value) bool {
	if v.IsNil() || w.IsNil() || !v.CanInterface() || !w.CanInterface() {
		return v.IsNil() && w.IsNil()
	}
	return slices.EqualFunc(v.Interface().(*conf.Node).Props, w.Interface().(*conf.Node).Props, func(p, q conf.Property) bool {
		return p.Key == q.Key && p.Value == q.Value
	})
}
