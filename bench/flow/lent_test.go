package flow

import (
	"context"
	"fmt"
	"hash/crc32"
	"strings"
	"sync/atomic"
	"testing"

	"goflume/channels"
	"goflume/event"
	textlines "goflume/internal/lines"
	"goflume/sinks"
	"goflume/sources/selector"
)

// checker is a sink that checks bodies against the checksum that each begins with.
type checker struct {
	*counter
	bad atomic.Int64
}

var _ sinks.Sink = (*checker)(nil)

// Write checks.
func (c *checker) Write(ctx context.Context, events []event.Event) error {
	for i := range events {
		if !sound(events[i].Body) {
			c.bad.Add(1)
		}
	}
	return c.counter.Write(ctx, events)
}

// summed is a line with its checksum.
func summed(text string) string {
	return fmt.Sprintf("%08x%s", crc32.ChecksumIEEE([]byte(text)), text)
}

func sound(body []byte) bool {
	return len(body) >= 8 && fmt.Sprintf("%08x", crc32.ChecksumIEEE(body[8:])) == string(body[:8])
}

// TestMemoryIsUsedAgainOnlyAfterDelivery sends lines whose chunks are used again over one channel and over two.
func TestMemoryIsUsedAgainOnlyAfterDelivery(t *testing.T) {
	const count = 60_000
	var text strings.Builder
	for i := range count {
		text.WriteString(summed(fmt.Sprint(i, strings.Repeat("x", i%400))) + "\n")
	}
	for name, c := range map[string]struct {
		sel      selector.Selector
		channels int
		total    int64
	}{
		"direct": {nil, 1, count},
		"copied": {nil, 2, 2 * count},
		"split":  {&halves{}, 2, count},
	} {
		t.Run(name, func(t *testing.T) {
			s := &checker{counter: newCounter(300)}
			s.goal.Store(c.total)
			var cs []channels.Channel
			for range c.channels {
				cs = append(cs, newMemory(t))
			}
			in := start(t, s, c.sel, cs...)
			r := textlines.NewLender(strings.NewReader(text.String()))
			defer r.Close()
			var b event.Batch
			for err := error(nil); err == nil; {
				_, err = r.Fill()
				for more := true; more; {
					for more = true; more && len(b.Events) < 1000; {
						var line []byte
						if line, more = r.Next(); more {
							r.Adopt(&b, line)
						}
					}
					if err := in.Send(t.Context(), &b); err != nil {
						t.Fatal(err)
					}
					b.Reset()
				}
			}
			<-s.reached
			if n := s.bad.Load(); n > 0 {
				t.Errorf("%d bodies were overwritten before the sink had written them", n)
			}
		})
	}
}
