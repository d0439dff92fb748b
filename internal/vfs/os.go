package vfs

import (
	"os"
	"sort"
)

// OS is the real file system. The zero OS is ready for use.
type OS struct {
	// Public files and directories are for others to read: their modes are what the umask leaves. Else they are the
	// agent's and its group's.
	Public bool
}

var _ FS = OS{}

type osFile struct{ *os.File }

// Size implements File.
func (f osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func open(name string, flag int, mode os.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, mode)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Create implements FS.
func (o OS) Create(name string) (File, error) {
	mode := os.FileMode(0o640)
	if o.Public {
		mode = 0o666
	}
	return open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
}

// Open implements FS.
func (OS) Open(name string) (File, error) { return open(name, os.O_RDWR, 0) }

// OpenRead implements FS.
func (OS) OpenRead(name string) (File, error) { return open(name, os.O_RDONLY, 0) }

// MkdirAll implements FS.
func (o OS) MkdirAll(dir string) error {
	mode := os.FileMode(0o750)
	if o.Public {
		mode = 0o777
	}
	return os.MkdirAll(dir, mode)
}

// List implements FS.
func (OS) List(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	sort.Strings(names)
	return names, err
}

// Rename implements FS.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// SyncDir implements FS.
func (OS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if e := d.Close(); err == nil {
		err = e
	}
	return err
}
