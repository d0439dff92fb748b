package netcat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
	"unicode/utf8"

	"goflume/event"
	"goflume/internal/javafmt"
	"goflume/internal/lines"
	"goflume/sources"
)

// client is one connection.
type client struct {
	*Source
	conn    net.Conn
	out     sources.Output
	lines   *lines.Reader
	batch   event.Batch
	ok      []byte // the answer OK in the client's encoding; empty without answers
	answers []byte // not yet written
}

func newClient(s *Source, conn net.Conn, out sources.Output) *client {
	c := &client{Source: s, conn: conn, out: out, lines: lines.NewLender(s.settings.Encoding.Reader(conn))}
	if s.settings.AckEveryEvent {
		c.ok = s.settings.Encoding.Encode(nil, []byte("OK\n"))
	}
	return c
}

// errTooLong ends the connection of a client that sent too long a line.
var errTooLong = errors.New("line too long")

// serve takes lines until the client leaves, sends too long a line, or the read deadline is set. What is left without a
// newline is no event.
func (c *client) serve(ctx context.Context) error {
	defer c.lines.Close()
	for {
		_, readErr := c.lines.Fill()
		err := c.deliver(ctx)
		if err == nil && c.tooLong(whole(c.lines.Rest())) {
			err = errTooLong
		}
		if err == errTooLong {
			return c.reject()
		}
		if err == nil {
			err = c.answer()
		}
		switch {
		case err != nil:
			return err
		case readErr == io.EOF:
			return nil
		case readErr != nil:
			return readErr
		}
	}
}

// deliver sends the complete lines, as many at once as the channels have room for. It notes the answers and writes them
// only where the next lines might have to wait for room.
func (c *client) deliver(ctx context.Context) error {
	for {
		limit, room := c.limit()
		if room == 0 {
			if err := c.answer(); err != nil {
				return err
			}
		}
		err := c.collect(limit)
		n := len(c.batch.Events)
		if n > 0 {
			c.note(n, c.out.Send(ctx, &c.batch))
			c.batch.Reset()
		}
		if err != nil || n < limit {
			return err
		}
	}
}

// limit returns the most lines of one batch, and the room that the channels have now (-1 where nobody knows).
func (c *client) limit() (lines, room int) {
	most, room := c.out.Limits()
	lines = int(^uint(0) >> 1)
	if most > 0 {
		lines = most
	}
	if room >= 0 {
		lines = min(lines, room)
	}
	return max(lines, 1), room
}

// collect moves up to limit lines to the batch. It returns errTooLong when the next one is.
func (c *client) collect(limit int) error {
	most := c.settings.MaxLineLength - 1
	for {
		if limit -= c.lines.AdoptLines(&c.batch, limit, most); limit == 0 {
			return nil
		}
		line, ok := c.lines.Next() // it has more bytes than characters may be
		if !ok {
			return nil
		}
		if c.tooLong(line) {
			return errTooLong
		}
		c.lines.Adopt(&c.batch, line)
		if limit--; limit == 0 {
			return nil
		}
	}
}

// tooLong tells whether the line has too many characters when its newline, which may still be to come, is counted.
func (c *client) tooLong(line []byte) bool {
	most := c.settings.MaxLineLength - 1
	return len(line) > most && javafmt.Units(line) > most
}

// whole returns the text without an unfinished last character.
func whole(text []byte) []byte {
	for i := len(text) - 1; i >= max(0, len(text)-utf8.UTFMax); i-- {
		if utf8.RuneStart(text[i]) && !utf8.FullRune(text[i:]) {
			return text[:i]
		}
	}
	return text
}

// note adds the answers to n lines.
func (c *client) note(n int, err error) {
	answer := c.ok
	if err != nil {
		answer = c.failed(strings.ReplaceAll(err.Error(), "\n", " "))
	}
	if len(answer) == 0 {
		return
	}
	for range n {
		c.answers = append(c.answers, answer...)
	}
}

func (c *client) failed(text string) []byte {
	return c.settings.Encoding.Encode(nil, []byte("FAILED: "+text+"\n"))
}

// answer writes what was noted.
func (c *client) answer() error {
	if len(c.answers) == 0 {
		return nil
	}
	_, err := c.conn.Write(c.answers)
	c.answers = c.answers[:0]
	return err
}

// reject says that the line is too long and ends the connection, but not before the client could read why: closing with
// input unread would take the answer back.
func (c *client) reject() error {
	c.counters.ReadFail.Add(1)
	text := fmt.Sprintf("Event exceeds the maximum length (%d chars, including newline)", c.settings.MaxLineLength)
	c.answers = append(c.answers, c.failed(text)...)
	if err := c.answer(); err != nil {
		return err
	}
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
		c.conn.SetReadDeadline(time.Now().Add(grace))
		io.Copy(io.Discard, c.conn)
	}
	return errTooLong
}
