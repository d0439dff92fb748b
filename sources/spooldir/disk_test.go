package spooldir

import (
	"io/fs"
	"syscall"

	"goflume/internal/vfs"
	"goflume/internal/vfs/errfs"
)

// badDisk is the real disk with failures.
type badDisk struct{ *errfs.FS }

func (badDisk) Stat(name string) (fs.FileInfo, error) { return realDisk{}.Stat(name) }
func (badDisk) ReadDir(dir string, each func(fs.DirEntry) error) error {
	return realDisk{}.ReadDir(dir, each)
}

// unsynced is the real disk without waiting for it: a process that dies takes nothing with it that was written.
type unsynced struct{ vfs.OS }

func (unsynced) SyncDir(string) error { return nil }

// failing is a disk on which an operation fails where fail says so.
func failing(fail func(op, name string) error) disk {
	return badDisk{errfs.New(unsynced{}, func(c errfs.Call) error { return fail(string(c.Op), c.Name) })}
}

func mkfifo(name string) error { return syscall.Mkfifo(name, 0o600) }
