package spooldir

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"goflume/event"
)

// maxLetter bounds one record of a dead-letter file, in bytes.
const maxLetter = 256 << 20

// letters makes events of a dead-letter file, which a sink wrote for `onError = file:PATH`: one JSON object a line, with the
// event's headers and its body, so that what could not be delivered can be sent again.
type letters struct {
	src     *bufio.Reader
	headers []event.Header // of the file, behind the event's own

	at    int64
	line  []byte // not complete yet
	final bool
}

func newLetters(src *stream, at int64, headers []event.Header) (*letters, error) {
	if err := src.skip(at); err != nil {
		return nil, err
	}
	return &letters{src: bufio.NewReaderSize(src, 64<<10), headers: headers, at: at}, nil
}

func (l *letters) position() position { return position{offset: l.at} }

func (l *letters) finish() { l.final = true }

func (l *letters) read(b *event.Batch, q *quota) error {
	for q.left() {
		part, err := l.src.ReadSlice('\n')
		if len(l.line)+len(part) > maxLetter {
			return fmt.Errorf("record at byte %d is longer than %d bytes", l.at, maxLetter)
		}
		l.line = append(l.line, part...)
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && (!l.final || len(l.line) == 0), err != nil && err != io.EOF:
			return err
		}
		if err := l.add(b, q); err != nil {
			return fmt.Errorf("record at byte %d: %w", l.at, err)
		}
		l.at += int64(len(l.line))
		l.line = l.line[:0]
	}
	return nil
}

// add makes an event of the line; an empty one is none.
func (l *letters) add(b *event.Batch, q *quota) error {
	if len(bytes.TrimSpace(l.line)) == 0 {
		return nil
	}
	var record struct {
		Headers    map[string]string `json:"headers"`
		Body       string            `json:"body"`
		BodyBase64 []byte            `json:"bodyBase64"`
	}
	if err := json.Unmarshal(l.line, &record); err != nil {
		return fmt.Errorf("no dead letter: %w", err)
	}
	body := record.BodyBase64
	if body == nil {
		body = []byte(record.Body)
	}
	headers := make([]event.Header, 0, len(record.Headers)+len(l.headers))
	for _, k := range slices.Sorted(maps.Keys(record.Headers)) {
		headers = append(headers, event.Header{Key: k, Value: record.Headers[k]})
	}
	for _, h := range l.headers {
		if _, own := record.Headers[h.Key]; !own {
			headers = append(headers, h)
		}
	}
	q.add(b, body, headers)
	return nil
}
