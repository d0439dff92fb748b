package spooldir

import (
	"goflume/event"
)

// deserializer makes events of one file.
type deserializer interface {
	// read adds events to the batch while the quota lasts. io.EOF: the file's end as it was read. What is cut off by the end,
	// such as a line without newline, is kept back until finish was called. Another error is about what the file holds
	// behind the position, unless it is the disk's: stream.raw.failed.
	read(b *event.Batch, q *quota) error
	// finish says that the file will not grow: the next read gives what was kept back, too.
	finish()
	// position is where a reader would have to go on behind the events that were read.
	position() position
}

// quota is what still fits into a batch. The first event always does.
type quota struct {
	events int
	bytes  int
}

func (q *quota) left() bool { return q.events > 0 && q.bytes > 0 }

// add adds an event to the batch.
func (q *quota) add(b *event.Batch, body []byte, headers []event.Header) {
	b.Adopt(body).Headers = headers
	q.events--
	q.bytes -= len(body)
}

// open makes the file's events readable behind its position.
func (s *Source) open(f *file) error {
	var err error
	if f.stream, err = openStream(s.disk, f.path, s.settings.Decompress); err != nil {
		return err
	}
	switch s.settings.Deserializer {
	case "AVRO":
		f.events, err = newAvroRecords(f.stream, f.at, f.headers, s.settings.SchemaType)
	case "DEAD_LETTER":
		f.events, err = newLetters(f.stream, f.at.offset, f.headers)
	case "BLOB":
		f.events, err = newBlobs(f.stream, f.at.offset, f.headers, s.settings.MaxBlobLength, f.seen.size)
	default:
		f.events, err = newTextLines(f.stream, f.at.offset, f.headers, &s.settings)
	}
	return err
}
