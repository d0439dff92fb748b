package hdfs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"goflume/conf"
	"goflume/event"
	"goflume/internal/hadoop"
	"goflume/internal/registry"
	"goflume/internal/vfs"
	"goflume/internal/vfs/errfs"
	"goflume/internal/vfs/memfs"
	"goflume/sinks"
)

// onDisk makes and opens a sink whose files are on that disk, forced there after every batch.
func onDisk(t *testing.T, env registry.Env, disk vfs.FS, lines string) *Sink {
	t.Helper()
	return onSystem(t, env, hadoop.Local(disk, hadoop.EverySync), lines)
}

// onSystem makes and opens a sink whose files are on that file system.
func onSystem(t *testing.T, env registry.Env, on hadoop.FS, lines string) *Sink {
	t.Helper()
	plan, issues := sinks.Registry.Decode(node(lines))
	if conf.HasErrors(issues) {
		t.Fatal(issues)
	}
	s, err := newSink(env, plan.Settings.(Settings), func(string, hadoop.Options) (hadoop.FS, error) { return on, nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// failing is a disk on which the next so many of the operations fail.
func failing(disk vfs.FS, op errfs.Op, err error) (_ vfs.FS, next *atomic.Int32) {
	next = new(atomic.Int32)
	return errfs.New(disk, func(c errfs.Call) error {
		if c.Op == op && next.Load() > 0 {
			next.Add(-1)
			return err
		}
		return nil
	}), next
}

func TestAFullDiskLeavesNoHalfBatch(t *testing.T) {
	dir := t.TempDir()
	disk, next := failing(vfs.OS{}, errfs.Write, syscall.ENOSPC)
	s := onDisk(t, testEnv(t, t.TempDir()), disk, plain+"hdfs.path = file://"+dir)
	write(t, s, "a", "b")
	next.Store(3)
	for range 3 {
		if err := s.Write(t.Context(), events("c", "d")); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Write on a full disk: %v, want ENOSPC", err)
		}
	}
	write(t, s, "c", "d")
	closeSink(t, s)
	wantTree(t, tree(t, dir), map[string]string{"FlumeData.#1": "a\nb\nc\nd\n"})
}

func TestAFailedSyncIsFollowedByANewFile(t *testing.T) {
	dir := t.TempDir()
	disk, next := failing(vfs.OS{}, errfs.Datasync, syscall.EIO)
	s := onDisk(t, testEnv(t, t.TempDir()), disk, plain+"hdfs.path = file://"+dir)
	write(t, s, "a")
	next.Store(1)
	if err := s.Write(t.Context(), events("b")); !errors.Is(err, syscall.EIO) {
		t.Errorf("Write with a failed sync: %v, want EIO", err)
	}
	write(t, s, "b")
	closeSink(t, s)
	wantTree(t, tree(t, dir), map[string]string{"FlumeData.#1": "a\n", "FlumeData.#2": "b\n"})
}

// Whatever operation of the disk fails once: every event that was taken is there, and when the sink is closed no file has
// its in-use name.
func TestEveryOperationMayFailOnce(t *testing.T) {
	for _, c := range []struct {
		fileType string
		rewinds  bool
	}{{"DataStream", true}, {"CompressedStream\nhdfs.codeC = gzip", true}, {"SequenceFile", true}, {"DataStream", false}, {"SequenceFile", false}} {
		for k := int64(1); failOnce(t, k, c.fileType, c.rewinds) && !t.Failed(); k++ {
		}
	}
}

// failOnce has the k-th operation of a run fail, and tells whether there was one.
func failOnce(t *testing.T, k int64, fileType string, rewinds bool) bool {
	t.Helper()
	mem := memfs.New()
	var n atomic.Int64
	on := hadoop.Local(errfs.New(mem, func(c errfs.Call) error {
		if c.Op.Changes() && n.Add(1) == k {
			return syscall.EIO
		}
		return nil
	}), hadoop.EverySync)
	if !rewinds {
		on = oneWay{on}
	}
	s := onSystem(t, testEnv(t, ""), on, "hdfs.rollInterval = 0\nhdfs.rollSize = 0\nhdfs.rollCount = 3\nhdfs.retryInterval = 1\n"+
		"hdfs.path = file:///d/%{d}\nhdfs.fileType = "+fileType)
	for i := range 6 {
		var batch []event.Event
		for j := range 4 {
			batch = append(batch, event.Event{Body: fmt.Appendf(nil, "event-%d-%d", i, j), Headers: []event.Header{{Key: "d", Value: fmt.Sprint(j % 2)}}})
		}
		for try := 0; ; try++ {
			err := s.Write(t.Context(), batch)
			if err == nil {
				break
			}
			if try > 1 {
				t.Fatalf("operation %d: batch %d fails again and again: %v", k, i, err)
			}
		}
	}
	closeSink(t, s)
	checkFaultFiles(t, fmt.Sprintf("%s, rewinds %v, operation %d", strings.Fields(fileType)[0], rewinds, k), mem, fileType)
	return n.Load() >= k
}

// oneWay is a file system that takes nothing back, as HDFS.
type oneWay struct{ hadoop.FS }

func (o oneWay) Create(ctx context.Context, name string) (hadoop.File, error) {
	f, err := o.FS.Create(ctx, name)
	return oneWayFile{f}, err
}

type oneWayFile struct{ hadoop.File }

func (oneWayFile) Rewind(context.Context) error { return errors.ErrUnsupported }

func checkFaultFiles(t *testing.T, what string, disk vfs.FS, fileType string) {
	t.Helper()
	all := ""
	for _, dir := range []string{"/d/0", "/d/1"} {
		names, err := disk.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, ".tmp") {
				t.Errorf("%s: %s is left", what, name)
			}
			b, err := vfs.ReadFile(disk, filepath.Join(dir, name), 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(fileType, "Comp") {
				all += comparable(t, "gz", string(b))
			} else {
				all += string(b)
			}
		}
	}
	for i := range 6 {
		for j := range 4 {
			if !strings.Contains(all, fmt.Sprintf("event-%d-%d", i, j)) {
				t.Errorf("%s: event %d of batch %d is lost", what, j, i)
			}
		}
	}
}

// After a loss of power every batch that was taken is in a file, under its final name or the other.
func TestTakenBatchesSurviveALossOfPower(t *testing.T) {
	for seed := range uint64(30) {
		disk := memfs.New()
		s := onDisk(t, testEnv(t, ""), disk, "hdfs.fileType = DataStream\nhdfs.rollInterval = 0\nhdfs.rollSize = 0\nhdfs.rollCount = 3\nhdfs.path = file:///d/%{x}")
		for i := range 5 {
			write(t, s, fmt.Sprintf("first-%d", i), fmt.Sprintf("second-%d", i))
		}
		after := disk.Crash(rand.New(rand.NewPCG(seed, 7)))
		names, err := after.List("/d")
		if err != nil {
			t.Fatal(err)
		}
		all := ""
		for _, name := range names {
			b, err := vfs.ReadFile(after, filepath.Join("/d", name), 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			all += string(b)
		}
		for i := range 5 {
			for _, want := range []string{fmt.Sprintf("first-%d\n", i), fmt.Sprintf("second-%d\n", i)} {
				if !strings.Contains(all, want) {
					t.Fatalf("seed %d: %q is lost; there is %q", seed, want, all)
				}
			}
		}
		closeSink(t, s)
	}
}

func TestTheJournalIsWrittenAnewAndKeepsOthers(t *testing.T) {
	disk, name := memfs.New(), "/state/open"
	other := "+ \"hdfs://other\" \"/x.tmp\" \"/x\"\n"
	err := disk.MkdirAll("/state")
	if err == nil {
		var f vfs.File
		if f, err = disk.Create(name); err == nil {
			_, err = f.WriteAt([]byte(other+"+ \"file://\" \"/torn.tmp\""), 0)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	j, left, err := openJournal(disk, name, "file://", "b1")
	if err != nil || len(left) != 0 {
		t.Fatalf("%v, %v, want nothing left", left, err)
	}
	if _, _, err := openJournal(disk, name, "file://", "b1"); !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("a second sink: %v, want ErrLocked", err)
	}
	for i := range 3 * compactAt {
		if err := j.open(fmt.Sprint("/f", i, "\n.tmp"), fmt.Sprint("/f", i)); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			j.done(fmt.Sprint("/f", i, "\n.tmp"))
		}
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	text, err := vfs.ReadFile(disk, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n > 2*compactAt || !strings.Contains(string(text), strings.TrimPrefix(other, "+ ")) {
		t.Errorf("%d lines, want fewer, with those of the other file system", n)
	}
	j, left, err = openJournal(disk, name, "file://", "b1")
	if err != nil || len(left) != 1 || left[0].inUse != "/f0\n.tmp" || left[0].final != "/f0" {
		t.Errorf("left %v, %v, want /f0", left, err)
	}
	if err := j.close(); err != nil {
		t.Error(err)
	}
}

func FuzzJournalLines(f *testing.F) {
	f.Add("+ \"a\" \"b\" \"c\"\n")
	f.Add("+ " + string(appendSlot(nil, 12800)) + " \"a\" \"b\" \"c\"\n")
	f.Add("- \"a\" \"b\"\n")
	f.Add("boot \"b\"\n")
	f.Fuzz(func(t *testing.T, line string) {
		sign, words, acked, ok := parseLine(line)
		if !ok || sign != "+" {
			return
		}
		again := fmt.Sprintf("+ %s %q %q %q\n", appendSlot(nil, acked), words[0], words[1], words[2])
		if s, w, a, ok := parseLine(again); !ok || s != sign || a != acked || !slices.Equal(w, words) {
			t.Errorf("%q became %q", line, again)
		}
	})
}

// noRename is a file system that has no answer to a rename.
type noRename struct{ hadoop.FS }

func (noRename) Rename(context.Context, string, string) error { return syscall.EIO }
