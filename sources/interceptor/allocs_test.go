//go:build !race

package interceptor

import (
	"testing"

	"goflume/event"
)

// The race detector has pools, which regular expressions use, forget at random.
func TestNoAllocationPerEvent(t *testing.T) {
	i := build(t, newStatic, StaticSettings{"k", "v", false})
	f := build(t, newRegexFilter, RegexFilterSettings{Regex: "line"})
	var b event.Batch
	n := testing.AllocsPerRun(100, func() {
		b.Reset()
		for range 100 {
			b.Add([]byte("a line of text"))
		}
		i.Intercept(&b)
		f.Intercept(&b)
	})
	if n > 3 {
		t.Errorf("%v allocations per 100 events", n)
	}
}
