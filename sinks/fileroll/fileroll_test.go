package fileroll

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/vfs"
	"goflume/internal/vfs/errfs"
	"goflume/internal/vfs/memfs"
	"goflume/sinks"
	"goflume/sinks/serializer"
)

var _ sinks.Ticker = (*Sink)(nil)

var defaults = Settings{
	Directory: "/out/deep", RollInterval: 30 * time.Second, BatchSize: 100, Serializer: serializer.Registry.Default("TEXT"),
	PathManager: "DEFAULT", Sync: "auto",
}

// sink returns a sink on fsys that was not opened.
func sink(t *testing.T, fsys vfs.FS, s Settings, durable bool) *Sink {
	t.Helper()
	k, err := New(registry.Env{Metrics: metric.NewSet(metric.Sink, "a1", "k1", "file_roll"), Durable: durable}, s)
	if err != nil {
		t.Fatal(err)
	}
	k.(*Sink).fs = fsys
	return k.(*Sink)
}

func TestSink(t *testing.T) {
	flowtest.Sink(t, func(t *testing.T) (sinks.Sink, func() []string) {
		s := defaults
		s.Directory = filepath.Join(t.TempDir(), "out")
		read := func() []string {
			files := contents(t, vfs.OS{}, s.Directory)
			var text strings.Builder
			for n := 1; n <= len(files); n++ { // in the order of their numbers, not of their names
				for name, lines := range files {
					if strings.HasSuffix(name, fmt.Sprint("-", n)) {
						text.WriteString(lines)
					}
				}
			}
			return strings.Fields(text.String())
		}
		return sink(t, vfs.OS{}, s, true), read
	})
}

func opened(t *testing.T, fsys vfs.FS, s Settings, durable bool) *Sink {
	t.Helper()
	k := sink(t, fsys, s, durable)
	ok(t, k.Open(t.Context()))
	t.Cleanup(func() { k.Close(t.Context()) })
	return k
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func lines(bodies ...string) (events []event.Event) {
	for _, b := range bodies {
		events = append(events, event.Event{Body: []byte(b)})
	}
	return events
}

// contents returns the files in dir by name.
func contents(t *testing.T, fsys vfs.FS, dir string) map[string]string {
	t.Helper()
	names, err := fsys.List(dir)
	ok(t, err)
	all := map[string]string{}
	for _, name := range names {
		b, err := vfs.ReadFile(fsys, filepath.Join(dir, name), 1<<20)
		ok(t, err)
		all[name] = string(b)
	}
	return all
}

func wantFiles(t *testing.T, got, want map[string]string) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}

func TestFilesRollByTimeAlsoWhenEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, fsys := defaults, memfs.New()
		s.PathManager, s.Extension, s.RollInterval = "ROLLTIME", "log", 2*time.Second
		k := opened(t, fsys, s, false)
		name := func() string { return time.Now().Format("20060102150405") + "-1.log" }
		want := map[string]string{name(): "a\n"}
		ok(t, k.Write(t.Context(), lines("a")))
		for _, body := range []string{"", "b", ""} {
			next, err := k.Tick(t.Context(), time.Now())
			ok(t, err)
			if got := time.Until(next); got != 2*time.Second {
				t.Errorf("next tick in %v, want 2s", got)
			}
			time.Sleep(2 * time.Second)
			_, err = k.Tick(t.Context(), time.Now())
			ok(t, err)
			want[name()] = ""
			if body != "" {
				ok(t, k.Write(t.Context(), lines(body)))
				want[name()] = body + "\n"
			}
		}
		wantFiles(t, contents(t, fsys, s.Directory), want)
	})
}

func TestAnOverdueRollKeepsTheRhythm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := opened(t, memfs.New(), defaults, false)
		time.Sleep(100 * time.Second)
		next, err := k.Tick(t.Context(), time.Now())
		ok(t, err)
		if got := time.Until(next); got != 20*time.Second {
			t.Errorf("next tick in %v, want 20s", got)
		}
	})
}

func TestWithoutIntervalNothingRolls(t *testing.T) {
	s := defaults
	s.RollInterval = -time.Second
	k := opened(t, memfs.New(), s, false)
	if next, err := k.Tick(t.Context(), time.Now().Add(time.Hour)); !next.IsZero() || err != nil {
		t.Errorf("next tick %v, error %v, want none", next, err)
	}
}

func TestNamesAreFlumes(t *testing.T) {
	at := time.UnixMilli(1795224991954)
	for _, c := range []struct {
		s    Settings
		want []string
	}{
		{Settings{PathManager: "DEFAULT"}, []string{"1795224991954-1", "1795224991954-2", "1795224991954-3"}},
		{Settings{PathManager: "DEFAULT", Prefix: "pre-", Extension: "txt"},
			[]string{"pre-1795224991954-1.txt", "pre-1795224991954-2.txt", "pre-1795224991954-3.txt"}},
		{Settings{PathManager: "ROLLTIME", Prefix: "x"},
			[]string{at.Format("x20060102150405") + "-1", at.Format("x20060102150405") + "-2",
				at.Add(time.Second).Format("x20060102150405") + "-1"}},
	} {
		n := names{settings: c.s}
		got := []string{n.next(at), n.next(at), n.next(at.Add(time.Second))}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.s, got, c.want)
		}
	}
}

func TestAnExistingFileIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock stands still
		fsys := memfs.New()
		ok(t, opened(t, fsys, defaults, false).Write(t.Context(), lines("old")))
		ok(t, opened(t, fsys, defaults, false).Write(t.Context(), lines("new")))
		series := fmt.Sprint(time.Now().UnixMilli())
		wantFiles(t, contents(t, fsys, defaults.Directory), map[string]string{series + "-1": "old\n", series + "-2": "new\n"})
	})
}

func TestAFullDiskLeavesNoHalfLine(t *testing.T) {
	full := false
	base := memfs.New()
	k := opened(t, errfs.New(base, func(c errfs.Call) error {
		if full && c.Op == errfs.Write {
			return &errfs.Short{N: 5, Err: syscall.ENOSPC}
		}
		return nil
	}), defaults, false)
	ok(t, k.Write(t.Context(), lines("one")))
	full = true
	for range 2 {
		if err := k.Write(t.Context(), lines("two", "three")); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Write: %v, want %v", err, syscall.ENOSPC)
		}
		if got := slices.Collect(maps.Values(contents(t, base, defaults.Directory))); !slices.Equal(got, []string{"one\n"}) {
			t.Errorf("while the disk is full: %q, want one", got)
		}
	}
	full = false
	ok(t, k.Write(t.Context(), lines("two", "three")))
	if got := slices.Collect(maps.Values(contents(t, base, defaults.Directory))); !slices.Equal(got, []string{"one\ntwo\nthree\n"}) {
		t.Errorf("after it: %q", got)
	}
}

// whole writes files that cannot be gone on with: <...> around the batches.
type whole struct{ *strings.Builder }

func (whole) File() serializer.Serializer { return whole{&strings.Builder{}} }
func (whole) Reopens() bool               { return false }

func (w whole) Begin(dst []byte, _ *event.Event) ([]byte, error) { return append(dst, '<'), nil }

func (w whole) Append(dst []byte, e *event.Event) ([]byte, error) {
	if string(e.Body) == "bad" {
		return dst, errors.New("bad event")
	}
	w.Write(e.Body)
	return dst, nil
}

func (w whole) Flush(dst []byte) ([]byte, error) {
	defer w.Reset()
	return append(append(dst, w.String()...), '>'), nil
}

func TestAFileThatCannotBeReopenedEndsAtAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := memfs.New()
		k := opened(t, fsys, defaults, false)
		k.format = whole{}
		k.current.serializer = k.format.File()
		ok := func(want bool, bodies ...string) {
			if err := k.Write(t.Context(), lines(bodies...)); (err == nil) != want {
				t.Errorf("Write %q: %v", bodies, err)
			}
		}
		ok(false, "a", "bad")
		ok(true, "a", "b")
		ok(false, "c", "bad")
		ok(false, "c", "bad")
		ok(true, "c")
		series := fmt.Sprint(time.Now().UnixMilli())
		wantFiles(t, contents(t, fsys, defaults.Directory), map[string]string{series + "-1": "<ab>", series + "-2": "<c>"})
	})
}

// TestEveryFailureOnceLosesNothing lets each operation on the disk fail once, with the batch written again after it, and
// the machine lose its power after the last.
func TestEveryFailureOnceLosesNothing(t *testing.T) {
	batches := [][]event.Event{lines("a", "b"), lines("c"), lines("d", "e")}
	for failing := int64(1); ; failing++ {
		base, failed := memfs.New(), errfs.Op("")
		k := sink(t, errfs.New(base, func(c errfs.Call) error {
			if c.N != failing {
				return nil
			}
			failed = c.Op
			if c.Op == errfs.Write {
				return &errfs.Short{N: c.Len / 2, Err: syscall.EIO}
			}
			return syscall.EIO
		}), defaults, true)
		if k.Open(t.Context()) != nil {
			ok(t, k.Open(t.Context()))
		}
		for _, b := range batches {
			if k.Write(t.Context(), b) != nil {
				ok(t, k.Write(t.Context(), b))
			}
			k.Tick(t.Context(), k.rollAt)
		}
		if failed == "" {
			return
		}
		for seed := range uint64(10) {
			after := base.Clone().Crash(rand.New(rand.NewPCG(seed, 1)))
			text := strings.Join(slices.Sorted(maps.Values(contents(t, after, defaults.Directory))), "")
			if got := strings.Split(strings.TrimSuffix(text, "\n"), "\n"); !slices.Equal(got, []string{"a", "b", "c", "d", "e"}) {
				t.Errorf("operation %d (%s) failed: %q, want a to e once", failing, failed, got)
			}
		}
	}
}

func TestSyncIsAsOftenAsAskedFor(t *testing.T) {
	for _, c := range []struct {
		sync    string
		durable bool
		want    int // of three batches, a roll and the close
	}{{"auto", true, 3}, {"auto", false, 2}, {"batch", false, 3}, {"roll", true, 2}, {"none", true, 0}} {
		s, syncs := defaults, 0
		s.Sync = c.sync
		k := sink(t, errfs.New(memfs.New(), func(c errfs.Call) error {
			if c.Op == errfs.Datasync {
				syncs++
			}
			return nil
		}), s, c.durable)
		ok(t, k.Open(t.Context()))
		for range 3 {
			ok(t, k.Write(t.Context(), lines("a")))
		}
		_, err := k.Tick(t.Context(), k.rollAt)
		ok(t, errors.Join(err, k.Close(t.Context()), k.Close(t.Context())))
		if syncs != c.want {
			t.Errorf("%s, durable %v: %d syncs, want %d", c.sync, c.durable, syncs, c.want)
		}
	}
}

func TestADirectoryThatCannotBeMadeFailsOpen(t *testing.T) {
	dir := t.TempDir()
	ok(t, func() error { f, err := vfs.OS{}.Create(filepath.Join(dir, "file")); f.Close(); return err }())
	s := defaults
	s.Directory = filepath.Join(dir, "file", "below")
	if err := sink(t, vfs.OS{}, s, true).Open(t.Context()); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("Open: %v, want %v", err, syscall.ENOTDIR)
	}
	s.Directory = filepath.Join(dir, "new", "below")
	k := opened(t, vfs.OS{}, s, true)
	ok(t, k.Write(t.Context(), lines("on a real disk")))
	if got := slices.Collect(maps.Values(contents(t, vfs.OS{}, s.Directory))); !slices.Equal(got, []string{"on a real disk\n"}) {
		t.Errorf("files %q", got)
	}
}

func TestABatchCostsNoAllocation(t *testing.T) {
	s := defaults
	s.Directory = t.TempDir()
	k := opened(t, vfs.OS{}, s, false)
	events := slices.Repeat(lines("a line of a usual length"), 100)
	if n := testing.AllocsPerRun(100, func() { ok(t, k.Write(t.Context(), events)) }); n > 0 {
		t.Errorf("%v allocations per batch", n)
	}
}
