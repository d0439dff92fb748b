package hadoop

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"goflume/internal/vfs"
	"goflume/internal/vfs/memfs"
)

func contents(t *testing.T, disk vfs.FS, name string) string {
	t.Helper()
	b, err := vfs.ReadFile(disk, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestLocalFileIsMadeOnceAndNeverReplaced(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	l := Local(vfs.OS{Public: true}, WhenDone)
	a, b := filepath.Join(dir, "x", "y", "a"), filepath.Join(dir, "x", "y", "b")
	f, err := l.Create(ctx, a)
	must(t, err)
	if _, err := l.Create(ctx, a); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create again: %v, want ErrExist", err)
	}
	must(t, f.Write(ctx, []byte("one")))
	must(t, f.Sync(ctx))
	must(t, f.Write(ctx, []byte("two")))
	must(t, f.Rewind(ctx))
	must(t, f.Write(ctx, []byte("three")))
	must(t, f.Close(ctx))
	must(t, f.Close(ctx))
	must(t, l.Rename(ctx, a, b))
	if got := contents(t, vfs.OS{}, b); got != "onethree" {
		t.Errorf("%q, want onethree", got)
	}
	g, err := l.Create(ctx, a)
	must(t, err)
	g.Abandon()
	if err := l.Rename(ctx, a, b); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Rename onto a file: %v, want ErrExist", err)
	}
	if err := l.Rename(ctx, filepath.Join(dir, "none"), a+"2"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Rename of nothing: %v, want ErrNotExist", err)
	}
	if _, err := l.Create(ctx, filepath.Join(dir, strings.Repeat("x", 300))); !errors.Is(err, ErrName) || !Permanent(err) {
		t.Errorf("a name too long: %v, want ErrName", err)
	}
}

func TestWhatWasSyncedSurvivesACrash(t *testing.T) {
	for seed := range uint64(50) {
		ctx, disk := t.Context(), memfs.New()
		l := Local(disk, EverySync)
		f, err := l.Create(ctx, "/d/e/f.tmp")
		must(t, err)
		must(t, f.Write(ctx, []byte("promised")))
		must(t, f.Sync(ctx))
		must(t, f.Write(ctx, []byte(" and more")))
		after := disk.Crash(rand.New(rand.NewPCG(seed, 1)))
		if got := contents(t, after, "/d/e/f.tmp"); !strings.HasPrefix(got, "promised") {
			t.Fatalf("seed %d: %q after the crash, want what was synced", seed, got)
		}
	}
}
