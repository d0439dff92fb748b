package spooldir

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"path/filepath"
	"time"

	"goflume/internal/vfs"
)

const (
	mainMeta = ".flumespool-main.meta" // Flume's name

	// metaLimit is the size in bytes at which a progress file is written anew.
	metaLimit = 1 << 20
	// syncEvery bounds what a power failure repeats: what was delivered, or finished, in that time before it. A crash of the
	// program repeats one batch at most.
	syncEvery = time.Second
)

// progress is a progress file that is written to.
type progress struct {
	disk disk
	name string

	file      vfs.File // nil when the next note starts a new file
	container container
	path      string // of the file that it is about
	size      int64
	named     bool // its name is safe
	buf       []byte
	synced    time.Time
}

// note writes down how far the file of that path was delivered. After an error it can be called again.
func (p *progress) note(path string, inode uint64, at position) error {
	err := p.append(path, inode, at)
	if err != nil {
		p.close()
		return fmt.Errorf("write progress %s: %w", p.name, err)
	}
	return nil
}

func (p *progress) append(path string, inode uint64, at position) error {
	if p.file == nil || p.path != path || p.size > metaLimit {
		if err := p.renew(path, inode, at); err != nil {
			return err
		}
	} else {
		p.buf = p.container.appendPosition(p.buf[:0], at)
		if _, err := p.file.WriteAt(p.buf, p.size); err != nil {
			return err
		}
		p.size += int64(len(p.buf))
	}
	now := time.Now()
	if now.Sub(p.synced) < syncEvery {
		return nil
	}
	if err := p.file.Datasync(); err != nil {
		return err
	}
	if !p.named {
		if err := p.disk.SyncDir(filepath.Dir(p.name)); err != nil {
			return err
		}
	}
	p.named, p.synced = true, now
	return nil
}

// renew puts a new file in the old one's place. One about the same file must not be lost with it.
func (p *progress) renew(path string, inode uint64, at position) error {
	again := p.path == path
	p.close()
	next := p.name + ".next"
	if err := p.disk.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := p.disk.Create(next)
	if err != nil {
		return err
	}
	p.container = newContainer()
	p.buf = p.container.appendPosition(p.container.appendHeader(p.buf[:0], path, inode), at)
	if _, err = f.WriteAt(p.buf, 0); err == nil && again {
		err = f.Datasync()
	}
	if err == nil {
		err = p.disk.Rename(next, p.name)
	}
	if err != nil {
		f.Close()
		return err
	}
	p.file, p.path, p.size, p.named = f, path, int64(len(p.buf)), false
	return nil
}

func (p *progress) close() {
	if p.file != nil {
		p.file.Close()
		p.file = nil
	}
}

// forget removes the file if it is about that path.
func (p *progress) forget(path string) error {
	if p.path != path {
		return nil
	}
	p.close()
	p.path = ""
	return removed(p.disk.Remove(p.name))
}

func removed(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// parkedMeta is the progress file of a file that waits for its rest while others are read.
func parkedMeta(dir, path string) string {
	h := fnv.New64a()
	h.Write([]byte(path))
	return filepath.Join(dir, fmt.Sprintf(".flumespool-%016x.meta", h.Sum64()))
}
