package spooldir

import (
	"fmt"
	"io"

	"goflume/event"
	"goflume/internal/charset"
	"goflume/internal/lines"
)

// textLines makes an event of each line. Only the newline ends a line; a carriage return before it stays. A line in UTF-8 is
// a part of what was read, without a copy.
type textLines struct {
	lines   *lines.Reader
	text    *text
	out     charset.Charset
	plain   bool // out needs no change
	headers []event.Header
	max     int // characters
	newline int // bytes

	at    int64 // bytes of the file, behind the last event
	ended bool
	final bool
	buf   []byte
}

func newTextLines(src *stream, at int64, headers []event.Header, s *Settings) (*textLines, error) {
	t, skip, err := newText(src, s.InputCharset, s.DecodeErrorPolicy, at)
	if err != nil {
		return nil, err
	}
	return &textLines{lines: lines.NewLenderOf(src, t.newline), text: t, out: s.OutputCharset, plain: s.OutputCharset.IsUTF8(),
		headers: headers, max: s.MaxLineLength, newline: len(t.newline), at: skip}, nil
}

func (r *textLines) position() position { return position{offset: r.at} }

func (r *textLines) finish() { r.final = true }

func (r *textLines) read(b *event.Batch, q *quota) error {
	for q.left() {
		line, whole := r.lines.Next()
		if whole {
			if err := r.line(b, q, line); err != nil {
				return err
			}
			continue
		}
		rest := r.lines.Rest()
		switch {
		case len(rest) >= widest*r.max, r.ended && r.final && len(rest) > 0:
			if err := r.rest(b, q, rest); err != nil {
				return err
			}
		case r.ended:
			return io.EOF
		default:
			_, err := r.lines.Fill()
			if err == io.EOF {
				r.ended = true
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}

// line makes an event of a whole line, or of the start of one that is too long: then what is left, which may be nothing, is
// the next line.
func (r *textLines) line(b *event.Batch, q *quota, line []byte) error {
	n, cut := len(line), false
	if n >= r.max {
		n, cut = r.text.prefix(line, r.max)
	}
	if err := r.add(b, q, line[:n]); err != nil {
		return err
	}
	r.at += int64(n)
	if cut {
		r.lines.Unread(len(line) - n + r.newline)
	} else {
		r.at += int64(r.newline)
	}
	return nil
}

// rest makes an event of the start of an unfinished line, or of all of it.
func (r *textLines) rest(b *event.Batch, q *quota, rest []byte) error {
	n := len(rest)
	if n >= r.max {
		n, _ = r.text.prefix(rest, r.max)
	}
	if err := r.add(b, q, rest[:n]); err != nil {
		return err
	}
	r.at += int64(n)
	r.lines.Skip(n)
	return nil
}

func (r *textLines) add(b *event.Batch, q *quota, raw []byte) error {
	r.lines.Lend(b)
	body, err := r.text.decode(b, raw)
	if err != nil {
		return fmt.Errorf("in the line at byte %d: %w", r.at, err)
	}
	if !r.plain {
		r.buf = r.out.Encode(r.buf[:0], body)
		body = b.Alloc(len(r.buf))
		copy(body, r.buf)
	}
	q.add(b, body, r.headers)
	return nil
}
