package twitter

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"goflume/internal/retry"
	"goflume/internal/safe"
)

// maxLine is the longest line of a stream, in bytes; a longer one is left out and counted.
const maxLine = 1 << 20

var errSilence = errors.New("the stream was silent for too long")

// follow reads the stream, and connects again whenever it ends.
func (s *Source) follow(ctx context.Context, b *batch) error {
	a := newAPI(s.s)
	defer a.close()
	defer b.last(ctx)
	pace := pace{waits: s.waits}
	said := false
	for first := true; ; first = false {
		if !first {
			s.again.Add(1)
		}
		err := s.connection(ctx, a, b, func() {
			pace.reset()
			s.env.Report(nil)
			said = false
		})
		if ctx.Err() != nil {
			return nil
		}
		wait := pace.next(err, time.Now())
		if !said || pace.tries > 3 && !errors.As(err, new(disconnected)) {
			s.env.Log.Warn("The stream ended and will be opened again", "source", s.env.Name, "stream", s.describe(), "err", err, "wait", wait)
			said = true
		}
		s.env.Report(err)
		if retry.Sleep(ctx, wait) != nil {
			return nil
		}
	}
}

// connection reads one connection to its end. up is called once X sends.
func (s *Source) connection(ctx context.Context, a *api, b *batch, up func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := a.authorize(ctx); err != nil {
		return err
	}
	if s.filtered() {
		rules, err := ruleTexts(s.s.Keywords, s.s.Language)
		if err != nil {
			return err
		}
		if err := a.synchronize(ctx, "goflume:"+s.env.Agent+"."+s.env.Name, rules); err != nil {
			return err
		}
	}
	body, err := a.connect(ctx, s.filtered())
	if err != nil {
		return err
	}
	defer body.Close()

	lines := make(chan []byte) // nil for a line too long, empty for a keep-alive
	ended := make(chan error, 1)
	go func() {
		ended <- safe.Call(func() error { return read(ctx, body, lines) })
		close(lines)
	}()
	err = b.take(ctx, lines, s.silence, up)
	cancel()
	body.Close()
	for range lines { // until the reader has ended
	}
	if err == nil {
		err = <-ended
	}
	return err
}

// read cuts the stream into lines until it ends.
func read(ctx context.Context, from io.Reader, lines chan<- []byte) error {
	r := bufio.NewReaderSize(from, 64<<10)
	for {
		line, err := readLine(r)
		if err != nil {
			if err == io.EOF {
				err = errors.New("X closed the connection")
			}
			return err
		}
		select {
		case lines <- line:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// readLine returns the next line without its end, a copy; nil where it is longer than maxLine. The last one may lack its end.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, tooLong := []byte{}, false
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxLine {
			tooLong = true
		}
		if !tooLong {
			line = append(line, part...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil && (err != io.EOF || len(line) == 0) {
			return nil, err
		}
		if tooLong {
			return nil, nil
		}
		return bytes.TrimRight(line, "\r\n"), nil
	}
}

// take delivers the posts of the lines until they end, are silent, or X says that it ends them. A nil error means that the
// lines ended.
func (b *batch) take(ctx context.Context, lines <-chan []byte, silence time.Duration, up func()) error {
	quiet := time.NewTimer(silence)
	defer quiet.Stop()
	due := time.NewTimer(time.Hour)
	defer due.Stop()
	for heard := false; ; {
		if b.posts > 0 {
			due.Reset(time.Until(b.due))
		}
		select {
		case line, ok := <-lines:
			if !ok {
				return nil
			}
			if !heard {
				heard = true
				up()
			}
			if err := b.line(ctx, line); err != nil {
				return err
			}
			quiet.Reset(silence) // the time that the channel took does not count
		case <-due.C:
			if err := b.deliver(ctx); err != nil {
				return err
			}
		case <-quiet.C:
			return fmt.Errorf("%w: nothing for %v, not even a keep-alive", errSilence, silence)
		}
	}
}

// line takes one line of a stream: a post, a keep-alive, or X's word that the stream ends.
func (b *batch) line(ctx context.Context, line []byte) error {
	switch {
	case line == nil:
		b.bad.Add(1)
		b.count.ReadFail.Add(1)
		b.env.Log.Warn("Line left out: it is longer than the limit", "source", b.env.Name, "limit", maxLine)
		return nil
	case len(bytes.TrimSpace(line)) == 0:
		return nil
	}
	return b.add(ctx, line)
}
