package file

import (
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"goflume/internal/vfs/errfs"
	"goflume/internal/vfs/memfs"
)

// TestNoRoomForOneKindOfFile: from some moment on there is no room where segments are made, where they are written, where
// checkpoints are, or where acknowledgements go; what was answered stays, and comes once there is room again.
func TestNoRoomForOneKindOfFile(t *testing.T) {
	for what, hit := range map[string]func(c errfs.Call) bool{
		"new segments":  func(c errfs.Call) bool { return c.Op == errfs.Create && strings.Contains(c.Name, "seg-") },
		"their zeros":   func(c errfs.Call) bool { return c.Op == errfs.Write && c.Off == pageSize && c.Len == len(zeros) },
		"segments":      func(c errfs.Call) bool { return c.Op == errfs.Write && strings.Contains(c.Name, "seg-") },
		"checkpoints":   func(c errfs.Call) bool { return c.Op == errfs.Write && strings.Contains(c.Name, "ckpt-") },
		"small writes":  func(c errfs.Call) bool { return c.Op == errfs.Write && c.Len < 200 },
		"any new bytes": func(c errfs.Call) bool { return c.Op == errfs.Write || c.Op == errfs.Create },
		"their syncs":   func(c errfs.Call) bool { return c.Op == errfs.Datasync && strings.Contains(c.Name, "seg-") },
	} {
		for seed := range uint64(6) {
			rng := rand.New(rand.NewPCG(seed, 12))
			disk := memfs.New()
			var full atomic.Bool // the channel asks from goroutines of its own
			e := errfs.New(disk, func(c errfs.Call) error {
				if full.Load() && hit(c) {
					return syscall.ENOSPC
				}
				return nil
			})
			c := mustOpen(t, e, small())
			var put, done []int
			step := func(n int) {
				first := n * 10
				if c.Put(t.Context(), numbered(first, 10)) == nil {
					put = append(put, n)
				}
				if tx := take(t, c, 5); n%3 == 0 && tx != nil {
					var got []int
					for i := range tx.Events() {
						got = append(got, numberedAs(&tx.Events()[i]))
					}
					if tx.Commit() == nil {
						done = append(done, got...)
					}
				} else if tx != nil {
					check(t, tx.Rollback())
				}
				if rng.IntN(4) == 0 {
					c.housekeep(true)
				}
			}
			n := 0
			for ; n < 30+rng.IntN(100); n++ {
				step(n)
			}
			full.Store(true)
			for end := n + 100; n < end; n++ {
				step(n)
			}
			full.Store(false)
			mustPut(t, c, numbered(n*10, 10)) // room again: it goes on
			put = append(put, n)
			if err := c.Healthy(); err != nil {
				t.Errorf("no room for %s, and then room: %v", what, err)
			}
			crashed := disk.Crash(rng)
			_ = c.Close()
			c = mustOpen(t, crashed, small())
			owed := map[int]bool{}
			for _, k := range put {
				for i := range 10 {
					owed[k*10+i] = true
				}
			}
			for _, k := range done {
				delete(owed, k)
			}
			last := -1
			for _, k := range drain(t, c) {
				if k <= last {
					t.Fatalf("no room for %s, seed %d: %d comes behind %d", what, seed, k, last)
				}
				last = k
				delete(owed, k)
			}
			if len(owed) > 0 {
				t.Fatalf("no room for %s, seed %d: %d events were answered and are gone", what, seed, len(owed))
			}
			mustClose(t, c)
		}
	}
}
