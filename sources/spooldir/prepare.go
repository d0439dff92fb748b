package spooldir

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"path/filepath"
	"strings"

	"goflume/internal/vfs"
)

// prepare checks the directories and finds out what was under way.
func (r *run) prepare() error {
	fi, err := r.disk.Stat(r.dir)
	if err != nil {
		return fmt.Errorf("spool directory: %w", err)
	}
	if !fi.IsDir() {
		return fmt.Errorf("spool directory %s: it is a file", r.dir)
	}
	if err := r.disk.MkdirAll(r.tracker); err != nil {
		return fmt.Errorf("tracker directory: %w", err)
	}
	if err := r.own(); err != nil {
		return err
	}
	if r.settings.TrackingPolicy == "rename" {
		if err := r.probe(); err != nil {
			return fmt.Errorf("spool directory: finished files cannot be renamed or deleted: %w", err)
		}
	}
	if err := r.load(); err != nil {
		return fmt.Errorf("tracker directory: %w", err)
	}
	r.watch = newWatch(func(name string) bool {
		return r.takes(name) || r.settings.Recursive && !r.skipsDir("", name)
	}, r.log)
	return nil
}

// own takes the progress file of Flume's name, or another one if that belongs to a source that reads other files of the
// directory. A source that reads the same ones is an error.
func (r *run) own() error {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %q", r.settings.IncludePattern, r.settings.IgnorePattern)
	mine := fmt.Sprintf(".flumespool-source-%016x", h.Sum64())
	l, err := r.disk.Lock(filepath.Join(r.tracker, mine+".lock"))
	if errors.Is(err, vfs.ErrLocked) {
		return fmt.Errorf("another source reads %s: stop it, or give this one a `trackerDir` of its own: %w", r.dir, err)
	}
	if err != nil {
		return fmt.Errorf("tracker directory: %w", err)
	}
	r.locks = append(r.locks, l)
	name := mainMeta
	l, err = r.disk.Lock(filepath.Join(r.tracker, ".flumespool-main.lock"))
	switch {
	case err == nil:
		r.locks = append(r.locks, l)
	case errors.Is(err, vfs.ErrLocked):
		name = mine + ".meta"
	default:
		return fmt.Errorf("tracker directory: %w", err)
	}
	r.notes = progress{disk: r.disk, name: filepath.Join(r.tracker, name)}
	return nil
}

// probe makes a file and removes it, as Flume does: what cannot be renamed would be read again and again.
func (r *run) probe() error {
	name := filepath.Join(r.dir, ".flume-spooldir-perm-check.canary")
	f, err := r.disk.Create(name)
	if err == nil {
		f.Close()
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	return removed(r.disk.Remove(name))
}

// load has the files wait that were under way, for no time.
func (r *run) load() error {
	names, err := r.disk.List(r.tracker)
	if err != nil {
		return err
	}
	files := map[string]*file{}
	for _, name := range names {
		if !strings.HasPrefix(name, ".flumespool-") || !strings.HasSuffix(name, ".meta") {
			continue
		}
		full := filepath.Join(r.tracker, name)
		m, err := r.readMeta(full)
		if err != nil {
			return err
		}
		name, ok := r.below(m.path)
		if !ok {
			continue
		}
		switch full {
		case parkedMeta(r.tracker, m.path):
			r.parked[name] = true
		case r.notes.name:
			r.notes.path = m.path
		}
		if !m.found {
			continue
		}
		f := files[name]
		if f == nil {
			f = r.file(name)
			f.path = m.path
			files[name] = f
		}
		if !f.begun || f.at.before(m.at) {
			f.begun, f.at, f.seen.inode = true, m.at, m.inode
		}
	}
	for _, f := range files {
		found, err := exists(r.disk, f.path)
		switch {
		case err == nil && found:
			r.waits.add(f, 0)
		case err == nil:
			r.log.Info("File is gone that was under way", "file", f.path, "delivered", f.at.offset)
			err = r.forget(f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readMeta reads a progress file; one that is none is moved aside.
func (r *run) readMeta(name string) (meta, error) {
	const limit = 64 << 20
	data, err := vfs.ReadFile(r.disk, name, limit)
	if err != nil {
		return meta{}, err
	}
	m, err := parseMeta(data)
	switch {
	case err == nil:
	case m.found:
		r.log.Warn("Progress file is cut off, what it says before that counts", "file", name, "err", err)
	default:
		r.log.Error("Progress file cannot be read, its file is read from the start again", "file", name, "now", name+".corrupt", "err", err)
		return meta{}, r.disk.Rename(name, name+".corrupt")
	}
	return m, nil
}

// below returns the name below spoolDir of a file that a progress file names, if it is one of this source's.
func (r *run) below(path string) (name string, ok bool) {
	name, ok = strings.CutPrefix(path, r.dir+"/")
	if !ok {
		var err error
		if name, err = filepath.Rel(r.dir, path); err != nil {
			return "", false
		}
	}
	if !filepath.IsLocal(name) || !r.takes(filepath.Base(name)) || !r.settings.Recursive && strings.Contains(name, "/") {
		return "", false
	}
	return name, true
}

// readMark reads the mark of a finished file; ok is false for one without content, as Flume makes it.
func (s *Source) readMark(name string) (was state, ok bool, err error) {
	const limit = 64 << 10
	text, err := vfs.ReadFile(s.disk, name, limit)
	if err != nil {
		return was, false, err
	}
	was, ok = parseState(text)
	return was, ok, nil
}
