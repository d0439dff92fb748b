package file

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/vfs"
	"goflume/internal/vfs/memfs"
)

// slowDisk is a disk whose syncs take their time, below a directory or everywhere.
type slowDisk struct {
	vfs.FS
	sync func(name string)
}

type slowFile struct {
	vfs.File
	name string
	sync func(name string)
}

func (d slowDisk) Create(name string) (vfs.File, error) {
	f, err := d.FS.Create(name)
	return slowFile{f, name, d.sync}, err
}

func (f slowFile) Datasync() error {
	f.sync(f.name)
	return f.File.Datasync()
}

// syncs returns how many transactions were synced, and how many syncs that took.
func syncs(c *Channel) (commits int64, n uint64) {
	n, _, _ = c.m.fsync.Snapshot()
	return c.m.commits.Value(), n
}

func TestThoseWhoCommitAtTheSameTimeShareASync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := small()
		s.MaxFileSize, s.FsyncMaxDelay = 16<<20, 100*time.Microsecond
		c := mustOpen(t, slowDisk{memfs.New(), func(string) { time.Sleep(200 * time.Microsecond) }}, s)
		mustPut(t, c, numbered(0, 1)) // which makes the file
		for _, committers := range []int{1, 4, 16} {
			before, n := syncs(c)
			begin := time.Now()
			var wg sync.WaitGroup
			for w := range committers {
				wg.Go(func() {
					for i := range 50 {
						mustPut(t, c, numbered(w*100+i, 1))
					}
				})
			}
			wg.Wait()
			after, m := syncs(c)
			shared := float64(after-before) / float64(m-n)
			if shared < float64(committers)/2 {
				t.Errorf("%d committers: %.1f transactions a sync", committers, shared)
			}
			if took := time.Since(begin); committers == 1 && took > 50*200*time.Microsecond {
				t.Errorf("a lone committer takes %v for 50 transactions, its syncs %v", took, 50*200*time.Microsecond)
			}
		}
		mustClose(t, c)
	})
}

func TestLargeTransactionsUseBothLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := small()
		s.MaxFileSize = 4 << 20
		c := mustOpen(t, slowDisk{memfs.New(), func(string) { time.Sleep(time.Millisecond) }}, s)
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				for range 3 {
					mustPut(t, c, []event.Event{{Body: make([]byte, shared/2)}})
				}
			})
		}
		wg.Wait()
		for _, l := range c.lanes {
			if len(l.segs) == 0 {
				t.Errorf("lane %d was not used", l.id)
			}
		}
		mustClose(t, c)
	})
}

func TestADirectoryThatHangsHoldsUpOnlyItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := small()
		s.DataDirs = []string{"/a", "/b"}
		hang := make(chan struct{})
		var hanging atomic.Bool
		c := mustOpen(t, slowDisk{memfs.New(), func(name string) {
			if hanging.Load() && name[:3] == "/a/" {
				<-hang
			}
		}}, s)
		mustPut(t, c, numbered(0, 10))
		if c.lanes[0].active == nil {
			t.Fatal("the first lane was not written")
		}
		hanging.Store(true)
		var first sync.WaitGroup
		first.Go(func() { mustPut(t, c, numbered(1000, 1)) }) // to the idle first lane
		synctest.Wait()
		for i := range 50 {
			mustPut(t, c, numbered(10+i*10, 10))
		}
		if n := c.Stats().Size; n != 510 {
			t.Errorf("%d events queued, want 510", n)
		}
		if tx := take(t, c, 100); len(tx.Events()) != 100 || tx.Commit() != nil {
			t.Error("nothing is delivered")
		}
		close(hang)
		first.Wait()
		if got := drain(t, c); len(got) != 411 {
			t.Errorf("%d events left, want 411", len(got))
		}
		mustClose(t, c)
	})
}

// mute is a disk whose Space does not answer.
type mute struct {
	vfs.FS
	hanging *atomic.Bool
	hang    chan struct{}
}

func (m mute) Space(dir string) (vfs.Space, error) {
	if m.hanging.Load() {
		<-m.hang
	}
	return m.FS.Space(dir)
}

func TestAFileSystemThatDoesNotTellItsSpaceHoldsUpOnePut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mute{memfs.New(), &atomic.Bool{}, make(chan struct{})}
		c := mustOpen(t, m, small())
		mustPut(t, c, numbered(0, 10))
		m.hanging.Store(true)
		time.Sleep(2 * spaceAge)
		var first sync.WaitGroup
		first.Go(func() {
			if err := c.Put(context.Background(), numbered(20, 1)); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		mustPut(t, c, numbered(10, 10))
		wantRun(t, drain(t, c), 0, 20)
		close(m.hang)
		first.Wait()
		wantRun(t, drain(t, c), 20, 1)
		mustClose(t, c)
	})
}

func TestManyCommittersAndTakers(t *testing.T) {
	disk := memfs.New()
	s := small()
	s.FsyncMaxDelay = 100 * time.Microsecond
	c := mustOpen(t, disk, s)
	const putters, each = 64, 20
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	seen := map[string]int{}
	var puts, takers sync.WaitGroup
	for w := range putters {
		puts.Go(func() {
			for i := range each {
				if err := c.Put(ctx, []event.Event{{Body: fmt.Appendf(nil, "%d %d", w, i)}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for k := range 3 {
		takers.Go(func() {
			for n := 0; ; n++ {
				tx, err := c.Take(ctx, 10, 0)
				if err != nil {
					return
				}
				if (n+k)%5 == 0 {
					check(t, tx.Rollback())
					continue
				}
				mu.Lock()
				for _, e := range tx.Events() {
					seen[string(e.Body)]++
				}
				all := len(seen) == putters*each
				mu.Unlock()
				check(t, tx.Commit())
				if all {
					cancel()
				}
			}
		})
	}
	puts.Wait()
	takers.Wait()
	cancel()
	if len(seen) != putters*each {
		t.Errorf("%d events came, want %d", len(seen), putters*each)
	}
	for b, n := range seen {
		if n != 1 {
			t.Errorf("event %s came %d times", b, n)
		}
	}
	mustClose(t, c)
}
