package spooldir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"goflume/internal/vfs"
)

// disk is the file system as this source needs it: what vfs promises, and what files look like from outside.
type disk interface {
	vfs.FS
	// Stat follows links.
	Stat(name string) (fs.FileInfo, error)
	// ReadDir calls each for every entry of the directory, in no order, until it returns an error.
	ReadDir(dir string, each func(fs.DirEntry) error) error
}

// realDisk is the disk of the operating system.
type realDisk struct{ vfs.OS }

// Stat implements disk.
func (realDisk) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// ReadDir implements disk. It holds a part of a large directory at a time.
func (realDisk) ReadDir(dir string, each func(fs.DirEntry) error) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(1024)
		for _, e := range entries {
			if err := each(e); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// state tells one state of a file from another.
type state struct {
	size  int64
	mtime int64 // nanoseconds since 1970
	inode uint64
}

func stateOf(fi fs.FileInfo) state {
	return state{fi.Size(), fi.ModTime().UnixNano(), inode(fi)}
}

// String is what stands in the mark of a finished file.
func (s state) String() string { return fmt.Sprintf("goflume %d %d %d\n", s.inode, s.size, s.mtime) }

// parseState reads what String made, as the first line of text; ok is false for anything else, such as Flume's empty file.
func parseState(text []byte) (s state, ok bool) {
	line, _, _ := strings.Cut(string(text), "\n")
	part := strings.Fields(line)
	if len(part) != 4 || part[0] != "goflume" {
		return s, false
	}
	var errs [3]error
	s.inode, errs[0] = strconv.ParseUint(part[1], 10, 64)
	s.size, errs[1] = strconv.ParseInt(part[2], 10, 64)
	s.mtime, errs[2] = strconv.ParseInt(part[3], 10, 64)
	return s, errors.Join(errs[:]...) == nil && s.size >= 0
}

// exists tells whether there is something of that name.
func exists(d disk, name string) (bool, error) {
	_, err := d.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// unused returns a name that nothing has: name(0), or of name(1), name(2) ... one that is found in few steps also where
// thousands are taken.
func unused(d disk, name func(n int) string) (string, error) {
	low, high := -1, 0 // low is taken
	for {
		taken, err := exists(d, name(high))
		if err != nil {
			return "", err
		}
		if !taken {
			break
		}
		low, high = high, max(1, 2*high)
	}
	for high-low > 1 {
		middle := (low + high) / 2
		taken, err := exists(d, name(middle))
		if err != nil {
			return "", err
		}
		if taken {
			low = middle
		} else {
			high = middle
		}
	}
	return name(high), nil
}
