package conf

import (
	"cmp"
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Field is one setting, as the tags of a settings struct declare it and the defaults in it say. The comment on the
// struct's field is the setting's description: it is found under Struct and Name.
type Field struct {
	Key      string   // below the component: hdfs.path, or kafka.producer.* for everything below it
	Was      []string // deprecated names
	Type     reflect.Type
	Default  string // as one would write it; empty for none, and for a secret
	Required bool
	Batch    bool // compared with the channel's transactionCapacity
	Secret   bool
	Min, Max string // bounds of a number, or of a duration in Unit; empty for none
	Enum     []string
	Unit     string // of a duration without a suffix: ms or s
	Sep      string // between the items of a list; empty for blanks
	Nested   string // kind of the type that the value names, such as serializer; its own properties are below the key
	Struct   string // where the field is declared: goflume/sources/netcat.Settings
	Name     string // and the field's name in Go

	value reflect.Value // settable when Fields was given a pointer
	group int           // of Decode: the struct whose Validate speaks for it
	hide  bool          // of Decode: messages do not show the value
}

// TypeField is a NodeDecoder whose value names a type of another family: registry.Nested.
type TypeField interface {
	NodeDecoder
	TypeKind() string
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[Secret]()
	nodeType     = reflect.TypeFor[*Node]()
	mapType      = reflect.TypeFor[map[string]string]()
	decoderType  = reflect.TypeFor[NodeDecoder]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// Fields lists the settings of a struct, or of what a pointer to one points to, in the order of their declaration. It
// panics on a tag that cannot be meant: a bug in the settings struct.
func Fields(settings any) []Field {
	v := reflect.ValueOf(settings)
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if !v.CanAddr() {
		c := reflect.New(v.Type()).Elem()
		c.Set(v)
		v = c
	}
	return appendFields(nil, v, "")
}

func appendFields(fields []Field, v reflect.Value, prefix string) []Field {
	t := v.Type()
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, ok := sf.Tag.Lookup("conf")
		if !ok {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		f := Field{Key: prefix + name, Type: sf.Type, Min: sf.Tag.Get("min"), Max: sf.Tag.Get("max"),
			Unit: sf.Tag.Get("unit"), Sep: sf.Tag.Get("sep"), Secret: sf.Type == secretType,
			Struct: t.PkgPath() + "." + t.Name(), Name: sf.Name, value: v.Field(i)}
		inline := false
		for option := range strings.SplitSeq(options, ",") {
			switch option {
			case "":
			case "required":
				f.Required = true
			case "batch":
				f.Batch = true
			case "inline":
				inline = true
			default:
				panic(fmt.Sprintf("conf: %s.%s: no such option in tag: %s", f.Struct, sf.Name, option))
			}
		}
		if !sf.IsExported() {
			panic(fmt.Sprintf("conf: %s.%s is tagged but not exported", f.Struct, sf.Name))
		}
		if inline {
			below := prefix
			if name != "" {
				below += name + "."
			}
			fields = appendFields(fields, f.value, below)
			continue
		}
		if was := sf.Tag.Get("was"); was != "" {
			for old := range strings.SplitSeq(was, ",") {
				f.Was = append(f.Was, prefix+strings.TrimSpace(old))
			}
		}
		if enum := sf.Tag.Get("enum"); enum != "" {
			f.Enum = strings.Split(enum, "|")
		}
		if sf.Type == durationType && f.Unit == "" {
			f.Unit = "ms"
		}
		if tf, ok := f.value.Addr().Interface().(TypeField); ok {
			f.Nested = tf.TypeKind()
		}
		f.check()
		f.Default = f.print()
		fields = append(fields, f)
	}
	return fields
}

// check panics if the field's type cannot be decoded.
func (f *Field) check() {
	star := f.Key == "*" || strings.HasSuffix(f.Key, ".*")
	switch {
	case star != (f.Type == nodeType || f.Type == mapType):
		panic(fmt.Sprintf("conf: %s.%s: prefix.* goes with map[string]string or *Node, and only that", f.Struct, f.Name))
	case star, f.decoder() != nil, f.text() != nil:
		return
	}
	switch f.Type.Kind() {
	case reflect.String, reflect.Bool, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return
	case reflect.Slice:
		if f.Type.Elem().Kind() == reflect.String {
			return
		}
	}
	panic(fmt.Sprintf("conf: %s.%s: cannot decode into %s", f.Struct, f.Name, f.Type))
}

// prefix is what the keys below the field start with: `kafka.producer.` of kafka.producer.*, `serializer.` of a nested
// type, nothing of "*". ok is false for a field that owns its own key alone.
func (f *Field) prefix() (prefix string, ok bool) {
	if rest, star := strings.CutSuffix(f.Key, "*"); star {
		return rest, true
	}
	return f.Key + ".", f.decoder() != nil
}

func (f *Field) decoder() NodeDecoder {
	if !reflect.PointerTo(f.Type).Implements(decoderType) {
		return nil
	}
	return f.value.Addr().Interface().(NodeDecoder)
}

func (f *Field) text() encoding.TextUnmarshaler {
	if f.Type == secretType || !reflect.PointerTo(f.Type).Implements(textType) {
		return nil
	}
	return f.value.Addr().Interface().(encoding.TextUnmarshaler)
}

// print shows the default as one would write it.
func (f *Field) print() string {
	v := f.value
	switch {
	case f.Type == secretType:
		return ""
	case f.Type == durationType:
		return printDuration(v.Interface().(time.Duration), f.Unit)
	case f.Type == nodeType, f.Type == mapType:
		return ""
	}
	switch x := v.Addr().Interface().(type) {
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil {
			return ""
		}
		return string(text)
	case fmt.Stringer:
		return x.String()
	}
	switch v.Kind() {
	case reflect.Slice:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = v.Index(i).String()
		}
		return strings.Join(items, cmp.Or(f.Sep, " "))
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case reflect.Struct:
		return ""
	}
	return fmt.Sprint(v.Interface())
}

// printDuration gives the number of units, or a suffix where it is not whole.
func printDuration(d time.Duration, unit string) string {
	u := unitOf(unit)
	if d%u == 0 {
		return strconv.FormatInt(int64(d/u), 10)
	}
	return d.String()
}

// Kind says for a reader what may be written: "number", "true or false", "milliseconds", "text", "list" and such.
func (f *Field) Kind() string {
	switch {
	case f.Nested != "":
		return f.Nested + " type"
	case f.Type == nodeType, f.Type == mapType:
		return "properties"
	case f.Type == secretType:
		return "secret"
	case f.Type == durationType && f.Unit == "s":
		return "seconds"
	case f.Type == durationType:
		return "milliseconds"
	case len(f.Enum) > 0:
		return strings.Join(f.Enum, ", ")
	case f.text() != nil:
		return "text"
	}
	switch f.Type.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "list"
	case reflect.String:
		return "text"
	case reflect.Float64:
		return "number"
	}
	return "whole number"
}

// Bounds says for a reader which numbers are allowed; empty for all.
func (f *Field) Bounds() string {
	switch {
	case f.Min != "" && f.Max != "":
		return f.Min + " to " + f.Max
	case f.Min != "":
		return "at least " + f.Min
	case f.Max != "":
		return "at most " + f.Max
	}
	return ""
}
