package file

import (
	"testing"
	"testing/synctest"

	"goflume/internal/vfs"
	"goflume/internal/vfs/memfs"
)

// openLarge opens a channel with files of Flume's size on a disk that does not keep their zeros.
func openLarge(t *testing.T) *Channel {
	t.Helper()
	s := small()
	s.MaxFileSize = maxFileSizeFlume
	return mustOpen(t, nullFills{memfs.New()}, s)
}

// roll starts a new file of the first lane and returns the size that the next ones are to have.
func roll(t *testing.T, c *Channel) int64 {
	t.Helper()
	check(t, c.roll(c.lanes[0], nil))
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.segSize
}

// TestFilesGrowWithTheQueue: they soon have the usual size, and a larger one where nobody takes what fills them. Those that
// are made while a commit waits are small and count for what they are.
func TestFilesGrowWithTheQueue(t *testing.T) {
	c := openLarge(t)
	want := map[int]int64{1: 2 * firstSegment, 2: usualSegment, 16: usualSegment, 17: 2 * usualSegment, 32: 2 * usualSegment, 33: maxSegment, 40: maxSegment}
	for n := 1; n <= 40; n++ {
		size := roll(t, c)
		if w := want[n]; w != 0 && size != w {
			t.Errorf("files of %d bytes after %d, want %d", size, n, w)
		}
		mustPut(t, c, numbered(n, 1))
	}
	wantRun(t, drain(t, c), 1, 40)
	mustClose(t, c)
}

// TestFilesGrowWithTransactions: four of the size that begins a file fit in the next ones.
func TestFilesGrowWithTransactions(t *testing.T) {
	c := openLarge(t)
	for _, f := range []struct{ transaction, want int64 }{
		{headerSize, firstSegment},
		{firstSegment / 4, firstSegment},
		{firstSegment/4 + 8, 2 * firstSegment},
		{usualSegment / 2, 2 * usualSegment},
		{maxSegment, maxSegment},
		{headerSize, maxSegment},
	} {
		c.growFor(f.transaction)
		if c.segSize != f.want {
			t.Errorf("files of %d bytes for transactions of %d, want %d", c.segSize, f.transaction, f.want)
		}
	}
	mustClose(t, c)
}

// TestFilesAreUsedAgainWhereASinkKeepsUp: those that were small first, too, and none grows beyond the usual size.
func TestFilesAreUsedAgainWhereASinkKeepsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openLarge(t)
		const rolls = 40
		for i := range rolls {
			if size := roll(t, c); size > usualSegment {
				t.Errorf("files of %d bytes after %d, want %d at most", size, i+1, usualSegment)
			}
			mustPut(t, c, numbered(i, 1))
			wantRun(t, drain(t, c), i, 1)
			synctest.Wait() // for the keeper, which seals what is full
			check(t, c.checkpoint(nil, false))
		}
		c.mu.Lock()
		made := c.dirs[0].next
		c.mu.Unlock()
		if made > longQueue+lanesPerDir {
			t.Errorf("%d files were made for %d, want them used again", made, rolls)
		}
		mustClose(t, c)
	})
}

func TestSegmentsAreRecycled(t *testing.T) {
	disk := memfs.New()
	c := mustOpen(t, disk, small())
	for i := range 3000 {
		mustPut(t, c, numbered(i*10, 10))
		check(t, take(t, c, 10).Commit())
		if i%50 == 0 {
			c.housekeep(true)
		}
	}
	if used := disk.Used(); used > 2<<20 {
		t.Errorf("an empty channel takes %d bytes", used)
	}
	if n := c.diskBytes(); n > 2<<20 || n == 0 {
		t.Errorf("%d bytes of log files", n)
	}
	mustClose(t, c)
}

// TestNobodyWaitsForALargeFile: the file that is made while a commit waits is a small one, the keeper's is not.
func TestNobodyWaitsForALargeFile(t *testing.T) {
	s := small()
	s.MaxFileSize = maxFileSizeFlume
	c := newChannel(testEnv(), s, nullFills{memfs.New()})
	check(t, c.Open(t.Context()))
	c.mu.Lock()
	c.segSize = maxSegment
	c.mu.Unlock()
	seg, err := c.segmentFrom(c.dirs[0], c.lanes[0])
	check(t, err)
	if seg.size != firstSegment {
		t.Errorf("a file of %d bytes was made while a commit waits, want %d", seg.size, firstSegment)
	}
	spare, err := c.makeSegment(c.dirs[0], maxSegment)
	check(t, err)
	if spare.size != maxSegment {
		t.Errorf("the keeper made a file of %d bytes, want %d", spare.size, maxSegment)
	}
	check(t, seg.file.Close())
	check(t, spare.file.Close())
	mustClose(t, c)
}

// nullFills is a disk that does not keep the zeros of new files.
type nullFills struct{ vfs.FS }

type nullFill struct{ vfs.File }

func (n nullFills) Create(name string) (vfs.File, error) {
	f, err := n.FS.Create(name)
	return nullFill{f}, err
}

func (f nullFill) WriteAt(b []byte, off int64) (int, error) {
	if off >= pageSize && len(b) > len(zeros)/2 {
		return len(b), nil
	}
	return f.File.WriteAt(b, off)
}
