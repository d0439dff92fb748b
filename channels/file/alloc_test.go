//go:build !race

package file

import (
	"testing"

	"goflume/event"
	"goflume/internal/vfs/memfs"
)

func TestAllocationsPerTransaction(t *testing.T) {
	s := small()
	s.MaxFileSize = 256 << 20
	disk := memfs.New()
	c := mustOpen(t, nullWrites{disk}, s)
	defer mustClose(t, c)
	var b event.Batch
	for range 100 {
		e := b.Add(make([]byte, 500))
		b.SetHeader(e, "host", "h1")
	}
	mustPut(t, c, b.Events)
	check(t, take(t, c, 100).Commit())
	n := testing.AllocsPerRun(100, func() {
		mustPut(t, c, b.Events)
		check(t, take(t, c, 100).Commit())
	})
	if n > 20 {
		t.Errorf("%v allocations for putting and taking 100 events, want 20 at most", n)
	}
}
