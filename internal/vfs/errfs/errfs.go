// Package errfs is a file system that fails when it is told to: every operation is shown to a function first, which may
// return an error in its place.
package errfs

import (
	"io"
	"sync/atomic"

	"goflume/internal/vfs"
)

// Op is one kind of operation.
type Op string

// The operations, as they are shown to the function.
const (
	Create   Op = "create"
	Open     Op = "open"
	OpenRead Op = "openread"
	MkdirAll Op = "mkdir"
	List     Op = "list"
	Rename   Op = "rename"
	Remove   Op = "remove"
	SyncDir  Op = "syncdir"
	Space    Op = "space"
	Lock     Op = "lock"
	Read     Op = "read"
	Write    Op = "write"
	Truncate Op = "truncate"
	Datasync Op = "datasync"
)

// Changes tells whether the operation changes the disk or makes a change durable.
func (o Op) Changes() bool {
	switch o {
	case Create, Rename, Remove, SyncDir, Write, Truncate, Datasync, MkdirAll:
		return true
	}
	return false
}

// Call is one operation that is about to happen.
type Call struct {
	N    int64 // counts all operations from 1
	Op   Op
	Name string // of the file; of a rename, the old one
	Off  int64  // of a read or write
	Len  int
}

// Short is an error for a write: its first N bytes reach the file, then Err is returned.
type Short struct {
	N   int
	Err error
}

func (s *Short) Error() string { return s.Err.Error() }
func (s *Short) Unwrap() error { return s.Err }

// FS shows every operation to Fail, which is called from many goroutines, and does it if Fail returns nil.
type FS struct {
	vfs.FS
	Fail func(Call) error

	n atomic.Int64
}

// New returns base with fail in front.
func New(base vfs.FS, fail func(Call) error) *FS { return &FS{FS: base, Fail: fail} }

// Count returns how many operations were shown.
func (f *FS) Count() int64 { return f.n.Load() }

func (f *FS) check(op Op, name string, off int64, n int) error {
	c := Call{N: f.n.Add(1), Op: op, Name: name, Off: off, Len: n}
	if f.Fail == nil {
		return nil
	}
	return f.Fail(c)
}

func (f *FS) open(op Op, name string, do func(string) (vfs.File, error)) (vfs.File, error) {
	if err := f.check(op, name, 0, 0); err != nil {
		return nil, err
	}
	h, err := do(name)
	if err != nil {
		return nil, err
	}
	return &file{h, f, name}, nil
}

// Create implements vfs.FS.
func (f *FS) Create(name string) (vfs.File, error) { return f.open(Create, name, f.FS.Create) }

// Open implements vfs.FS.
func (f *FS) Open(name string) (vfs.File, error) { return f.open(Open, name, f.FS.Open) }

// OpenRead implements vfs.FS.
func (f *FS) OpenRead(name string) (vfs.File, error) { return f.open(OpenRead, name, f.FS.OpenRead) }

// MkdirAll implements vfs.FS.
func (f *FS) MkdirAll(dir string) error {
	if err := f.check(MkdirAll, dir, 0, 0); err != nil {
		return err
	}
	return f.FS.MkdirAll(dir)
}

// List implements vfs.FS.
func (f *FS) List(dir string) ([]string, error) {
	if err := f.check(List, dir, 0, 0); err != nil {
		return nil, err
	}
	return f.FS.List(dir)
}

// Rename implements vfs.FS.
func (f *FS) Rename(from, to string) error {
	if err := f.check(Rename, from, 0, 0); err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

// Remove implements vfs.FS.
func (f *FS) Remove(name string) error {
	if err := f.check(Remove, name, 0, 0); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

// SyncDir implements vfs.FS.
func (f *FS) SyncDir(dir string) error {
	if err := f.check(SyncDir, dir, 0, 0); err != nil {
		return err
	}
	return f.FS.SyncDir(dir)
}

// Space implements vfs.FS.
func (f *FS) Space(dir string) (vfs.Space, error) {
	if err := f.check(Space, dir, 0, 0); err != nil {
		return vfs.Space{}, err
	}
	return f.FS.Space(dir)
}

// Lock implements vfs.FS.
func (f *FS) Lock(name string) (io.Closer, error) {
	if err := f.check(Lock, name, 0, 0); err != nil {
		return nil, err
	}
	return f.FS.Lock(name)
}

type file struct {
	vfs.File
	fs   *FS
	name string
}

func (h *file) ReadAt(p []byte, off int64) (int, error) {
	if err := h.fs.check(Read, h.name, off, len(p)); err != nil {
		return 0, err
	}
	return h.File.ReadAt(p, off)
}

func (h *file) WriteAt(p []byte, off int64) (int, error) {
	if err := h.fs.check(Write, h.name, off, len(p)); err != nil {
		if s, ok := err.(*Short); ok {
			n, _ := h.File.WriteAt(p[:min(s.N, len(p))], off)
			return n, s.Err
		}
		return 0, err
	}
	return h.File.WriteAt(p, off)
}

func (h *file) WritevAt(bufs [][]byte, off int64) error {
	n := 0
	for _, b := range bufs {
		n += len(b)
	}
	if err := h.fs.check(Write, h.name, off, n); err != nil {
		s, ok := err.(*Short)
		if !ok {
			return err
		}
		for left := s.N; len(bufs) > 0 && left > 0; bufs = bufs[1:] {
			part := bufs[0][:min(left, len(bufs[0]))]
			if _, err := h.File.WriteAt(part, off); err != nil {
				return err
			}
			off += int64(len(part))
			left -= len(part)
		}
		return s.Err
	}
	return h.File.WritevAt(bufs, off)
}

func (h *file) Truncate(size int64) error {
	if err := h.fs.check(Truncate, h.name, size, 0); err != nil {
		return err
	}
	return h.File.Truncate(size)
}

func (h *file) Datasync() error {
	if err := h.fs.check(Datasync, h.name, 0, 0); err != nil {
		return err
	}
	return h.File.Datasync()
}
