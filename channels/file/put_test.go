package file

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"goflume/event"
	"goflume/internal/vfs/memfs"
)

func TestLargeEventsAndTransactionsAreWhole(t *testing.T) {
	disk := memfs.New()
	s := small()
	s.CacheBytes = 0
	c := mustOpen(t, disk, s)
	big := make([]event.Event, 20)
	for i := range big {
		big[i].Body = bytes.Repeat([]byte{byte(i)}, 700<<10) // several frames, far more than a segment
	}
	mustPut(t, c, big)
	mustPut(t, c, []event.Event{{Body: bytes.Repeat([]byte{99}, 6<<20)}})
	crashed := disk.Crash(rand.New(rand.NewPCG(1, 1)))
	_ = c.Close()
	c = mustOpen(t, crashed, s)
	tx := take(t, c, 100)
	if len(tx.Events()) != 21 {
		t.Fatalf("%d events, want 21", len(tx.Events()))
	}
	for i, e := range tx.Events() {
		if i < 20 && (len(e.Body) != 700<<10 || e.Body[len(e.Body)-1] != byte(i)) || i == 20 && len(e.Body) != 6<<20 {
			t.Errorf("event %d is damaged", i)
		}
	}
	check(t, tx.Commit())
	mustClose(t, c)
}

func TestTransactionCutShortByACrashIsNotThere(t *testing.T) {
	disk := memfs.New()
	c := mustOpen(t, disk, small())
	mustPut(t, c, numbered(0, 5))
	big := make([]event.Event, 12)
	for i := range big {
		big[i].Body = make([]byte, 1<<20)
	}
	mustPut(t, c, big)
	name := c.lanes[0].segs[1].String()
	offs := frameOffsets(t, disk, name)
	crashed := disk.Crash(nil).Clone()
	_ = c.Close()
	crashed.Edit(name, func(b []byte) { clear(b[offs[len(offs)-2]:]) }) // its last frame never came
	for _, n := range []string{"0", "1"} {                              // nor a checkpoint that knew it
		check(t, crashed.Remove("/ch/checkpoint/ckpt-"+n+".fqc"))
	}
	c = mustOpen(t, crashed, small())
	wantRun(t, drain(t, c), 0, 5)
	mustClose(t, c)
}

func TestCountersCrossing32Bits(t *testing.T) {
	disk := memfs.New()
	c := mustOpen(t, disk, small())
	c.mu.Lock()
	c.done.add(0, 1<<32-50)
	c.next, c.segID = 1<<32-50, 1<<32-2
	c.mu.Unlock()
	for i := range 100 {
		mustPut(t, c, numbered(i*10, 10))
		if i == 50 {
			crashed := disk.Crash(rand.New(rand.NewPCG(2, 2)))
			_ = c.Close()
			disk = crashed
			c = mustOpen(t, disk, small())
		}
	}
	wantRun(t, drain(t, c), 0, 1000)
	mustClose(t, c)
}
