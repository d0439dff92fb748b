package vfs_test

import (
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"

	"goflume/internal/vfs"
	"goflume/internal/vfs/errfs"
	"goflume/internal/vfs/memfs"
)

// replace replaces /d/x by text and closes it.
func replace(fsys vfs.FS, text string) error {
	f, err := vfs.Replace(fsys, "/d/x", []byte(text))
	if err != nil {
		return err
	}
	return f.Close()
}

func TestReplacedFileIsTheOldOrTheNewOneWhateverFails(t *testing.T) {
	broken := errors.New("broken")
	for at := int64(1); ; at++ {
		m := memfs.New()
		check(t, m.MkdirAll("/d"))
		check(t, replace(m, "old"))
		failed := false
		err := replace(errfs.New(m, func(c errfs.Call) error {
			if c.N == at {
				failed = true
				return broken
			}
			return nil
		}), "the new one")
		if !failed {
			check(t, err)
			break
		}
		for seed := range uint64(20) {
			c := m.Crash(rand.New(rand.NewPCG(seed, 1)))
			if b, e := vfs.ReadFile(c, "/d/x", 100); e != nil || string(b) != "old" && string(b) != "the new one" {
				t.Fatalf("operation %d fails, then the power: %q, %v", at, b, e)
			}
			m = c
		}
		check(t, replace(m, "newer"))
		if names := must[[]string](t)(m.List("/d")); len(names) != 1 {
			t.Errorf("operation %d: %q are left, want x alone", at, names)
		}
	}
}

func TestReplacedFileOutlivesAPowerFailure(t *testing.T) {
	for seed := range uint64(50) {
		m := memfs.New()
		check(t, m.MkdirAll("/d"))
		check(t, replace(m, "old"))
		check(t, replace(m, "new"))
		if b, err := vfs.ReadFile(m.Crash(rand.New(rand.NewPCG(seed, 1))), "/d/x", 100); err != nil || string(b) != "new" {
			t.Fatalf("after a power failure: %q, %v, want new", b, err)
		}
	}
}

func TestReplacingOnAFullDiskTakesNoRoom(t *testing.T) {
	m := memfs.New()
	check(t, m.MkdirAll("/d"))
	check(t, replace(m, "old"))
	m.Size = 10
	if err := replace(m, "longer than the disk"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v, want ENOSPC", err)
	}
	if b, err := vfs.ReadFile(m, "/d/x", 100); err != nil || string(b) != "old" {
		t.Errorf("after that: %q, %v, want the old one", b, err)
	}
	if names := must[[]string](t)(m.List("/d")); len(names) != 1 {
		t.Errorf("%q are left, want x alone", names)
	}
}
