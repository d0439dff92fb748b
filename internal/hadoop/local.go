package hadoop

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"goflume/internal/vfs"
)

// Durability says when files of the local file system are forced to the disk.
type Durability uint8

// From weak to strong.
const (
	Never     Durability = iota // left to the operating system
	WhenDone                    // when a file is closed
	EverySync                   // at every Sync
)

// Local returns the file system behind file://, which is disk: in the program vfs.OS with Public.
func Local(disk vfs.FS, d Durability) FS { return local{disk, d} }

type local struct {
	disk       vfs.FS
	durability Durability
}

func (local) String() string              { return "file://" }
func (local) Check(context.Context) error { return nil }
func (local) Close() error                { return nil }

func (l local) Create(_ context.Context, name string) (File, error) {
	made, err := l.makeDirs(filepath.Dir(name))
	if err != nil {
		return nil, nameError(err)
	}
	f, err := l.disk.Create(name)
	if err != nil {
		return nil, nameError(err)
	}
	if l.durability == EverySync {
		// The file's own name, and those of the directories made for it, are part of what Sync promises.
		for _, dir := range append(made, filepath.Dir(name)) {
			if err := l.disk.SyncDir(dir); err != nil {
				return nil, errors.Join(err, f.Close(), l.disk.Remove(name))
			}
		}
	}
	hold(f)
	return &localFile{file: f, durability: l.durability}, nil
}

// hold has others see that the file is being written, where the disk has locks: see Claim.
func hold(f vfs.File) {
	if h, ok := f.(vfs.Holder); ok {
		_ = h.Hold()
	}
}

func (l local) Append(_ context.Context, name string) (File, error) {
	f, err := l.disk.Open(name)
	if err != nil {
		return nil, err
	}
	end, err := f.Size()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	hold(f)
	return &localFile{file: f, durability: l.durability, size: end, synced: end}, nil
}

// makeDirs makes dir and returns the directories in which something new stands.
func (l local) makeDirs(dir string) (parents []string, err error) {
	for d := dir; !l.isDir(d) && d != filepath.Dir(d); d = filepath.Dir(d) {
		parents = append(parents, filepath.Dir(d))
	}
	if len(parents) == 0 {
		return nil, nil
	}
	return parents, l.disk.MkdirAll(dir)
}

func (l local) isDir(name string) bool {
	f, err := l.disk.OpenRead(name)
	if err == nil {
		_ = f.Close()
	}
	return err == nil
}

func nameError(err error) error {
	if errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("%w: %w", ErrName, err)
	}
	return err
}

func (l local) Rename(_ context.Context, from, to string) error {
	if f, err := l.disk.OpenRead(to); err == nil {
		return errors.Join(fmt.Errorf("rename %s to %s: %w", from, to, fs.ErrExist), f.Close())
	}
	err := errors.ErrUnsupported
	if m, ok := l.disk.(vfs.Mover); ok {
		err = m.Move(from, to) // another process may make the file now
	}
	if errors.Is(err, errors.ErrUnsupported) {
		err = l.disk.Rename(from, to)
	}
	if err != nil {
		return nameError(err)
	}
	if l.durability == Never {
		return nil
	}
	return l.disk.SyncDir(filepath.Dir(to))
}

func (l local) Remove(_ context.Context, name string) error { return l.disk.Remove(name) }

func (l local) Size(_ context.Context, name string) (int64, error) {
	f, err := l.disk.OpenRead(name)
	if err != nil {
		return 0, err
	}
	size, err := f.Size()
	return size, errors.Join(err, f.Close())
}

func (l local) List(_ context.Context, dir string) ([]Entry, error) {
	names, err := l.disk.List(dir)
	var all []Entry
	for _, name := range names {
		_, err := l.disk.List(filepath.Join(dir, name))
		all = append(all, Entry{name, err == nil})
	}
	return all, err
}

// Claim takes the lock that a living writer has on its file, if the disk has locks.
func (l local) Claim(ctx context.Context, name string) (bool, error) {
	f, err := l.disk.Open(name)
	if err != nil {
		return false, err
	}
	if h, ok := f.(vfs.Holder); ok {
		if err := h.Hold(); err != nil {
			if err := f.Close(); err != nil {
				return false, err
			}
			if errors.Is(err, vfs.ErrLocked) {
				err = nil
			}
			return false, err
		}
	}
	if err := f.Close(); err != nil {
		return false, err
	}
	return l.Settle(ctx, name, 0)
}

func (l local) Mark(_ context.Context, name, owner string) error {
	if n, ok := l.disk.(vfs.Notes); ok {
		return n.SetNote(name, ownerNote, owner)
	}
	return errors.ErrUnsupported
}

func (l local) Owner(_ context.Context, name string) (string, error) {
	if n, ok := l.disk.(vfs.Notes); ok {
		return n.Note(name, ownerNote)
	}
	return "", errors.ErrUnsupported
}

func (l local) Truncate(_ context.Context, name string, size int64) error {
	f, err := l.disk.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

// Settle forces the file to the disk; there are no leases here.
func (l local) Settle(_ context.Context, name string, _ int64) (bool, error) {
	f, err := l.disk.Open(name)
	if err != nil {
		return false, err
	}
	if l.durability != Never {
		err = f.Datasync()
	}
	err = errors.Join(err, f.Close())
	return err == nil, err
}

type localFile struct {
	file       vfs.File
	durability Durability
	size       int64 // written
	synced     int64
	poisoned   error // a sync failed: what the disk holds of the file is not known any more
	closed     bool
}

func (f *localFile) Write(_ context.Context, p []byte) error {
	if _, err := f.file.WriteAt(p, f.size); err != nil {
		return err
	}
	f.size += int64(len(p))
	return nil
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
		f.poisoned = f.file.Datasync()
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
	return nil
}

func (f *localFile) Close(context.Context) error {
	if f.closed {
		return nil
	}
	if f.durability != Never {
		if err := f.sync(); err != nil {
			f.Abandon()
			return err
		}
	}
	f.closed = true
	return f.file.Close()
}

func (f *localFile) Abandon() {
	if !f.closed {
		f.closed = true
		_ = f.file.Close() // what was written is not trusted anyway
	}
}

func (f *localFile) Replicas() int { return -1 }
func (f *localFile) Wanted() int   { return 0 }
