package file

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/vfs"
	"goflume/internal/vfs/memfs"
)

func TestRefusalsInFlumesWords(t *testing.T) {
	s := small()
	s.Capacity, s.TransactionCapacity, s.ByteCapacity = 20, 10, 2000
	c := mustOpen(t, memfs.New(), s)
	defer mustClose(t, c)
	refused := func(err error, kind error, text string) {
		t.Helper()
		var r *event.Refused
		if !errors.As(err, &r) || !errors.Is(err, kind) || r.Text != text {
			t.Errorf("%v, want %s", err, text)
		}
	}
	refused(c.Put(t.Context(), numbered(0, 11)), event.ErrTooLarge,
		"Put queue for FileBackedTransaction of capacity 10 full, consider committing more frequently, increasing capacity or increasing thread count. [channel=c1]")
	mustPut(t, c, numbered(0, 10))
	mustPut(t, c, numbered(10, 10))
	const full = "The channel has reached it's capacity. This might be the result of a sink on the channel having too low of batch size, a downstream system running slower than normal, or that the channel capacity is just too low. [channel=c1]"
	refused(c.Put(t.Context(), numbered(20, 1)), event.ErrFull, full)
	tx := take(t, c, 5)
	refused(c.Put(t.Context(), numbered(20, 1)), event.ErrFull, full) // what is held counts
	check(t, tx.Commit())
	mustPut(t, c, numbered(20, 5))
	drain(t, c)
	refused(c.Put(t.Context(), []event.Event{{Body: make([]byte, 2001)}}), event.ErrTooLarge, "Batch of 2001 bytes exceeds byteCapacity 2000. [channel=c1]")
	mustPut(t, c, []event.Event{{Body: make([]byte, 1500)}})
	refused(c.Put(t.Context(), []event.Event{{Body: make([]byte, 501)}}), event.ErrFull, full)
}

func TestPutWaitsAsLongAsKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := small()
		s.Capacity, s.TransactionCapacity, s.KeepAlive = 10, 10, 3*time.Second
		c := mustOpen(t, memfs.New(), s)
		mustPut(t, c, numbered(0, 10))
		begin := time.Now()
		if err := c.Put(t.Context(), numbered(10, 1)); !errors.Is(err, event.ErrFull) {
			t.Errorf("Put: %v, want ErrFull", err)
		}
		if d := time.Since(begin); d != 3*time.Second {
			t.Errorf("refused after %v, want 3s", d)
		}
		var order []int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i, n := range []int{5, 1, 2} { // first come, first served: the small ones do not overtake
			wg.Go(func() {
				if err := c.Put(t.Context(), numbered(100*i, n)); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
			})
			synctest.Wait()
		}
		for range 8 {
			check(t, take(t, c, 1).Commit())
			synctest.Wait()
		}
		wg.Wait()
		if !slices.Equal(order, []int{0, 1, 2}) {
			t.Errorf("served in the order %v", order)
		}
		mustClose(t, c)
	})
}

func TestCheckpointIsWrittenByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfs.New()
		s := small()
		s.CheckpointInterval = 30 * time.Second
		c := mustOpen(t, disk, s)
		before := c.gen
		mustPut(t, c, numbered(0, 3))
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if c.gen != before+1 {
			t.Errorf("generation %d after an interval, want %d", c.gen, before+1)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if c.gen != before+1 {
			t.Errorf("generation %d though nothing happened", c.gen)
		}
		mustClose(t, c)
	})
}

func TestIntervalSyncLosesNoMoreThanTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memfs.New()
		s := small()
		s.FsyncPerTransaction, s.FsyncInterval, s.CheckpointInterval = false, 5*time.Second, time.Hour
		c := mustOpen(t, disk, s)
		for i := range 30 {
			mustPut(t, c, numbered(i*10, 10))
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		mustPut(t, c, numbered(300, 10))
		crashed := disk.Crash(rand.New(rand.NewPCG(1, 1)))
		_ = c.Close()
		c = mustOpen(t, crashed, s)
		if got := drain(t, c); len(got) != 300 && len(got) != 310 {
			t.Errorf("%d events after a power cut, want 300 or 310", len(got))
		}
		mustClose(t, c)
	})
}

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

func TestLoweredCapacityIsDrained(t *testing.T) {
	disk := memfs.New()
	c := mustOpen(t, disk, small())
	mustPut(t, c, numbered(0, 100))
	mustClose(t, c)
	s := small()
	s.Capacity, s.TransactionCapacity = 50, 50
	c = mustOpen(t, disk, s)
	if err := c.Put(t.Context(), numbered(100, 1)); !errors.Is(err, event.ErrFull) {
		t.Errorf("Put: %v, want ErrFull", err)
	}
	check(t, take(t, c, 50).Commit())
	check(t, take(t, c, 1).Commit())
	mustPut(t, c, numbered(100, 1))
	wantRun(t, drain(t, c), 51, 50)
	mustClose(t, c)
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

var update = flag.Bool("update", false, "rewrite the golden files")

// TestFormatOfVersion1 reads files written by the first version: whoever changes the format has to keep reading them.
func TestFormatOfVersion1(t *testing.T) {
	if *update {
		dir := t.TempDir()
		c := onDisk(dir, 1000, 100)
		c.set.MaxFileSize = 1 << 16
		check(t, c.Open(t.Context()))
		mustPut(t, c, numbered(0, 10))
		mustPut(t, c, numbered(10, 10))
		check(t, take(t, c, 13).Commit())
		check(t, os.CopyFS("testdata/v1", os.DirFS(dir)))
		mustClose(t, c)
	}
	dir := t.TempDir()
	check(t, os.CopyFS(dir, os.DirFS("testdata/v1")))
	c := onDisk(dir, 1000, 100)
	check(t, c.Open(t.Context()))
	wantRun(t, drain(t, c), 13, 7)
	mustClose(t, c)
}

func TestNewerFormatIsNotTakenForDamage(t *testing.T) {
	disk, name, _ := filled(t, 1)
	disk.Edit(name, func(b []byte) {
		for _, at := range []int{0, segCopy} {
			b[at+8] = 2
			binary.LittleEndian.PutUint32(b[at+segCRC:], crc32.Checksum(b[at:at+segCRC], castagnoli))
		}
	})
	c := newChannel(testEnv(), small(), disk)
	if err := c.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "format version 2, this program knows 1") {
		t.Errorf("Open: %v", err)
	}
	if _, err := vfs.ReadFile(disk, name, 1<<20); err != nil {
		t.Errorf("the file is gone: %v", err)
	}
}
