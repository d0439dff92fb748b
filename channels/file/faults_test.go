package file

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"goflume/event"
	"goflume/internal/vfs"
	"goflume/internal/vfs/errfs"
	"goflume/internal/vfs/memfs"
)

// filled returns a disk on which the channel was killed with n batches of ten queued, and the name and contents of its
// only segment.
func filled(t testing.TB, n int) (*memfs.FS, string, []byte) {
	t.Helper()
	disk := memfs.New()
	c := mustOpen(t, disk, small())
	for i := range n {
		mustPut(t, c, numbered(i*10, 10))
	}
	name := c.lanes[0].segs[0].String()
	crashed := disk.Crash(nil).Clone()
	_ = c.Close()
	b, err := vfs.ReadFile(crashed, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return crashed, name, b
}

// frameOffsets returns where the frames of the segment start, and where the last one ends.
func frameOffsets(t testing.TB, disk vfs.FS, name string) []int64 {
	t.Helper()
	f, err := disk.OpenRead(name)
	if err != nil {
		t.Fatal(err)
	}
	size, _ := f.Size()
	page := make([]byte, pageSize)
	_, err = f.ReadAt(page, 0)
	check(t, err)
	var head segHeader
	check(t, head.decode(page))
	r := frameReader{file: f, seg: head.id}
	offs := []int64{pageSize}
	for {
		h, _, err := r.at(offs[len(offs)-1], size)
		if err != nil {
			return offs
		}
		offs = append(offs, offs[len(offs)-1]+h.length())
	}
}

func TestTornWriteAtEveryByte(t *testing.T) {
	disk, name, img := filled(t, 6)
	offs := frameOffsets(t, disk, name)
	last, end := offs[len(offs)-2], offs[len(offs)-1]
	rng := rand.New(rand.NewPCG(1, 1))
	tails := map[string]func(b []byte){
		"zeros": func(b []byte) { clear(b) },
		"old":   func(b []byte) { copy(b, img[offs[1]:]) }, // frames of this very segment, where they do not belong
		"recycled": func(b []byte) { // whole frames of the file's earlier use
			copy(b, img[offs[1]:])
			var h header
			if len(b) >= headerSize && h.parse(img[offs[1]:], binary.LittleEndian.Uint64(img[offs[1]+16:])) {
				h.seg += 1000
				h.put(b)
			}
		},
		"ones": func(b []byte) { copy(b, bytes.Repeat([]byte{0xff}, len(b))) },
		"random": func(b []byte) {
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
		},
	}
	for what, fill := range tails {
		for cut := last; cut < end; cut += tearStep {
			d := disk.Clone()
			d.Edit(name, func(b []byte) { fill(b[cut:end]) })
			if b, _ := vfs.ReadFile(d, name, 1<<20); bytes.Equal(b, img) {
				continue // what was cut off was the same
			}
			c := mustOpen(t, d, small())
			if got := drain(t, c); what != "old" {
				wantRun(t, got, 0, 50)
			} else if len(got) < 50 {
				t.Fatalf("cut at %d, %s: %d events, want 50", cut, what, len(got))
			}
			if c.m.lost.Value() != 0 || c.m.quarantined.Value() != 0 {
				t.Fatalf("cut at %d, %s: a torn tail was taken for damage", cut, what)
			}
			mustClose(t, c)
		}
	}
}

func TestFlippedBitBelowThePromiseCostsOneFrameAndIsCounted(t *testing.T) {
	for _, forget := range []bool{false, true} { // with the checkpoints, and with both of them gone
		disk, name, _ := filled(t, 6)
		offs := frameOffsets(t, disk, name)
		promised := offs[len(offs)-2] // the last group is promised by nobody
		for at := int64(0); at < promised; at += flipStep {
			d := disk.Clone()
			d.Edit(name, func(b []byte) { b[at] ^= 1 << (at % 8) })
			if forget {
				check(t, d.Remove("/ch/checkpoint/ckpt-0.fqc"))
				_ = d.Remove("/ch/checkpoint/ckpt-1.fqc")
			}
			c := mustOpen(t, d, small())
			got := drain(t, c)
			lost := 60 - len(got)
			if lost != 0 && (lost != 10 || at < offs[1]) {
				t.Fatalf("bit flipped at %d: %d events lost, want those of one frame", at, lost)
			}
			if n := c.m.lost.Value(); n != int64(lost) {
				t.Fatalf("bit flipped at %d: %d events counted as lost, %d are", at, n, lost)
			}
			if at >= offs[1] && lost != 10 {
				t.Fatalf("bit flipped at %d: nothing was lost, but a frame was damaged", at)
			}
			if s := c.Stats(); s.Size != 0 || s.Held != 0 {
				t.Fatalf("bit flipped at %d: %+v left", at, s)
			}
			if lost > 0 {
				names, _ := d.List("/ch/data/quarantine")
				if len(names) != 2 || !strings.HasSuffix(names[0], ".bin") || !strings.HasSuffix(names[1], ".json") {
					t.Fatalf("bit flipped at %d: quarantine holds %q", at, names)
				}
			}
			mustClose(t, c)
		}
	}
}

// check fails the test.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDamageWhileRunning(t *testing.T) {
	for _, policy := range []string{"quarantine", "halt"} {
		disk := memfs.New()
		s := small()
		s.CacheBytes, s.OnCorruption = 0, policy
		c := mustOpen(t, disk, s)
		for i := range 6 {
			mustPut(t, c, numbered(i*10, 10))
		}
		name := c.lanes[0].segs[0].String()
		offs := frameOffsets(t, disk, name)
		disk.Edit(name, func(b []byte) { b[offs[3]+100] ^= 4 })
		if policy == "halt" {
			wantRun(t, takeUpTo(t, c, 100), 0, 20) // what is in front of the damage
			_, err := c.Take(t.Context(), 10, 0)
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), name) {
				t.Errorf("Take: %v, want ErrCorrupt naming %s", err, name)
			}
		} else {
			got := drain(t, c)
			wantRun(t, got[:20], 0, 20)
			wantRun(t, got[20:], 30, 30)
			if n := c.m.lost.Value(); n != 10 {
				t.Errorf("%d events counted as lost, want 10", n)
			}
			if s := c.Stats(); s.Size != 0 || c.room.used != 0 {
				t.Errorf("%+v left, %d used", s, c.room.used)
			}
		}
		mustClose(t, c)
	}
}

func takeUpTo(t testing.TB, c *Channel, n int) (got []int) {
	for len(got) < n {
		tx := take(t, c, n-len(got))
		if len(tx.Events()) < n-len(got) {
			n = 0 // there is no more
		}
		for i := range tx.Events() {
			got = append(got, numberedAs(&tx.Events()[i]))
		}
		check(t, tx.Commit())
	}
	return got
}

func TestFailedSyncIsNeverAnsweredWithSuccess(t *testing.T) {
	// A group of three commits whose sync fails once, or from then on; the sync after it "succeeds".
	for _, revert := range []bool{false, true} {
		for _, forever := range []bool{false, true} {
			for nth := 1; nth <= 12; nth++ {
				disk := memfs.New()
				disk.Revert = revert
				c := mustOpen(t, disk, small())
				mustPut(t, c, numbered(0, 1)) // so that there is a segment
				var n int
				disk.FailDatasync = func(name string) bool {
					if !strings.Contains(name, "seg-") {
						return false
					}
					n++
					return n == nth || forever && n > nth
				}
				var mu sync.Mutex
				acked := map[int]bool{0: true}
				var wg sync.WaitGroup
				for w := range 3 {
					wg.Go(func() {
						for i := range 4 {
							no := 1 + w*4 + i
							if c.Put(context.Background(), numbered(no, 1)) == nil {
								mu.Lock()
								acked[no] = true
								mu.Unlock()
							}
						}
					})
				}
				wg.Wait()
				crashed := disk.Crash(rand.New(rand.NewPCG(uint64(nth), 5)))
				_ = c.Close()
				c = mustOpen(t, crashed, small())
				for _, got := range drain(t, c) {
					delete(acked, got)
				}
				if len(acked) > 0 {
					t.Fatalf("sync %d failed (forever %v, revert %v): acknowledged and gone: %v", nth, forever, revert, acked)
				}
				if !forever && nth < 5 && c.m.poisoned.Value() != 0 {
					t.Fatal("a new life inherited a poisoned file")
				}
				mustClose(t, c)
			}
		}
	}
}

func TestOneFailedSyncIsNotNoticed(t *testing.T) {
	disk := memfs.New()
	s := small()
	s.DataDirs = []string{"/ch/data", "/ch/data2"}
	c := mustOpen(t, disk, s)
	mustPut(t, c, numbered(0, 5))
	failed := false
	disk.FailDatasync = func(string) bool { defer func() { failed = true }(); return !failed }
	mustPut(t, c, numbered(5, 5))
	if c.m.poisoned.Value() != 1 || c.Healthy() != nil {
		t.Errorf("%d poisoned, %v; want one and health", c.m.poisoned.Value(), c.Healthy())
	}
	if dir := c.lanes[0].active.dir.path; dir != "/ch/data2" {
		t.Errorf("the frames went to %s, want the other directory", dir)
	}
	mustPut(t, c, numbered(10, 5))
	wantRun(t, drain(t, c), 0, 15)
	mustClose(t, c)
}

func TestEveryOperationFailsOnce(t *testing.T) {
	for script := range uint64(errorScripts) {
		for _, fault := range []error{syscall.EIO, syscall.ENOSPC, syscall.EROFS, &errfs.Short{N: 100, Err: syscall.EIO}} {
			for at := int64(1); at < 200; at += errorStep {
				rng := rand.New(rand.NewPCG(script, uint64(at)))
				x := &torture{rng: rng, set: tortureSettings(rng)}
				disk := memfs.New()
				e := errfs.New(disk, func(c errfs.Call) error {
					if c.N == at {
						return fault
					}
					return nil
				})
				if _, err := x.life(e, 40, true); err != nil {
					t.Fatalf("script %d, %v at operation %d: %v", script, fault, at, err)
				}
				if err := x.verify(disk.Crash(rng)); err != nil {
					t.Fatalf("script %d, %v at operation %d: %v", script, fault, at, err)
				}
			}
		}
	}
}

func TestFullDiskRefusesPutsAndDrainsToEmpty(t *testing.T) {
	for size := int64(300 << 10); size < 900<<10; size += fullStep {
		disk := memfs.New()
		disk.Size = size
		s := small()
		c := mustOpen(t, disk, s)
		n := 0
		for {
			err := c.Put(context.Background(), numbered(n, 10))
			if err != nil {
				if !errors.Is(err, event.ErrFull) || !strings.HasPrefix(err.Error(), "Usable space exhausted, only ") {
					t.Fatalf("Put on a full disk: %v", err)
				}
				break
			}
			n += 10
		}
		other, err := disk.Create("/ch/other") // and somebody takes the rest
		check(t, err)
		check(t, disk.SyncDir("/ch"))
		_, _ = other.WriteAt(make([]byte, size), 0)
		if err := c.Healthy(); err == nil || !strings.Contains(err.Error(), "the disk is full") {
			t.Errorf("health on a full disk: %v", err)
		}
		crashed := disk.Crash(rand.New(rand.NewPCG(uint64(size), 0)))
		_ = c.Close()
		c = mustOpen(t, crashed, s)
		// One event a transaction: far more acknowledgements than there is room for in the log.
		for i := range n {
			tx := take(t, c, 1)
			if tx == nil || numberedAs(&tx.Events()[0]) != i {
				t.Fatalf("disk of %d: event %d of %d does not come", size, i, n)
			}
			check(t, tx.Commit())
		}
		crashed = crashed.Crash(rand.New(rand.NewPCG(uint64(size), 1)))
		_ = c.Close()
		c = mustOpen(t, crashed, s)
		wantRun(t, drain(t, c), 0, 0)
		mustPut(t, c, numbered(0, 10)) // on the full disk still: the log's own files are used again
		if err := c.Healthy(); err != nil {
			t.Errorf("health once it takes events again: %v", err)
		}
		mustClose(t, c)
	}
}

func TestAHeaderThatCannotBeReadIsNoUnusedFile(t *testing.T) {
	disk := memfs.New()
	c := mustOpen(t, disk, small())
	mustPut(t, c, numbered(0, 50))
	mustClose(t, c)
	headers := 0
	for nth := 1; ; nth++ {
		headers = 0
		e := errfs.New(disk, func(c errfs.Call) error {
			if c.Op == errfs.Read && strings.HasSuffix(c.Name, ".fq") && c.Off == 0 {
				if headers++; headers == nth {
					return syscall.EIO
				}
			}
			return nil
		})
		c := newChannel(testEnv(), small(), e)
		err := c.Open(t.Context())
		if headers < nth {
			if err != nil {
				t.Fatal(err)
			}
			wantRun(t, drain(t, c), 0, 50)
			mustClose(t, c)
			break
		}
		if !errors.Is(err, syscall.EIO) {
			t.Fatalf("header %d: Open: %v, want EIO", nth, err)
		}
		c.Close()
	}
	if headers == 0 {
		t.Fatal("no header of a log file was read")
	}
}

func TestReadOnlyDiskAtStartIsAnError(t *testing.T) {
	disk := memfs.New()
	c := mustOpen(t, disk, small())
	mustPut(t, c, numbered(0, 3))
	mustClose(t, c)
	e := errfs.New(disk, func(c errfs.Call) error {
		if c.Op.Changes() || c.Op == errfs.Open {
			return fmt.Errorf("%s %s: %w", c.Op, c.Name, syscall.EROFS)
		}
		return nil
	})
	c = newChannel(testEnv(), small(), e)
	if err := c.Open(t.Context()); !errors.Is(err, syscall.EROFS) {
		t.Fatalf("Open: %v, want EROFS", err)
	}
	if err := c.Put(t.Context(), numbered(3, 1)); !errors.Is(err, event.ErrClosed) || !strings.HasPrefix(err.Error(), "Channel closed [channel=c1]. Due to ") {
		t.Errorf("Put after a failed Open: %v", err)
	}
	c = mustOpen(t, disk, small())
	wantRun(t, drain(t, c), 0, 3)
	mustClose(t, c)
}

func TestDiskTurnsReadOnlyWhileRunning(t *testing.T) {
	disk := memfs.New()
	var ro bool
	e := errfs.New(disk, func(c errfs.Call) error {
		if ro && c.Op.Changes() {
			return syscall.EROFS
		}
		return nil
	})
	c := mustOpen(t, e, small())
	mustPut(t, c, numbered(0, 20))
	ro = true
	if err := c.Put(t.Context(), numbered(20, 1)); !errors.Is(err, syscall.EROFS) {
		t.Fatalf("Put: %v, want EROFS", err)
	}
	if c.Healthy() == nil {
		t.Error("the channel claims to be healthy")
	}
	tx := take(t, c, 5) // what is durable can still be read
	if tx == nil || tx.Commit() == nil {
		t.Fatal("Commit on a read-only disk returned nil")
	}
	ro = false
	mustPut(t, c, numbered(20, 1))
	if c.Healthy() != nil {
		t.Errorf("the channel did not recover: %v", c.Healthy())
	}
	wantRun(t, drain(t, c), 0, 21)
	mustClose(t, c)
}

func TestSecondChannelIsLockedOut(t *testing.T) {
	disk := memfs.New()
	c := mustOpen(t, disk, small())
	d := newChannel(testEnv(), small(), disk)
	want := "Cannot lock /ch/checkpoint. The directory is already locked. [channel=c1]"
	if err := d.Open(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Open: %v, want %s", err, want)
	}
	mustClose(t, c)
	d = mustOpen(t, disk, small())
	mustClose(t, d)
}

func TestDirectoriesOfTwoChannelsAreNotMixed(t *testing.T) {
	disk := memfs.New()
	s := small()
	for _, dir := range []string{"/x", "/y"} {
		s.CheckpointDir, s.DataDirs = dir+"/checkpoint", []string{dir + "/data"}
		c := mustOpen(t, disk, s)
		mustPut(t, c, numbered(0, 3))
		mustClose(t, c)
	}
	s.DataDirs = []string{"/x/data", "/y/data"}
	c := newChannel(testEnv(), s, disk)
	if err := c.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "belongs to channel") {
		t.Errorf("Open: %v", err)
	}
}

func TestACopiedDirectoryIsNotDeliveredTwice(t *testing.T) {
	disk := memfs.New()
	s := small()
	c := mustOpen(t, disk, s)
	mustPut(t, c, numbered(0, 3))
	name := c.lanes[0].segs[0].String()
	mustClose(t, c)
	b, err := vfs.ReadFile(disk, name, 1<<20)
	check(t, err)
	check(t, disk.MkdirAll("/ch/copy"))
	makeFile(t, disk, "/ch/copy/"+filepath.Base(name), b)
	both := s
	both.DataDirs = []string{"/ch/data", "/ch/copy"}
	c = newChannel(testEnv(), both, disk)
	if err := c.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "are the same segment, 1: one is a copy") {
		t.Errorf("Open: %v", err)
	}
	c = mustOpen(t, disk, s)
	wantRun(t, drain(t, c), 0, 3)
	mustClose(t, c)
}

func TestDataDirsMayBeSwappedButNotMissing(t *testing.T) {
	disk := memfs.New()
	s := small()
	s.DataDirs = []string{"/ch/a", "/ch/b"}
	c := mustOpen(t, disk, s)
	mustPut(t, c, numbered(0, 3))
	disk.FailDatasync = func(name string) bool { return filepath.Dir(name) == "/ch/a" }
	mustPut(t, c, numbered(3, 3)) // goes to b
	disk.FailDatasync = nil
	mustClose(t, c)
	s.DataDirs = []string{"/ch/b", "/ch/a"}
	c = mustOpen(t, disk, s)
	mustClose(t, c)
	s.DataDirs = []string{"/ch/a"}
	c = newChannel(testEnv(), s, disk)
	if err := c.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "is a disk missing?") {
		t.Fatalf("Open without /ch/b: %v", err)
	}
	s.DataDirs = []string{"/ch/a", "/ch/b"}
	c = mustOpen(t, disk, s)
	wantRun(t, drain(t, c), 0, 6)
	mustClose(t, c)
}
