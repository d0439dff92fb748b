package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// mountDisk mounts a disk of that size, in memory, in the run's directory. It is for tests that run Namespaced.
func (r *Run) mountDisk(ctx context.Context, name string, sizeMB int) error {
	dir := filepath.Join(r.Dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if _, err := r.Tool(ctx, Command{Name: "mount", Argv: []string{"mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm,mode=755", sizeMB), "none", dir}}); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mounts = append(r.mounts, dir)
	return nil
}

// fillDisk writes a file onto the disk until there is only so much room, and returns what removes it.
func fillDisk(dir string, leaveMB int) (empty func() error, err error) {
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	const block = 1 << 20
	size := int64(0)
	for ; err == nil; size += block {
		_, err = f.Write(make([]byte, block))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return nil, errors.Join(err, f.Close())
	}
	if leaveMB > 0 {
		if err := f.Truncate(size - int64(leaveMB)*block); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return func() error { return os.Remove(name) }, f.Close()
}
