package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Replace puts a file with that content in the place of name, whole or not at all, also when the power fails, and returns
// it open. After an error name is the old file or the new one. Only one caller at a time may replace a name.
func Replace(fsys FS, name string, content []byte) (File, error) {
	f, err := Swap(fsys, name, content)
	if err != nil {
		return nil, err
	}
	if err := fsys.SyncDir(filepath.Dir(name)); err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", name, err), f.Close())
	}
	return f, nil
}

// Swap is Replace without the last step: until SyncDir a power failure may bring back the old file. Who swaps many files
// of a directory syncs it once.
func Swap(fsys FS, name string, content []byte) (File, error) {
	next := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".next")
	if err := fsys.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := fsys.Create(next)
	if err != nil {
		return nil, err
	}
	if _, err = f.WriteAt(content, 0); err == nil {
		err = f.Datasync()
	}
	if err == nil {
		err = fsys.Rename(next, name)
	}
	if err != nil {
		_ = fsys.Remove(next) // a part of it takes room on a disk that may be full
		return nil, errors.Join(fmt.Errorf("write %s: %w", name, err), f.Close())
	}
	return f, nil
}
