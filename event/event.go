// Package event holds the one thing every family shares: the event, and the batch that sources collect events in.
//
// An event is immutable from the moment a batch was sent with success: its headers and body may be read by several
// channels and sinks at once. Headers belong to the garbage collector; so do bodies, but for those that lie in a Chunk: its
// memory is used again once the last channel has been told that the event was delivered.
package event

// Header is one name and value of an event. A name stands at most once in an event.
type Header struct{ Key, Value string }

// Event is a body with headers, the unit that flows from a source over channels to sinks.
// The order of Headers is the order in which they were set; Flume has none.
type Event struct {
	Headers []Header
	Body    []byte
}

// Header returns the value of the header named key, and whether there is one.
func (e *Event) Header(key string) (string, bool) {
	for i := range e.Headers {
		if e.Headers[i].Key == key {
			return e.Headers[i].Value, true
		}
	}
	return "", false
}

// Size returns the bytes that the event's body and headers hold together.
func (e *Event) Size() int64 {
	n := len(e.Body)
	for i := range e.Headers {
		n += len(e.Headers[i].Key) + len(e.Headers[i].Value)
	}
	return int64(n)
}
