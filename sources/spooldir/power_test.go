package spooldir

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"goflume/internal/flowtest"
	"goflume/internal/vfs"
	"goflume/internal/vfs/errfs"
	"goflume/internal/vfs/memfs"
)

// memory is a disk that can lose its power.
type memory struct{ vfs.FS }

// entry is what a file of it looks like from outside.
type entry struct {
	name string
	size int64
	dir  bool
}

func (e entry) Name() string               { return e.name }
func (e entry) Size() int64                { return e.size }
func (e entry) ModTime() time.Time         { return time.Unix(1e9, 0) }
func (e entry) IsDir() bool                { return e.dir }
func (e entry) Sys() any                   { return nil }
func (e entry) Type() fs.FileMode          { return e.Mode().Type() }
func (e entry) Info() (fs.FileInfo, error) { return e, nil }
func (e entry) Mode() fs.FileMode {
	if e.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

func (m memory) Stat(name string) (fs.FileInfo, error) {
	if _, err := m.List(name); err == nil {
		return entry{filepath.Base(name), 0, true}, nil
	}
	f, err := m.OpenRead(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	return entry{filepath.Base(name), size, false}, err
}

func (m memory) ReadDir(dir string, each func(fs.DirEntry) error) error {
	names, err := m.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		fi, err := m.Stat(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		if err := each(fi.(entry)); err != nil {
			return err
		}
	}
	return nil
}

// TestAPowerFailureAtAnyMomentLosesNothing cuts the power at an operation, and at another one of the run after it.
func TestAPowerFailureAtAnyMomentLosesNothing(t *testing.T) {
	for name, change := range map[string]func(*Settings){
		"rename":  func(*Settings) {},
		"delete":  func(s *Settings) { s.DeletePolicy = "immediate" },
		"tracker": func(s *Settings) { s.TrackingPolicy = "tracker_dir" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			rng := rand.New(rand.NewPCG(seed, 1))
			for n := int64(1); n < 90; n += 1 + rng.Int64N(4) {
				p := spool(t, change, func(s *Settings) { s.BatchSize, s.PollDelay, s.BasenameHeader = 10, time.Millisecond, true })
				now := memfs.New()
				want := stock(t, now, p.dir)
				var got []string
				for _, at := range []int64{n, 1 + rng.Int64N(60), 0} {
					out := &flowtest.Recorder{}
					p.runUntil(now, at, out, func() bool { return len(set(append(slices.Clone(got), said(out)...))) == len(want) })
					got = append(got, said(out)...)
					now = now.Crash(rng)
				}
				if len(set(got)) != len(want) {
					t.Fatalf("seed %d, operation %d: %d of %d lines\n%s", seed, n, len(set(got)), len(want), p.log)
				}
			}
		})
	}
}

// stock puts files into the directory of the disk, safely.
func stock(t *testing.T, disk *memfs.FS, dir string) (all []string) {
	t.Helper()
	if err := disk.MkdirAll(dir); err != nil {
		t.Fatal(err)
	}
	for i, n := range []int{35, 3, 4, 28} {
		name := fmt.Sprint("f", i)
		text := numbers(100*i, 100*i+n)
		f, err := disk.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte(text), 0); err != nil {
			t.Fatal(err)
		}
		if err := f.Datasync(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(text) {
			all = append(all, name+": "+strings.TrimSuffix(line, "\n"))
		}
	}
	if err := disk.SyncDir(dir); err != nil {
		t.Fatal(err)
	}
	return all
}

// runUntil runs the source on the disk until that operation, 0 for none, or until it is done.
func (p *place) runUntil(d *memfs.FS, at int64, out *flowtest.Recorder, done func() bool) {
	p.Helper()
	ctx, cancel := context.WithCancel(p.patience())
	defer cancel()
	p.disk = memory{errfs.New(d, func(c errfs.Call) error {
		if c.N == at {
			d.Halt()
			cancel()
		}
		return nil
	})}
	ended := make(chan struct{})
	s := p.source()
	go func() {
		defer close(ended)
		if err := s.Run(ctx, out); err != nil && at == 0 {
			p.Errorf("Run: %v", err)
		}
	}()
	for tick := time.NewTicker(time.Millisecond); !done() && ctx.Err() == nil; {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
	}
	cancel()
	<-ended
}

// TestWhatBecameOfAFileIsSafeBeforeItsProgressIsForgotten: else a power failure had all of a large file sent again.
func TestWhatBecameOfAFileIsSafeBeforeItsProgressIsForgotten(t *testing.T) {
	p := spool(t, func(s *Settings) { s.BatchSize = 10 })
	var ops []string
	p.disk = failing(func(op, name string) error {
		switch {
		case op == "rename" && filepath.Base(name) == "f", op == "syncdir" && name == p.dir, op == "remove" && filepath.Base(name) == mainMeta:
			ops = append(ops, op)
		}
		return nil
	})
	p.put("f", numbers(0, 35), time.Hour)
	p.collect(35, "f.COMPLETED")
	if want := []string{"rename", "syncdir", "remove"}; !slices.Equal(ops[:min(3, len(ops))], want) {
		t.Errorf("operations %q, want %q", ops, want)
	}
}
