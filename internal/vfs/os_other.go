//go:build !linux

package vfs

import (
	"fmt"
	"io"
	"math"
	"os"
	"syscall"
)

// Lock creates the file next to nothing else: only Linux has locks that also exclude a JVM.
func (OS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, ErrLocked)
	}
	return f, nil
}

// Space is not known here; writing tells.
func (OS) Space(string) (Space, error) { return Space{Free: math.MaxInt64}, nil }

// WritevAt implements File.
func (f osFile) WritevAt(bufs [][]byte, off int64) error {
	for _, b := range bufs {
		if _, err := f.WriteAt(b, off); err != nil {
			return err
		}
		off += int64(len(b))
	}
	return nil
}

// Datasync implements File with fsync.
func (f osFile) Datasync() error { return f.Sync() }
