package exec

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"goflume/event"
	"goflume/internal/lines"
	"goflume/sources"
)

// grace is how long the last lines wait for room at stop.
const grace = time.Second

// collector makes batches of what one run of the command prints.
type collector struct {
	*Source
	out    sources.Output
	stdout *os.File
	lines  *lines.Reader
	batch  event.Batch
	pushed time.Time // when the last batch was sent
}

func newCollector(s *Source, stdout *os.File, out sources.Output) *collector {
	return &collector{Source: s, out: out, stdout: stdout, pushed: time.Now(),
		lines: lines.NewReader(s.settings.Charset.Reader(stdout))}
}

// run reads to the end of the output. After ctx has ended it goes on with what the command still prints, until the
// command's killer sets a deadline.
func (c *collector) run(ctx context.Context) error {
	last := sources.Outlast(ctx, grace)
	for stopping := false; ; {
		switch {
		case ctx.Err() == nil && len(c.batch.Events) > 0:
			c.stdout.SetReadDeadline(c.pushed.Add(c.settings.BatchTimeout))
		case !stopping:
			stopping = ctx.Err() != nil
			c.stdout.SetReadDeadline(time.Time{})
		}
		_, err := c.lines.Fill()
		late := errors.Is(err, os.ErrDeadlineExceeded)
		ended := err != nil && (stopping || !late)
		for line, ok := c.lines.NextAny(); ok; line, ok = c.lines.NextAny() {
			c.add(ctx, last, line)
		}
		for most := c.settings.MaxLineLength; len(c.lines.Rest()) > most; c.lines.Skip(most) {
			c.add(ctx, last, c.lines.Rest()[:most])
		}
		if ended && len(c.lines.Rest()) > 0 {
			c.add(ctx, last, c.lines.Take())
		}
		if len(c.batch.Events) > 0 && (ended || time.Since(c.pushed) >= c.settings.BatchTimeout) {
			c.push(ctx, last)
		}
		switch {
		case !ended:
		case err == io.EOF, late:
			return nil
		default:
			return err
		}
	}
}

// add adds a line to the batch, in pieces if it is too long.
func (c *collector) add(ctx, last context.Context, line []byte) {
	for most := c.settings.MaxLineLength; ; line = line[most:] {
		c.batch.Adopt(line[:min(most, len(line))])
		if len(c.batch.Events) >= c.settings.BatchSize {
			c.push(ctx, last)
		}
		if len(line) <= most {
			return
		}
	}
}

// push sends the batch until it is held. After a stop it is tried once more; what is refused then is lost, and said.
func (c *collector) push(ctx, last context.Context) {
	n := len(c.batch.Events)
	err := ctx.Err()
	if err == nil {
		err = sources.Deliver(ctx, c.out, &c.batch, c.health)
	}
	if err != nil {
		if err := c.out.Send(last, &c.batch); err != nil {
			c.lost.Add(n)
			c.log.Error("Lines that the command had printed before the stop are lost", "lines", n, "err", err)
		}
	}
	c.batch.Reset()
	c.pushed = time.Now()
}
