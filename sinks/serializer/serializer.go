// Package serializer is the root of the event serializers, which turn events into the bytes of a file, and holds the
// built-in ones. The sinks that write files (hdfs, file_roll) use them.
package serializer

import (
	"goflume/event"
	"goflume/internal/registry"
)

// Registry holds every serializer type. What it builds is a Format: a file's worth of state is made by Format.File.
var Registry = registry.New[Format]("serializer")

// Format makes the serializers of files.
type Format interface {
	// File returns the serializer of a new file.
	File() Serializer
	// Reopens tells whether a file that was closed may be appended to by a further Serializer.
	Reopens() bool
}

// Serializer writes the events of one file. Its methods append to dst and return it, as append does; after an error dst
// holds only what it held before, so that one bad event spoils no other.
type Serializer interface {
	// Begin appends what stands at the file's start. It is called before the first event, with that event, as some
	// formats take their schema from it.
	Begin(dst []byte, first *event.Event) ([]byte, error)
	// Append appends one event. It may hold bytes back until Flush.
	Append(dst []byte, e *event.Event) ([]byte, error)
	// Flush appends what was held back: after it, all events so far are in the file.
	Flush(dst []byte) ([]byte, error)
}
