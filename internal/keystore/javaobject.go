package keystore

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// On disk: what stands in front of each thing in a stream of serialized Java objects (Java Object Serialization
// Specification, chapter 6).
const (
	javaMagic     = 0xaced0005
	javaNull      = 0x70
	javaReference = 0x71
	javaClass     = 0x72
	javaObjectTag = 0x73
	javaString    = 0x74
	javaArray     = 0x75
	javaBlock     = 0x77
	javaEnd       = 0x78
	javaEnum      = 0x7e

	javaFirstHandle  = 0x7e0000
	javaSerializable = 2 // flag of a class: its fields follow
	javaWriteMethod  = 1 // and what its writeObject wrote
)

// maxJavaDepth bounds how deep objects may lie in each other; a key's lie three deep.
const maxJavaDepth = 32

// javaFields are an object's fields by name: string, []byte, javaFields, or nil for what is of another kind.
type javaFields map[string]any

type javaClassDesc struct {
	name   string
	flags  byte
	fields []javaField
	super  *javaClassDesc
}

type javaField struct {
	code byte
	name string
}

// readJavaObject reads a stream that holds one object and returns its fields and how many bytes it takes.
func readJavaObject(data []byte) (javaFields, int, error) {
	r := javaReader{binaryReader: binaryReader{data: data}}
	if r.uint32() != javaMagic {
		return nil, 0, errors.New("no serialized Java object")
	}
	o, _ := r.content(0).(javaFields)
	if r.err == nil && o == nil {
		r.err = errors.New("a serialized Java thing that is no object")
	}
	return o, r.at, r.err
}

type javaReader struct {
	binaryReader
	handles []any
}

func (r *javaReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// content reads one thing: string, []byte, javaFields, *javaClassDesc, or nil.
func (r *javaReader) content(depth int) any {
	if depth > maxJavaDepth {
		r.fail("serialized Java objects lie deeper than %d", maxJavaDepth)
	}
	tag := r.byte()
	if r.err != nil {
		return nil
	}
	switch tag {
	case javaNull:
		return nil
	case javaReference:
		if n := int64(r.uint32()) - javaFirstHandle; n >= 0 && n < int64(len(r.handles)) {
			return r.handles[n]
		}
		r.fail("a reference to nothing at byte %d", r.at)
	case javaString:
		s := r.text()
		r.handles = append(r.handles, s)
		return s
	case javaBlock:
		r.bytes(int64(r.byte()))
	case javaClass:
		return r.class(depth)
	case javaArray:
		class := r.describe(depth)
		n := int64(r.uint32())
		if class.name != "[B" {
			r.fail("an array %s", class.name)
		}
		b := r.bytes(n)
		r.handles = append(r.handles, b)
		return b
	case javaEnum:
		r.describe(depth)
		at := len(r.handles)
		r.handles = append(r.handles, nil)
		name, _ := r.content(depth + 1).(string)
		r.handles[at] = name
		return name
	case javaObjectTag:
		class := r.describe(depth)
		o := javaFields{}
		r.handles = append(r.handles, o)
		r.fields(o, class, depth)
		return o
	default:
		r.fail("a serialized Java thing of kind %#x at byte %d", tag, r.at)
	}
	return nil
}

// describe reads a class's description, or a reference to one; it is never nil.
func (r *javaReader) describe(depth int) *javaClassDesc {
	if class, ok := r.content(depth + 1).(*javaClassDesc); ok {
		return class
	}
	r.fail("no class at byte %d", r.at)
	return &javaClassDesc{}
}

func (r *javaReader) class(depth int) *javaClassDesc {
	c := &javaClassDesc{name: r.text()}
	r.bytes(8) // its version
	r.handles = append(r.handles, c)
	c.flags = r.byte()
	for n := binary.BigEndian.Uint16(r.bytes(2)); n > 0 && r.err == nil; n-- {
		f := javaField{r.byte(), r.text()}
		if f.code == '[' || f.code == 'L' {
			r.content(depth + 1)
		}
		c.fields = append(c.fields, f)
	}
	r.annotation(depth)
	c.super, _ = r.content(depth + 1).(*javaClassDesc)
	return c
}

// annotation passes over what a class or a writeObject added.
func (r *javaReader) annotation(depth int) {
	for r.err == nil {
		if r.at < len(r.data) && r.data[r.at] == javaEnd {
			r.at++
			return
		}
		r.content(depth + 1)
	}
}

// fields reads the values of an object, those of its topmost class first.
func (r *javaReader) fields(o javaFields, c *javaClassDesc, depth int) {
	if depth > maxJavaDepth {
		r.fail("serialized Java classes lie deeper than %d", maxJavaDepth)
		return
	}
	if c.super != nil {
		r.fields(o, c.super, depth+1)
	}
	if c.flags&javaSerializable == 0 {
		if c.flags != 0 {
			r.fail("class %s writes itself", c.name)
		}
		return
	}
	for _, f := range c.fields {
		switch f.code {
		case 'B', 'Z':
			r.bytes(1)
		case 'C', 'S':
			r.bytes(2)
		case 'I', 'F':
			r.bytes(4)
		case 'J', 'D':
			r.bytes(8)
		case 'L', '[':
			o[f.name] = r.content(depth + 1)
		default:
			r.fail("a field of kind %q", f.code)
			return
		}
	}
	if c.flags&javaWriteMethod != 0 {
		r.annotation(depth)
	}
}
