package conf

// Secret is a setting that is never logged or shown.
type Secret string

// String masks the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "********"
}

// GoString and MarshalText mask it as well, so that no formatting verb and no encoder lets it out.
func (s Secret) GoString() string { return s.String() }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal returns the secret itself, for the one call that needs it.
func (s Secret) Reveal() string { return string(s) }

// NodeDecoder is a field type that reads its value and what stands below its key by itself (registry.Nested).
// key is the field's key in n.
type NodeDecoder interface {
	DecodeNode(n *Node, key string) []Issue
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
//	unit:"ms"             of a duration without a suffix: ms or s
//	enum:"a|b"            the values allowed, in any case; the field gets the spelling of the tag
//	sep:","               between the items of a []string; blanks when there is no tag
func Decode(n *Node, dst ...any) []Issue { panic("conf: Decode is not built yet") }

// MissingType reports a component without `type`. kind is the family's name for a reader, such as sink.
func MissingType(n *Node, kind string) Issue { panic("conf: not built yet") }

// UnknownType reports a `type` that no known name is equal to; the nearest of known is suggested.
func UnknownType(n *Node, typ Property, kind string, known []string) Issue {
	panic("conf: not built yet")
}

// RefusedType reports a type that Flume has and this agent has not; instead says what to use.
func RefusedType(n *Node, typ Property, kind, instead string) Issue { panic("conf: not built yet") }
