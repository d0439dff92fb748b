// Package vfs is the seam between components that must not lose data and the disk. OS is the real thing; memfs forgets
// what was not synced when it is told to crash; errfs fails operations on demand. A component takes an FS and never
// touches package os, so that every step it makes on disk can be interrupted by a test.
//
// The promises are those of a POSIX file system and no more: without Datasync nothing written is safe, without SyncDir no
// name is, and after a Datasync that failed the same data must be written again, to another file, because a second
// Datasync succeeds without having written it.
package vfs

import (
	"errors"
	"io"
)

// ErrLocked is returned by Lock where somebody else holds the lock.
var ErrLocked = errors.New("locked by another process")

// FS is a file system. Names are paths as package os takes them; errors satisfy errors.Is with fs.ErrNotExist,
// fs.ErrExist and syscall.Errno as those of package os do. All methods may be called from many goroutines.
type FS interface {
	// Create makes a file that must not exist, for reading and writing.
	Create(name string) (File, error)
	// Open opens a file that must exist, for reading and writing.
	Open(name string) (File, error)
	// OpenRead opens a file for reading only; it works on a read-only disk.
	OpenRead(name string) (File, error)

	// MkdirAll makes the directory and its parents and leaves existing ones alone.
	MkdirAll(dir string) error
	// List returns the names in the directory, sorted.
	List(dir string) ([]string, error)
	Rename(from, to string) error
	Remove(name string) error
	// SyncDir makes the directory's entries durable: names created, renamed and removed.
	SyncDir(dir string) error

	// Space tells how much room the directory's file system has.
	Space(dir string) (Space, error)
	// Lock takes an exclusive lock on the file, which it creates, and does not wait: ErrLocked. The lock excludes other
	// processes, a JVM's FileLock among them, and other Locks of this one. Close gives it up and leaves the file.
	Lock(name string) (io.Closer, error)
}

// File is an open file. ReadAt and the writes may be called from many goroutines.
type File interface {
	io.ReaderAt
	// WriteAt writes all of the bytes or returns an error; after an error any part may have been written.
	io.WriterAt
	// WritevAt writes the buffers one behind the other from off on, in as few calls as can be.
	WritevAt(bufs [][]byte, off int64) error
	Size() (int64, error)
	Truncate(size int64) error
	// Datasync returns nil once what was written is on stable storage, with the file's size.
	Datasync() error
	// Close may report an error of an earlier write.
	io.Closer
}

// Space of a file system.
type Space struct {
	Free int64 // bytes that this process may still use
	// CopyOnWrite tells that overwriting a file takes new room, so that writing it beforehand reserves nothing.
	CopyOnWrite bool
}

// Mover is what an FS may offer besides: a rename that never replaces a file, but is fs.ErrExist then. The error is
// errors.ErrUnsupported where the disk cannot do that.
type Mover interface{ Move(from, to string) error }

// Notes is what an FS may offer besides: small named values that stay with a file when it is renamed. The error is
// errors.ErrUnsupported where the disk does not keep them.
type Notes interface {
	SetNote(name, key, value string) error
	// Note returns the value, empty if there is none.
	Note(name, key string) (string, error)
}

// Holder is what a File may offer besides: an exclusive lock on itself that goes with the File. ErrLocked is returned
// where another one has it.
type Holder interface{ Hold() error }

// ReadFile returns the whole file, which must not be longer than limit bytes.
func ReadFile(fsys FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.OpenRead(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, errors.New(name + ": longer than expected")
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); err != nil && (err != io.EOF || n < len(b)) {
		return nil, err
	}
	return b, nil
}
