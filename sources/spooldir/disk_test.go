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

// failing is a disk on which an operation fails where fail says so.
func failing(fail func(op, name string) error) disk {
	return badDisk{errfs.New(vfs.OS{}, func(c errfs.Call) error { return fail(string(c.Op), c.Name) })}
}

func mkfifo(name string) error { return syscall.Mkfifo(name, 0o600) }
