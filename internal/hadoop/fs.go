// Package hadoop writes files to hdfs:// and file:// behind one small interface.
//
// What it adds to the HDFS library it stands on: a sync that waits until every datanode of the pipeline has acknowledged
// what was written (Java's hflush; the library's Flush returns before that), a deadline on every call, lease recovery,
// Java's configuration files with nameservices, and a writer that is given up without leaving anything behind.
package hadoop

import (
	"context"
	"errors"
	"io/fs"
)

// ErrUnseen is what File.Sync returns where the stream to the datanodes is encrypted or signed: the acknowledgements
// cannot be read. What was written is safe only after Close.
var ErrUnseen = errors.New("the datanodes' acknowledgements cannot be seen, as the data transfer is encrypted")

// FS is a file system. Names are absolute paths without scheme. Its methods may be called from many goroutines at once;
// each call is bounded by Options.CallTimeout.
type FS interface {
	// String names the file system for messages, such as hdfs://nn:8020.
	String() string
	// Check tells whether the file system answers.
	Check(ctx context.Context) error
	// Create makes a new file and the directories above it. The error is fs.ErrExist if there is one of that name. After
	// another error an empty file may have been left behind.
	Create(ctx context.Context, name string) (File, error)
	// Append opens a closed file to be written on.
	Append(ctx context.Context, name string) (File, error)
	// Rename moves a file; the error is fs.ErrExist if there is one of the new name, fs.ErrNotExist if there is none to move.
	Rename(ctx context.Context, from, to string) error
	Remove(ctx context.Context, name string) error
	// Size of a closed file in bytes; of an open one it may be too small.
	Size(ctx context.Context, name string) (int64, error)
	// List returns what is in a directory, in the order of the names.
	List(ctx context.Context, dir string) ([]Entry, error)
	// Settle closes a file that its writer has left open, whoever that is, and waits where that could cost it some of its
	// first keep bytes. It is called again until done.
	Settle(ctx context.Context, name string, keep int64) (done bool, err error)
	// Claim closes a file that its writer has left open, but not one whose writer lives: then it is not done.
	Claim(ctx context.Context, name string) (done bool, err error)
	// Mark notes with a file who writes it. The error is errors.ErrUnsupported where files take no such notes.
	Mark(ctx context.Context, name, owner string) error
	// Owner returns what Mark noted, empty if nothing.
	Owner(ctx context.Context, name string) (string, error)
	// Truncate shortens a closed file, which has to be settled again after it.
	Truncate(ctx context.Context, name string, size int64) error
	// Close ends what calls are under way. Files are closed before.
	Close() error
}

// Entry is a file or a directory in a directory.
type Entry struct {
	Name string // without the directory
	Dir  bool
}

// ownerNote is the key under which Mark notes the owner: user.goflume.owner among a file's extended attributes.
const ownerNote = "goflume.owner"

// File is a file being written. It is used by one goroutine at a time, but for Abandon. After an error of Write, Push or
// Sync it is to be abandoned, unless Rewind succeeds.
type File interface {
	// Write takes p in; it may be sent later.
	Write(ctx context.Context, p []byte) error
	// Push sends what was written and does not wait.
	Push(ctx context.Context) error
	// Sync returns nil once everything written is as safe as the file system promises: in the memory of every datanode of
	// the pipeline, or on the local disk where that is wanted. It pushes if need be.
	Sync(ctx context.Context) error
	// Rewind takes back what was written since the last Sync. Most file systems cannot: errors.ErrUnsupported.
	Rewind(ctx context.Context) error
	// Close syncs and closes. After an error the file may still be open: Settle it.
	Close(ctx context.Context) error
	// Abandon frees what the file holds without writing anything. The file has to be settled.
	Abandon()
	// Replicas is how many datanodes hold what is written now, -1 where that is unknown.
	Replicas() int
	// Wanted is how many there should be, 0 where that is unknown.
	Wanted() int
}

// Permanent tells whether an error of Create is about the name or the rights, so that nothing was left behind.
func Permanent(err error) bool {
	return errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrName)
}

// ErrName is wrapped by errors about names that the file system will never take, such as one that is too long.
var ErrName = errors.New("the file system does not take this name")
