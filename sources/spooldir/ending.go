package spooldir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"goflume/internal/retry"
	"goflume/internal/vfs"
	"goflume/sources"
)

// ending is what becomes of a file that is not read further, once what was read of it is delivered.
type ending struct {
	what  fate
	why   error         // of setAside and later
	after time.Duration // of later
}

// quarantine is the directory below trackerDir for files that are set aside.
const quarantine = "quarantine"

type fate int

const (
	finish   fate = iota // all of it is delivered
	later                // it is read on after a while
	setAside             // it cannot be read to its end
	gone                 // somebody took it away
)

// stop decides what becomes of the current file after err; io.EOF is its end.
func (r *run) stop(f *file, err error) {
	r.end(f, err)
	if r.current != nil {
		return
	}
	f.close()
	r.ended = append(r.ended, f)
}

func (r *run) end(f *file, err error) {
	to := func(what fate, why error, after time.Duration) {
		f.end = ending{what, why, after}
		r.current = nil
	}
	fi, statErr := r.disk.Stat(f.path)
	if errors.Is(statErr, fs.ErrNotExist) {
		to(gone, nil, 0)
		return
	}
	disk := statErr
	if f.stream == nil || f.stream.raw.failed != nil {
		if err != io.EOF {
			disk = cmp.Or(disk, err)
		}
	}
	if disk != nil {
		to(later, disk, r.settings.MaxBackoff)
		return
	}
	now := stateOf(fi)
	switch {
	case now.inode != f.seen.inode:
		to(setAside, errors.New("another file took its place while it was read"), 0)
	case now.size < f.seen.size || now.size < f.at.offset && !r.settings.Decompress:
		to(setAside, fmt.Errorf("it shrank to %d bytes, %d are delivered", now.size, f.at.offset), 0)
	case now != f.seen:
		if !f.grew {
			f.grew = true
			r.log.Warn("File changed while it was read, it is finished when it is quiet; files should be moved here whole", "file", f.path)
		}
		f.again, f.seen = true, now
		to(later, nil, r.settings.PollDelay)
	case (err != io.EOF || f.grew) && !f.again, now.size == 0 && !f.again && time.Since(fi.ModTime()) < r.settings.PollDelay:
		// It may still be written.
		f.again = true
		to(later, nil, r.settings.PollDelay)
	case err != io.EOF:
		to(setAside, err, 0)
	default:
		r.last(f, to)
	}
}

// last reads what is kept back until the end is sure, and finishes the file.
func (r *run) last(f *file, to func(fate, error, time.Duration)) {
	if !f.final {
		f.final = true
		f.events.finish()
		return // reading goes on
	}
	if now := f.seen.size; !f.begun && now == 0 && r.settings.Deserializer != "AVRO" {
		f.begun = true
		r.quota.add(&r.batch, []byte{}, f.headers)
	}
	to(finish, nil, 0)
}

// flush delivers the batch, finishes the files that ended in it and notes how far the current one is delivered. An error
// is ctx's.
func (r *run) flush(ctx context.Context) error {
	if len(r.batch.Events) > 0 {
		if err := sources.DeliverWith(ctx, r.out, &r.batch, r.backoff(), r.health); err != nil {
			return err
		}
		r.batch.Reset()
	}
	for _, f := range r.ended {
		if err := r.settle(ctx, f); err != nil {
			return err
		}
	}
	clear(r.ended)
	r.ended = r.ended[:0]
	r.sync(syncEvery)
	if f := r.current; f != nil && r.noted != f.at {
		if err := r.insist(ctx, func() error { return r.notes.note(f.path, f.seen.inode, f.at) }); err != nil {
			return err
		}
		r.noted = f.at
	}
	return nil
}

// backoff is Flume's: from 250 ms to maxBackoff.
func (r *run) backoff() retry.Backoff {
	return retry.Backoff{Step: min(250*time.Millisecond, r.settings.MaxBackoff), Max: r.settings.MaxBackoff}
}

// insist does what has to be done until it is, or ctx ends.
func (r *run) insist(ctx context.Context, do func() error) error {
	wait := r.backoff()
	for {
		err := do()
		if err == nil {
			if wait.Tries() > 0 {
				r.health(nil)
			}
			return nil
		}
		if wait.Tries() == 0 {
			r.log.Error("Progress cannot be kept, reading waits", "err", err)
		}
		r.health(err)
		if err := retry.Sleep(ctx, wait.Next()); err != nil {
			return err
		}
	}
}

// settle does what the file's ending says. Where the disk refuses, the file waits, and the others go on.
func (r *run) settle(ctx context.Context, f *file) error {
	e := f.end
	var err error
	switch e.what {
	case finish:
		if err = r.complete(f); err == nil {
			r.finished.Add(1)
		}
	case setAside:
		var where string
		if where, err = r.putAside(f, e.why); err == nil {
			r.aside.Add(1)
			r.counters.ReadFail.Add(1)
			r.log.Error("File is set aside: what stands behind the delivered bytes was not sent; mend it and move it back to read it from its start",
				"file", f.path, "now", where, "delivered", f.at.offset, "reason", e.why)
		}
	case gone:
		if f.begun {
			r.log.Warn("File was taken away while it was read", "file", f.path, "delivered", f.at.offset)
		}
	case later:
		if err = e.why; err == nil {
			return r.park(ctx, f, e.after)
		}
	}
	if err != nil {
		r.counters.ReadFail.Add(1)
		if !f.failed {
			f.failed = true
			r.log.Error("File waits and is tried again from time to time", "file", f.path, "err", err)
		}
		return r.park(ctx, f, r.settings.MaxBackoff)
	}
	return r.insist(ctx, func() error { return r.forget(f) })
}

// park has the file wait, with its progress in a file of its own.
func (r *run) park(ctx context.Context, f *file, d time.Duration) error {
	if f.begun {
		name := parkedMeta(r.tracker, f.path)
		err := r.insist(ctx, func() error {
			p := progress{disk: r.disk, name: name}
			defer p.close()
			return p.note(f.path, f.seen.inode, f.at)
		})
		if err != nil {
			return err
		}
		r.parked[f.name] = true
	}
	if err := r.insist(ctx, func() error { return r.notes.forget(f.path) }); err != nil {
		return err
	}
	f.final = false
	r.waits.add(f, d)
	return nil
}

// sync makes safe what became of files, if that was done last so long ago. Until it is, a power failure has them read again.
func (r *run) sync(age time.Duration) {
	now := time.Now()
	if len(r.unsafe) == 0 || now.Sub(r.synced) < age {
		return
	}
	for dir := range r.unsafe {
		if err := r.disk.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.log.Warn("After a power failure now, files may be read again that are finished", "directory", dir, "err", err)
		}
	}
	clear(r.unsafe)
	r.synced = now
}

// moved notes that a name in the directory of that one has changed.
func (r *run) moved(name string) { r.unsafe[filepath.Dir(name)] = true }

// forget removes what was noted of a file, once what became of it is safe.
func (r *run) forget(f *file) error {
	if r.parked[f.name] || r.notes.path == f.path {
		r.sync(0)
	}
	if r.parked[f.name] {
		if err := removed(r.disk.Remove(parkedMeta(r.tracker, f.path))); err != nil {
			return err
		}
		delete(r.parked, f.name)
	}
	return r.notes.forget(f.path)
}

// complete makes the file known as finished.
func (r *run) complete(f *file) error {
	s := &r.settings
	switch {
	case s.DeletePolicy == "immediate":
		r.moved(f.path)
		return removed(r.disk.Remove(f.path))
	case s.TrackingPolicy == "tracker_dir":
		return r.mark(filepath.Join(r.tracker, f.name)+s.FileSuffix, f.seen.String())
	}
	name, err := unused(r.disk, func(n int) string { return f.path + numbered(n) + s.FileSuffix })
	if err != nil {
		return err
	}
	if name != f.path+s.FileSuffix {
		r.log.Warn("A file of this name was finished before", "file", f.path, "now", name)
	}
	r.moved(f.path)
	return r.disk.Rename(f.path, name)
}

func numbered(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(".%d", n)
}

// mark writes the file that tells of another one.
func (r *run) mark(name, text string) error {
	if err := r.disk.MkdirAll(filepath.Dir(name)); err != nil {
		return err
	}
	r.moved(name)
	f, err := vfs.Swap(r.disk, name, []byte(text)) // sync makes the name safe
	if err != nil {
		return err
	}
	return f.Close()
}

// putAside moves a file away that cannot be read; with tracker_dir it stays and is marked.
func (r *run) putAside(f *file, why error) (where string, err error) {
	name := filepath.Join(r.tracker, quarantine, f.name)
	if r.settings.TrackingPolicy == "tracker_dir" {
		return name, r.mark(name, f.seen.String()+why.Error()+"\n")
	}
	if err := r.disk.MkdirAll(filepath.Dir(name)); err != nil {
		return "", err
	}
	if where, err = unused(r.disk, func(n int) string { return name + numbered(n) }); err != nil {
		return "", err
	}
	r.moved(where)
	r.moved(f.path)
	if err = r.disk.Rename(f.path, where); err == nil {
		return where, nil
	}
	// trackerDir may be on another file system: next to where it was, a name with a dot is not read.
	beside := filepath.Join(filepath.Dir(f.path), ".quarantine."+filepath.Base(f.path))
	if where, e := unused(r.disk, func(n int) string { return beside + numbered(n) }); e == nil {
		if e = r.disk.Rename(f.path, where); e == nil {
			return where, nil
		}
	}
	return "", err
}

// marked tells whether a mark of tracker_dir says that the file is finished or set aside as it is now. One that grew since is
// read on where it ended, any other change makes it a new file.
func (s *Source) marked(f *file) (bool, error) {
	for i, name := range []string{filepath.Join(s.tracker, f.name) + s.settings.FileSuffix, filepath.Join(s.tracker, quarantine, f.name)} {
		fi, err := s.disk.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		if fi.ModTime().UnixNano() >= f.seen.mtime {
			return true, nil
		}
		was, ok, err := s.readMark(name)
		switch {
		case err != nil:
			return false, err
		case !ok || was == f.seen:
			return true, nil
		case i == 0 && was.inode == f.seen.inode && was.size == f.seen.size:
			return true, nil // touched
		case i == 0 && was.inode == f.seen.inode && was.size < f.seen.size && !s.settings.Decompress:
			f.at, f.begun = position{offset: was.size}, true
		}
	}
	return false, nil
}
