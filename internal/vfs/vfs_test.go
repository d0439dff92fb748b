package vfs_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"

	"goflume/internal/vfs"
	"goflume/internal/vfs/errfs"
	"goflume/internal/vfs/memfs"
)

func both(t *testing.T, f func(t *testing.T, fsys vfs.FS, dir string)) {
	t.Run("os", func(t *testing.T) { f(t, vfs.OS{}, t.TempDir()) })
	t.Run("memfs", func(t *testing.T) { f(t, memfs.New(), "/d") })
	t.Run("errfs", func(t *testing.T) { f(t, errfs.New(memfs.New(), nil), "/d") })
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilesBehaveAlike(t *testing.T) {
	both(t, func(t *testing.T, fsys vfs.FS, dir string) {
		dir = filepath.Join(dir, "a", "b")
		check(t, fsys.MkdirAll(dir))
		name := filepath.Join(dir, "x")
		if _, err := fsys.Open(name); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("Open of nothing: %v, want ErrNotExist", err)
		}
		f := must[vfs.File](t)(fsys.Create(name))
		if _, err := fsys.Create(name); !errors.Is(err, fs.ErrExist) {
			t.Fatalf("second Create: %v, want ErrExist", err)
		}
		var bufs [][]byte
		for range 1500 { // more than one pwritev takes
			bufs = append(bufs, []byte("abc"))
		}
		check(t, f.WritevAt(bufs, 10))
		check(t, f.Datasync())
		if n := must[int64](t)(f.Size()); n != 4510 {
			t.Fatalf("size %d, want 4510", n)
		}
		got := make([]byte, 6)
		if _, err := f.ReadAt(got, 8); err != nil || !bytes.Equal(got, []byte("\x00\x00abca")) {
			t.Fatalf("ReadAt: %q, %v", got, err)
		}
		check(t, f.Truncate(12))
		check(t, f.Close())
		check(t, fsys.Rename(name, name+"y"))
		check(t, fsys.SyncDir(dir))
		b, err := vfs.ReadFile(fsys, name+"y", 100)
		if err != nil || len(b) != 12 {
			t.Fatalf("ReadFile: %d bytes, %v, want 12", len(b), err)
		}
		if names := must[[]string](t)(fsys.List(dir)); len(names) != 1 || names[0] != "xy" {
			t.Fatalf("List: %q", names)
		}
		check(t, fsys.Remove(name+"y"))
		if _, err := fsys.Space(dir); err != nil {
			t.Fatal(err)
		}
	})
}

func TestLockExcludesAndIsGivenUp(t *testing.T) {
	both(t, func(t *testing.T, fsys vfs.FS, dir string) {
		check(t, fsys.MkdirAll(dir))
		name := filepath.Join(dir, "in_use.lock")
		l, err := fsys.Lock(name)
		check(t, err)
		if _, err := fsys.Lock(name); !errors.Is(err, vfs.ErrLocked) {
			t.Fatalf("second Lock: %v, want ErrLocked", err)
		}
		check(t, l.Close())
		l, err = fsys.Lock(name)
		check(t, err)
		check(t, l.Close())
	})
}

func TestCrashKeepsWhatWasSyncedAndPartsOfTheRest(t *testing.T) {
	lost, kept, torn := 0, 0, 0
	for seed := range uint64(200) {
		m := memfs.New()
		check(t, m.MkdirAll("/d"))
		f := must[vfs.File](t)(m.Create("/d/x"))
		check(t, f.WritevAt([][]byte{bytes.Repeat([]byte{1}, 1024)}, 0))
		check(t, f.Datasync())
		check(t, m.SyncDir("/d"))
		check(t, f.WritevAt([][]byte{bytes.Repeat([]byte{2}, 2048)}, 512))
		must[vfs.File](t)(m.Create("/d/unsynced"))
		c := m.Crash(rand.New(rand.NewPCG(seed, 1)))
		if _, err := f.Size(); !errors.Is(err, memfs.ErrDown) {
			t.Fatalf("the old disk still works: %v", err)
		}
		b, err := vfs.ReadFile(c, "/d/x", 1<<20)
		check(t, err)
		if !bytes.Equal(b[:512], bytes.Repeat([]byte{1}, 512)) || len(b) < 1024 {
			t.Fatalf("seed %d: synced bytes are gone", seed)
		}
		n := bytes.Count(b, []byte{2})
		switch {
		case n == 0:
			lost++
		case n == 2048:
			kept++
		default:
			torn++
		}
	}
	if lost == 0 || kept == 0 || torn == 0 {
		t.Errorf("%d lost, %d kept, %d torn: want some of each", lost, kept, torn)
	}
}

func TestKillKeepsThePageCacheButNotForThePowerCutAfter(t *testing.T) {
	m := memfs.New()
	check(t, m.MkdirAll("/d"))
	f := must[vfs.File](t)(m.Create("/d/x"))
	check(t, m.SyncDir("/d"))
	check(t, f.WritevAt([][]byte{[]byte("hello")}, 0))
	m = m.Crash(nil)
	if b, err := vfs.ReadFile(m, "/d/x", 10); err != nil || string(b) != "hello" {
		t.Fatalf("after a kill: %q, %v", b, err)
	}
	for seed := range uint64(50) {
		k := m.Crash(nil).Crash(rand.New(rand.NewPCG(seed, 2)))
		if b, _ := vfs.ReadFile(k, "/d/x", 10); len(b) == 0 {
			return
		}
		m = m.Crash(nil)
	}
	t.Error("a power cut after a kill never lost what was not synced")
}

func TestFailedDatasyncLosesTheDataAndTheNextOneLies(t *testing.T) {
	for _, revert := range []bool{false, true} {
		m := memfs.New()
		m.Revert = revert
		check(t, m.MkdirAll("/d"))
		f := must[vfs.File](t)(m.Create("/d/x"))
		check(t, f.WritevAt([][]byte{[]byte("old")}, 0))
		check(t, f.Datasync())
		check(t, m.SyncDir("/d"))
		check(t, f.WritevAt([][]byte{[]byte("new")}, 0))
		m.FailDatasync = func(string) bool { return true }
		if err := f.Datasync(); !errors.Is(err, syscall.EIO) {
			t.Fatalf("Datasync: %v, want EIO", err)
		}
		m.FailDatasync = nil
		check(t, f.Datasync())
		b, _ := vfs.ReadFile(m, "/d/x", 10)
		if want := map[bool]string{false: "new", true: "old"}[revert]; string(b) != want {
			t.Errorf("read after the failure: %q, want %q", b, want)
		}
		c := m.Crash(rand.New(rand.NewPCG(1, 1)))
		if b, _ := vfs.ReadFile(c, "/d/x", 10); string(b) != "old" {
			t.Errorf("after a power cut: %q, want old", b)
		}
	}
}

func TestFullDisk(t *testing.T) {
	m := memfs.New()
	m.Size = 1000
	check(t, m.MkdirAll("/d"))
	f := must[vfs.File](t)(m.Create("/d/x"))
	if err := f.WritevAt([][]byte{make([]byte, 2000)}, 0); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("write beyond the disk: %v, want ENOSPC", err)
	}
	check(t, f.WritevAt([][]byte{make([]byte, 1000)}, 0)) // over what is there
	sp, err := m.Space("/d")
	if err != nil || sp.Free != 0 {
		t.Errorf("free %d, %v, want 0", sp.Free, err)
	}
}

func TestErrfsFailsTheOperationItIsToldTo(t *testing.T) {
	e := errfs.New(memfs.New(), func(c errfs.Call) error {
		if c.Op == errfs.Write && c.Off == 5 {
			return &errfs.Short{N: 2, Err: syscall.EIO}
		}
		return nil
	})
	check(t, e.MkdirAll("/d"))
	f := must[vfs.File](t)(e.Create("/d/x"))
	check(t, f.WritevAt([][]byte{[]byte("12345")}, 0))
	if err := f.WritevAt([][]byte{[]byte("6"), []byte("789")}, 5); !errors.Is(err, syscall.EIO) {
		t.Fatalf("write: %v, want EIO", err)
	}
	if b, _ := vfs.ReadFile(e, "/d/x", 10); string(b) != "1234567" {
		t.Errorf("after a short write: %q", b)
	}
	if e.Count() < 5 {
		t.Errorf("%d operations counted", e.Count())
	}
}
