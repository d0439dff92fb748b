// Package memfs is a file system in memory that knows what a power cut would leave: FS.Crash returns what a disk may hold
// after it. Between two syncs nothing is ordered and nothing is whole: any subset of the 512-byte sectors written since
// the last Datasync may be there, sectors may hold garbage, and each name created, renamed or removed since the last
// SyncDir may be there or not (Pillai et al., ALICE; LazyFS). A Datasync that fails marks the data as written, as Linux
// does: the next one succeeds without it (Rebello et al., Can Applications Recover from fsync Failures).
//
// Directories themselves survive as soon as they are made.
package memfs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"goflume/internal/vfs"
)

// ErrDown is what every operation returns after Crash or Halt.
var ErrDown = errors.New("memfs: the machine is down")

// FS is a disk in memory. Make it with New.
type FS struct {
	// Size of the disk in bytes, 0 for no limit. A write beyond it fails with ENOSPC. May be changed between operations.
	Size int64
	// FailDatasync, where set, tells whether a Datasync of the file fails with EIO. It is called with the lock held.
	FailDatasync func(name string) bool
	// Revert makes reads after a failed Datasync return the old contents, as btrfs does; otherwise the new ones, as ext4.
	Revert bool
	// CopyOnWrite is what Space says.
	CopyOnWrite bool

	mu    sync.Mutex
	dirs  map[string]*dir
	locks map[string]bool
	down  bool
}

var _ vfs.FS = (*FS)(nil)

type dir struct {
	now, safe map[string]*inode
	ops       []dirOp
}

// dirOp is a change of names since the last SyncDir: add, where not nil, appears under to; from, where not empty, goes.
type dirOp struct {
	from, to string
	add      *inode
}

type inode struct {
	data  []byte  // as programs see it
	safe  []byte  // on stable storage
	dirty []write // not there yet, in order
}

// write is data at an offset, or, where data is nil, a truncation to off.
type write struct {
	off  int64
	data []byte
}

// New returns an empty disk.
func New() *FS { return &FS{dirs: map[string]*dir{}, locks: map[string]bool{}} }

// Halt makes every further operation fail with ErrDown, as a process that was killed does nothing more.
func (f *FS) Halt() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = true
}

// Used returns the bytes of all files.
func (f *FS) Used() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.usedLocked()
}

func (f *FS) usedLocked() int64 {
	var n int64
	seen := map[*inode]bool{}
	for _, d := range f.dirs {
		for _, in := range d.now {
			if !seen[in] {
				seen[in] = true
				n += int64(len(in.data))
			}
		}
	}
	return n
}

func (f *FS) dir(op, name string) (*dir, string, error) {
	if f.down {
		return nil, "", ErrDown
	}
	name = filepath.Clean(name)
	d := f.dirs[filepath.Dir(name)]
	if d == nil {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: syscall.ENOENT}
	}
	return d, filepath.Base(name), nil
}

// Create implements vfs.FS.
func (f *FS) Create(name string) (vfs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base, err := f.dir("create", name)
	if err != nil {
		return nil, err
	}
	if d.now[base] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: syscall.EEXIST}
	}
	in := &inode{}
	d.now[base] = in
	d.ops = append(d.ops, dirOp{to: base, add: in})
	return &file{fs: f, in: in, name: name}, nil
}

// Open implements vfs.FS.
func (f *FS) Open(name string) (vfs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base, err := f.dir("open", name)
	if err != nil {
		return nil, err
	}
	in := d.now[base]
	if in == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOENT}
	}
	return &file{fs: f, in: in, name: name}, nil
}

// OpenRead implements vfs.FS.
func (f *FS) OpenRead(name string) (vfs.File, error) {
	h, err := f.Open(name)
	if err == nil {
		h.(*file).readOnly = true
	}
	return h, err
}

// MkdirAll implements vfs.FS.
func (f *FS) MkdirAll(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return ErrDown
	}
	for name = filepath.Clean(name); f.dirs[name] == nil; name = filepath.Dir(name) {
		f.dirs[name] = &dir{now: map[string]*inode{}, safe: map[string]*inode{}}
	}
	return nil
}

// List implements vfs.FS. Directories below are among the names.
func (f *FS) List(name string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, ErrDown
	}
	name = filepath.Clean(name)
	d := f.dirs[name]
	if d == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOENT}
	}
	names := slices.Collect(maps.Keys(d.now))
	for sub := range f.dirs {
		if sub != name && filepath.Dir(sub) == name {
			names = append(names, filepath.Base(sub))
		}
	}
	slices.Sort(names)
	return names, nil
}

// Rename implements vfs.FS. Within one directory it is atomic.
func (f *FS) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base, err := f.dir("rename", from)
	if err != nil {
		return err
	}
	e, target, err := f.dir("rename", to)
	if err != nil {
		return err
	}
	in := d.now[base]
	if in == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: syscall.ENOENT}
	}
	delete(d.now, base)
	e.now[target] = in
	if d == e {
		d.ops = append(d.ops, dirOp{from: base, to: target, add: in})
		return nil
	}
	d.ops = append(d.ops, dirOp{from: base})
	e.ops = append(e.ops, dirOp{to: target, add: in})
	return nil
}

// Remove implements vfs.FS.
func (f *FS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base, err := f.dir("remove", name)
	if err != nil {
		return err
	}
	if d.now[base] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOENT}
	}
	delete(d.now, base)
	d.ops = append(d.ops, dirOp{from: base})
	return nil
}

// SyncDir implements vfs.FS.
func (f *FS) SyncDir(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return ErrDown
	}
	d := f.dirs[filepath.Clean(name)]
	if d == nil {
		return &fs.PathError{Op: "open", Path: name, Err: syscall.ENOENT}
	}
	d.safe, d.ops = maps.Clone(d.now), nil
	return nil
}

// Space implements vfs.FS.
func (f *FS) Space(string) (vfs.Space, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return vfs.Space{}, ErrDown
	}
	if f.Size == 0 {
		return vfs.Space{Free: math.MaxInt64, CopyOnWrite: f.CopyOnWrite}, nil
	}
	return vfs.Space{Free: max(0, f.Size-f.usedLocked()), CopyOnWrite: f.CopyOnWrite}, nil
}

// Lock implements vfs.FS; the locks are gone after Crash.
func (f *FS) Lock(name string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, base, err := f.dir("open", name)
	if err != nil {
		return nil, err
	}
	if f.locks[name] {
		return nil, vfs.ErrLocked
	}
	if d.now[base] == nil {
		in := &inode{}
		d.now[base] = in
		d.ops = append(d.ops, dirOp{to: base, add: in})
	}
	f.locks[name] = true
	return &lock{f, name}, nil
}

type lock struct {
	fs   *FS
	name string
}

func (l *lock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	delete(l.fs.locks, l.name)
	return nil
}
