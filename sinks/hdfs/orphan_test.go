package hdfs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"goflume/internal/registry"
	"goflume/internal/vfs"
	"goflume/internal/vfs/memfs"
)

// die ends a sink as kill -9 does: its goroutines and locks are gone, nothing is finished.
func die(s *Sink) {
	for _, b := range s.buckets {
		if b.file != nil {
			b.file.out.Abandon()
		}
	}
	s.stop()
	s.search.Wait()
	s.mender.stop()
	s.mender.wg.Wait()
	_ = s.journal.close()
	_ = s.fs.Close()
}

// after lets a sink live for a while in a bubble and closes it.
func after(t *testing.T, d time.Duration, env registry.Env, lines string) {
	t.Helper()
	s := build(t, env, lines)
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(d)
	synctest.Wait()
	closeSink(t, s)
}

// needMarks skips a test where the disk keeps no extended attributes.
func needMarks(t *testing.T, dir string) {
	t.Helper()
	name := filepath.Join(dir, "probe")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	notes, ok := vfs.FS(vfs.OS{}).(vfs.Notes)
	if !ok {
		t.Skip("this system has no extended attributes")
	}
	if err := notes.SetNote(name, "probe", "x"); err != nil {
		t.Skip(err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

func TestWhatWasNotAcknowledgedIsCutOffAfterAKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, state := t.TempDir(), t.TempDir()
		lines := plain + "hdfs.path = file://" + dir + "/%{d}"
		s := build(t, testEnv(t, state), lines)
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		write(t, s, "a", "b")
		for _, b := range s.buckets {
			b.file.buf = append(b.file.buf, "half of the next ba"...)
			if err := b.file.write(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		die(s)
		after(t, time.Second, testEnv(t, state), lines)
		wantTree(t, tree(t, dir), map[string]string{"FlumeData.#1": "a\nb\n"})
	})
}

// A file that is rolled in the middle of a batch is closed before it is renamed; what it got of the batch may have been
// taken as delivered when the agent dies between the two.
func TestAFileThatWasClosedButNotRenamedKeepsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, state := t.TempDir(), t.TempDir()
		s := build(t, testEnv(t, state), plain+"hdfs.rollCount = 3\nhdfs.path = file://"+dir)
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		on := &noRename{FS: s.fs}
		s.fs, s.mender.fs = on, on
		write(t, s, "a", "b")
		write(t, s, "c", "d")
		die(s)
		after(t, time.Second, testEnv(t, state), plain+"hdfs.path = file://"+dir)
		wantTree(t, tree(t, dir), map[string]string{"FlumeData.#1": "a\nb\nc\n", "FlumeData.#2": "d\n"})
	})
}

func TestLengthsNotedBeforeARebootCountForNothing(t *testing.T) {
	disk, name := memfs.New(), "/state/open"
	j, _, err := openJournal(disk, name, "file://", "boot1")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"/a", "/b"} {
		if err := j.open(f+".tmp", f); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.acked("/a.tmp", 12800); err != nil {
		t.Fatal(err)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		boot  string
		known bool
	}{{"boot1", true}, {"boot1", true}, {"boot2", false}, {"boot1", false}} {
		j, left, err := openJournal(disk, name, "file://", c.boot)
		if err != nil || len(left) != 2 {
			t.Fatalf("%s: %v, %v, want two files", c.boot, left, err)
		}
		for _, r := range left {
			if known := c.known && r.inUse == "/a.tmp"; r.known != known || known && r.safe != 12800 {
				t.Errorf("%s: %s has %d bytes, known %v; want known %v", c.boot, r.inUse, r.safe, r.known, known)
			}
		}
		if err := j.close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestATornLengthIsNotKnown(t *testing.T) {
	whole := string(appendSlot(nil, 12800))
	if want := "00000000000000012800:f3fc7d40"; whole != want { // as it is on disk
		t.Errorf("%s, want %s", whole, want)
	}
	if n := parseSlot(whole); n != 12800 {
		t.Errorf("%s is %d, want 12800", whole, n)
	}
	next := string(appendSlot(nil, 25600))
	for i := 1; i < slotSize; i++ {
		torn := next[:i] + whole[i:]
		if n := parseSlot(torn); n >= 0 && torn != whole && torn != next {
			t.Errorf("%s is taken for %d", torn, n)
		}
	}
}

// Without a journal the files are found by their names and marks.
func TestFilesOfALostJournalAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		needMarks(t, dir)
		lines := plain + "hdfs.useLocalTimeStamp = true\nhdfs.path = file://" + dir + "/logs/%Y/x/%{d}\nhdfs.inUsePrefix = _"
		dead := build(t, testEnv(t, t.TempDir()), lines)
		if err := dead.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		write(t, dead, "a", "b")
		die(dead)

		env := testEnv(t, t.TempDir())
		env.Name = "k2"
		other := build(t, env, lines)
		if err := other.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond) // another name
		write(t, other, "other")
		die(other)

		twin := build(t, testEnv(t, ""), lines) // lives, and marks its files as the sink does
		if err := twin.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
		write(t, twin, "twin")

		year := filepath.Join(dir, "logs", time.Now().Format("2006"), "x")
		for _, name := range []string{"_FlumeData.17.tmp", "FlumeData.18.tmp", "_Others.17.tmp", "_FlumeData.x.tmp"} {
			if err := os.WriteFile(filepath.Join(year, name), []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		state := t.TempDir()
		after(t, 3*time.Minute, testEnv(t, state), lines)
		got := map[string]int{}
		for name, text := range tree(t, dir) {
			kind := "final "
			if strings.HasSuffix(name, ".tmp") {
				kind = "in use "
			}
			got[kind+text]++
		}
		for _, want := range []string{"final a\nb\n", "in use other\n", "in use twin\n"} {
			if got[want] != 1 {
				t.Errorf("%q: %d files, want 1; there is %v", want, got[want], got)
			}
		}
		if got["in use old"] != 4 {
			t.Errorf("files without a mark: %v, want the four as they were", got)
		}
		closeSink(t, twin)
		// The twin's file is kept in mind.
		after(t, 3*time.Minute, testEnv(t, state), lines)
		for name := range tree(t, dir) {
			if strings.HasSuffix(name, ".tmp") && !strings.Contains(name, "FlumeData.#1") && strings.Contains(name, "twin") {
				t.Errorf("%s is left", name)
			}
		}
	})
}

func TestWhereASearchGoes(t *testing.T) {
	for _, c := range []struct {
		path, root string
		below      int
		first      string
	}{
		{"/logs", "/logs", 0, ""},
		{"/logs/%Y-%m/x/%H", "/logs", 3, ""},
		{"/logs/a%Y/x", "/logs", 2, ""},
		{"/logs/%{d}/x", "/logs", searchDepth, ""},
		{"/%Y", "/", 1, ""},
	} {
		root, below := cutPath(c.path)
		if root != c.root || len(below) != c.below {
			t.Errorf("%s: %s and %d levels, want %s and %d", c.path, root, len(below), c.root, c.below)
		}
	}
	if _, below := cutPath("/logs/%Y/x/%H"); strings.Join(below, ",") != ",x," {
		t.Errorf("levels %q, want any, x, any", below)
	}
}
