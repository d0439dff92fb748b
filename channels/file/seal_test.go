package file

import (
	"sync/atomic"
	"testing"

	"goflume/internal/vfs/errfs"
	"goflume/internal/vfs/memfs"
)

// Committers checkpoint too, when there is no room: what they free must not be a file that the keeper still writes an index
// to, or the index lands in the next events.
func TestAFileIsNotUsedAgainWhileItsIndexIsWritten(t *testing.T) {
	const first = "/ch/data/seg-00000001.fq"
	written := make(chan struct{})
	var begun, over atomic.Bool
	disk := memfs.New()
	c := mustOpen(t, errfs.New(disk, func(call errfs.Call) error {
		switch {
		case call.Op != errfs.Write || call.Name != first:
		case call.Off > pageSize && call.Len < 200 && begun.CompareAndSwap(false, true):
			<-written
			over.Store(true)
		case call.Off == 0 && begun.Load() && !over.Load():
			t.Error("the file is used again while its index is written")
		}
		return nil
	}), small())
	n := 0
	put := func() { mustPut(t, c, numbered(n, 10)); n += 10 }
	for !begun.Load() {
		put()
		c.kickKeeper()
	}
	wantRun(t, drain(t, c), 0, n)
	for range 4 { // both checkpoints forget the file
		check(t, c.checkpoint(nil, false))
	}
	kept := n
	for n < kept+1000 { // more than one file takes
		put()
	}
	close(written)
	mustClose(t, c)
	c = mustOpen(t, disk, small())
	defer mustClose(t, c)
	wantRun(t, drain(t, c), kept, n-kept)
}

func TestAcknowledgementsAloneKeepNoFile(t *testing.T) {
	disk := newDisk()
	c := mustOpen(t, disk, small())
	for i := range 6000 { // lane 1 has nothing but acknowledgements, for seven files
		mustPut(t, c, numbered(i, 1))
		wantRun(t, drain(t, c), i, 1)
		if i%100 == 0 {
			c.housekeep(true)
		}
	}
	names, err := disk.List("/ch/data")
	check(t, err)
	if len(names) > 6 {
		t.Errorf("an empty channel keeps %q", names)
	}
	mustPut(t, c, numbered(6000, 3))
	crashed := disk.Crash(nil)
	_ = c.Close()
	c = mustOpen(t, crashed, small())
	defer mustClose(t, c)
	wantRun(t, drain(t, c), 6000, 3)
}
