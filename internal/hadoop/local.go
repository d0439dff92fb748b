package hadoop

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Durability says when files of the local file system are forced to the disk.
type Durability uint8

// From weak to strong.
const (
	Never     Durability = iota // left to the operating system
	WhenDone                    // when a file is closed
	EverySync                   // at every Sync
)

// Local returns the machine's own file system. The machine's umask applies.
func Local(d Durability) FS { return local{d} }

type local struct{ durability Durability }

func (local) String() string              { return "file://" }
func (local) Check(context.Context) error { return nil }
func (local) Close() error                { return nil }

func (l local) Create(_ context.Context, name string) (File, error) {
	made, err := makeDirs(filepath.Dir(name))
	if err != nil {
		return nil, nameError(err)
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, nameError(err)
	}
	if l.durability == EverySync {
		// The file's own name, and those of the directories made for it, are part of what Sync promises.
		for _, dir := range append(made, filepath.Dir(name)) {
			if err := syncDir(dir); err != nil {
				return nil, errors.Join(err, f.Close(), os.Remove(name))
			}
		}
	}
	return &localFile{file: f, durability: l.durability}, nil
}

func (l local) Append(_ context.Context, name string) (File, error) {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	end, err := f.Seek(0, 2)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &localFile{file: f, durability: l.durability, size: end, synced: end}, nil
}

// makeDirs makes dir and returns the directories in which something new stands.
func makeDirs(dir string) (parents []string, err error) {
	if _, err := os.Stat(dir); err == nil {
		return nil, nil
	}
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); err == nil || d == filepath.Dir(d) {
			break
		}
		parents = append(parents, filepath.Dir(d))
	}
	return parents, os.MkdirAll(dir, 0o777)
}

func nameError(err error) error {
	if errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("%w: %w", ErrName, err)
	}
	return err
}

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Rename links and then unlinks, as rename(2) would replace a file of the new name. Where there are no links it looks first.
func (l local) Rename(_ context.Context, from, to string) error {
	switch err := os.Link(from, to); {
	case err == nil:
		if err := os.Remove(from); err != nil {
			return err
		}
	case errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist):
		return nameError(err)
	default:
		if _, err := os.Lstat(to); err == nil {
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
		}
		if err := os.Rename(from, to); err != nil {
			return nameError(err)
		}
	}
	if l.durability == Never {
		return nil
	}
	return syncDir(filepath.Dir(to))
}

func (l local) Remove(_ context.Context, name string) error { return os.Remove(name) }

func (l local) Stat(_ context.Context, name string) (Info, error) {
	fi, err := os.Stat(name)
	if err != nil {
		return Info{}, err
	}
	return info(fi), nil
}

func info(fi fs.FileInfo) Info {
	return Info{Name: fi.Name(), Size: fi.Size(), Dir: fi.IsDir(), Modified: fi.ModTime()}
}

func (l local) List(_ context.Context, dir string) ([]Info, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []Info
	for _, e := range entries {
		if fi, err := e.Info(); err == nil { // else it went meanwhile
			all = append(all, info(fi))
		}
	}
	return all, nil
}

// Settle forces the file to the disk; there are no leases here.
func (l local) Settle(_ context.Context, name string) (bool, error) {
	if l.durability == Never {
		_, err := os.Stat(name)
		return err == nil, err
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return false, err
	}
	err = errors.Join(f.Sync(), f.Close())
	return err == nil, err
}

type localFile struct {
	file       *os.File
	durability Durability
	size       int64 // written
	synced     int64
	poisoned   error // a sync failed: what the disk holds of the file is not known any more
}

func (f *localFile) Write(_ context.Context, p []byte) error {
	n, err := f.file.Write(p)
	f.size += int64(n)
	return err
}

func (f *localFile) Push(context.Context) error { return nil }

func (f *localFile) Sync(context.Context) error {
	if f.durability == EverySync {
		if err := f.sync(); err != nil {
			return err
		}
	}
	f.synced = f.size
	return nil
}

// sync never tries again after a failure: the system may have dropped the pages that it could not write, and would say
// that all is well the next time.
func (f *localFile) sync() error {
	if f.poisoned == nil {
		f.poisoned = f.file.Sync()
	}
	return f.poisoned
}

func (f *localFile) Rewind(context.Context) error {
	if f.poisoned != nil {
		return f.poisoned
	}
	if err := f.file.Truncate(f.synced); err != nil {
		return err
	}
	f.size = f.synced
	_, err := f.file.Seek(f.synced, 0)
	return err
}

func (f *localFile) Close(ctx context.Context) error {
	if f.durability != Never {
		if err := f.sync(); err != nil {
			f.Abandon()
			return err
		}
	}
	return f.file.Close()
}

func (f *localFile) Abandon() { _ = f.file.Close() } // what was written is not trusted anyway

func (f *localFile) Replicas() int { return -1 }
func (f *localFile) Wanted() int   { return 0 }
