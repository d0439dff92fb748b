package spooldir

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// window is the most files of one look into the directory that are remembered.
	window = 10_000
	// settled is how long before a look a directory must have changed last for its time to tell of later changes: some file
	// systems count in steps of 2 s.
	settled = 3 * time.Second
)

// candidate is a file to be read.
type candidate struct {
	name  string // below spoolDir
	mtime int64  // nanoseconds since 1970
}

// scanner looks for files.
type scanner struct {
	s     *Source
	waits *waits

	queue []candidate // in the order of reading
	at    int         // of the next one
	more  bool        // there were more than the queue holds
	began time.Time   // of the last look
	took  time.Duration
	dirs  map[string]time.Time // directories seen, with their times; zero for one that changed just before
	odd   map[string]bool      // names that were told of
}

// tell warns of a name, once.
func (c *scanner) tell(name, what string, args ...any) {
	if !c.odd[name] {
		c.odd[name] = true
		c.s.log.Warn(what, args...)
	}
}

// stale tells whether a directory changed since the last look.
func (c *scanner) stale() bool {
	if c.dirs == nil || c.more {
		return true
	}
	for dir, mtime := range c.dirs {
		fi, err := c.s.disk.Stat(dir)
		if err != nil || mtime.IsZero() || !fi.ModTime().Equal(mtime) {
			return true
		}
	}
	return false
}

// look fills the queue. seen is called for every directory.
func (c *scanner) look(seen func(dir string)) error {
	c.began = time.Now()
	c.queue, c.at, c.more = c.queue[:0], 0, false
	c.dirs = map[string]time.Time{}
	if err := c.dir("", seen); err != nil {
		return err
	}
	c.trim(window)
	c.took = time.Since(c.began)
	return nil
}

func (c *scanner) dir(name string, seen func(string)) error {
	s := c.s
	dir := filepath.Join(s.dir, name)
	seen(dir)
	fi, err := s.disk.Stat(dir)
	if err != nil {
		return err
	}
	c.dirs[dir] = fi.ModTime()
	if c.began.Sub(fi.ModTime()) < settled {
		c.dirs[dir] = time.Time{}
	}
	var below []string
	err = s.disk.ReadDir(dir, func(e fs.DirEntry) error {
		if c.more && s.settings.ConsumeOrder == "random" {
			return errEnough
		}
		if e.IsDir() {
			if s.settings.Recursive && !s.skipsDir(filepath.Join(dir, e.Name()), e.Name()) {
				below = append(below, filepath.Join(name, e.Name()))
			}
			return nil
		}
		if path := filepath.Join(name, e.Name()); s.takes(e.Name()) && !c.waits.has(path) {
			c.add(path, e)
		}
		return nil
	})
	if err != nil && err != errEnough {
		return err
	}
	for _, name := range below {
		if err := c.dir(name, seen); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			c.tell(name, "Directory cannot be read, its files wait", "dir", filepath.Join(s.dir, name), "err", err)
		}
	}
	return nil
}

var errEnough = errors.New("enough")

// add takes a file that is not finished yet. One that is gone again is none.
func (c *scanner) add(name string, e fs.DirEntry) {
	path := filepath.Join(c.s.dir, name)
	fi, err := e.Info()
	if err == nil && fi.Mode()&fs.ModeSymlink != 0 {
		fi, err = c.s.disk.Stat(path)
	}
	if err != nil || fi.IsDir() {
		return
	}
	if !fi.Mode().IsRegular() {
		c.tell(name, "Not a regular file, it is not read", "file", path, "mode", fi.Mode().String())
		return
	}
	if c.s.settings.TrackingPolicy == "tracker_dir" {
		if done, err := c.s.marked(&file{name: name, seen: stateOf(fi)}); done && err == nil {
			return
		}
	}
	c.queue = append(c.queue, candidate{name, fi.ModTime().UnixNano()})
	if len(c.queue) >= 2*window {
		c.trim(window)
	}
}

// trim sorts the queue and keeps the first n.
func (c *scanner) trim(n int) {
	switch c.s.settings.ConsumeOrder {
	case "oldest":
		slices.SortFunc(c.queue, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(a.mtime, b.mtime), strings.Compare(a.name, b.name))
		})
	case "youngest":
		slices.SortFunc(c.queue, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(b.mtime, a.mtime), strings.Compare(a.name, b.name))
		})
	}
	if len(c.queue) > n {
		clear(c.queue[n:])
		c.queue, c.more = c.queue[:n], true
	}
}

// left tells whether there are files in the queue.
func (c *scanner) left() bool { return c.at < len(c.queue) }

// next returns the next file of the queue.
func (c *scanner) next() (name string, ok bool) {
	if !c.left() {
		return "", false
	}
	c.at++
	return c.queue[c.at-1].name, true
}

// takes tells whether files of that name are read.
func (s *Source) takes(name string) bool {
	if strings.HasPrefix(name, ".") || s.settings.FileSuffix != "" && strings.HasSuffix(name, s.settings.FileSuffix) {
		return false
	}
	in, err := s.include.FullMatch([]byte(name))
	out, err2 := s.ignore.FullMatch([]byte(name))
	if err := cmp.Or(err, err2); err != nil {
		s.log.Warn("File is not read", "file", name, "err", err)
		return false
	}
	return in && !out
}

// skipsDir tells whether a directory is not looked into.
func (s *Source) skipsDir(path, name string) bool {
	if strings.HasPrefix(name, ".") || path == s.tracker || path == filepath.Join(s.tracker, quarantine) {
		return true
	}
	out, err := s.ignore.FullMatch([]byte(name))
	return out || err != nil
}
