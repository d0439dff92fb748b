package vfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Lock uses an open-file-description lock: flock(2) would not see a JVM's lock, a classic fcntl lock would not see other
// locks of this process.
func (OS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := (osFile{f}).Hold(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Hold implements Holder.
func (f osFile) Hold() error {
	var err error
	for {
		lk := unix.Flock_t{Type: unix.F_WRLCK}
		if err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lk); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES):
		err = ErrLocked
	}
	return fmt.Errorf("lock %s: %w", f.Name(), err)
}

// Move implements Mover with renameat2(2), which not every disk knows.
func (OS) Move(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSYS):
		err = errors.ErrUnsupported
	}
	return &os.LinkError{Op: "renameat2", Old: from, New: to, Err: err}
}

// SetNote implements Notes with an extended attribute of the user's.
func (OS) SetNote(name, key, value string) error {
	if err := unix.Setxattr(name, "user."+key, []byte(value), 0); err != nil {
		return &os.PathError{Op: "setxattr", Path: name, Err: err}
	}
	return nil
}

// Note implements Notes.
func (OS) Note(name, key string) (string, error) {
	value := make([]byte, 4096)
	n, err := unix.Getxattr(name, "user."+key, value)
	switch {
	case err == nil:
		return string(value[:n]), nil
	case errors.Is(err, unix.ENODATA):
		return "", nil
	}
	return "", &os.PathError{Op: "getxattr", Path: name, Err: err}
}

// Magic numbers of statfs(2) for file systems where an overwrite does not go to the blocks written before.
const (
	btrfsMagic = 0x9123683e
	zfsMagic   = 0x2fc12fc1
	nfsMagic   = 0x6969
	bcacheFS   = 0xca451a4e
)

// Space implements FS with statfs(2); Free is what an unprivileged process may use.
func (OS) Space(dir string) (Space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return Space{}, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	cow := false
	switch uint32(st.Type) {
	case btrfsMagic, zfsMagic, nfsMagic, bcacheFS:
		cow = true
	}
	return Space{Free: int64(st.Bavail) * st.Bsize, CopyOnWrite: cow}, nil
}

// maxIovecs is the kernel's limit (IOV_MAX).
const maxIovecs = 1024

// WritevAt implements File with pwritev(2), going on after short writes and signals.
func (f osFile) WritevAt(bufs [][]byte, off int64) error {
	for len(bufs) > 0 {
		now := bufs[:min(len(bufs), maxIovecs)]
		want := 0
		for _, b := range now {
			want += len(b)
		}
		n, err := unix.Pwritev(int(f.Fd()), now, off)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return &os.PathError{Op: "pwritev", Path: f.Name(), Err: err}
		}
		if n < want {
			// Rare: finish this part one buffer at a time.
			skip := max(n, 0)
			at := off + int64(skip)
			for _, b := range now {
				if skip >= len(b) {
					skip -= len(b)
					continue
				}
				if _, err := f.WriteAt(b[skip:], at); err != nil {
					return err
				}
				at += int64(len(b) - skip)
				skip = 0
			}
		}
		off += int64(want)
		bufs = bufs[len(now):]
	}
	return nil
}

// Datasync implements File with fdatasync(2).
func (f osFile) Datasync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}
