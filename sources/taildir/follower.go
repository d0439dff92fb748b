package taildir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"goflume/event"
	"goflume/internal/vfs"
	"goflume/sources"
)

const (
	// lookEvery is how often all files are looked at while the kernel tells of changes, lookOften while it does not. Some
	// file systems, such as those of other machines, never tell.
	lookEvery = 5 * time.Second
	lookOften = time.Second
	// soonest is the shortest time between two listings of the directories.
	soonest = 20 * time.Millisecond
	// idleEvery is the longest time between two looks for idle files.
	idleEvery = 5 * time.Second
)

// follower is one run of the source. It is used by one goroutine.
type follower struct {
	*Source
	out    sources.Output
	batch  event.Batch
	groups []*group

	files     []*file // in the order in which they were found
	byID      map[identity]*file
	byPath    map[string]*file
	unread    []*file
	known     *memory
	truncated []truncated // at the start

	first func(line []byte) bool // of the lines of an event; nil: every line is one
	open  map[*file]bool         // files with an event whose end was not read
	endAt time.Time              // when the first of them is sent nevertheless; zero: there is none

	lock    io.Closer // of the positions
	journal *journal  // nil after it failed, until it is started again
	moved   bool      // a position has changed since the position file was written

	watcher *fsnotify.Watcher   // nil: there is none
	watched map[string]identity // directories, and files behind links
	lookAt  time.Time
	writeAt time.Time
	idleAt  time.Time
}

func newFollower(s *Source, out sources.Output) (*follower, error) {
	w := &follower{Source: s, out: out, byID: map[identity]*file{}, byPath: map[string]*file{}, open: map[*file]bool{}, watched: map[string]identity{}}
	ready := false
	var err error
	if w.groups, err = s.settings.groups(); err != nil {
		return nil, err
	}
	if w.first, err = firstLine(s.settings.MultiLineStart); err != nil {
		return nil, err
	}
	if err := s.fs.MkdirAll(filepath.Dir(s.settings.PositionFile)); err != nil {
		return nil, err
	}
	if w.lock, err = s.fs.Lock(s.journalName() + ".lock"); errors.Is(err, vfs.ErrLocked) {
		return nil, fmt.Errorf("another source keeps its positions in %s, and both would forget theirs at a restart: give this one a `positionFile` of its own: %w", s.settings.PositionFile, err)
	} else if err != nil {
		return nil, fmt.Errorf("position file: %w", err)
	}
	w.known = s.recall()
	if w.watcher, err = fsnotify.NewWatcher(); err != nil {
		s.log.Warn("The kernel does not tell of changes, files are looked at every second", "err", err)
		w.watcher = nil
	}
	defer func() {
		if !ready {
			w.close()
		}
	}()
	w.look(true)
	if err := w.startJournal(); err != nil {
		return nil, err
	}
	ready = true
	return w, nil
}

// close releases everything. The positions were written by run.
func (w *follower) close() {
	for _, f := range w.files {
		f.close()
	}
	w.dropJournal()
	if w.watcher != nil {
		w.watcher.Close()
	}
	w.lock.Close()
}

func (w *follower) run(ctx context.Context) error {
	now := time.Now()
	w.writeAt = now.Add(w.settings.WritePosInterval)
	w.idleAt = now.Add(w.idleStep())
	w.health(nil)
	for ctx.Err() == nil {
		w.hear()
		w.chores(ctx, time.Now())
		if len(w.unread) == 0 {
			w.wait(ctx)
			continue
		}
		w.turns(ctx)
	}
	w.moved = true
	return w.writePositions()
}

// turns gives every file with something to read one turn.
func (w *follower) turns(ctx context.Context) {
	now := w.unread
	w.unread = nil
	for _, f := range now {
		if ctx.Err() != nil {
			return
		}
		if err := f.turn(ctx, w); err != nil && ctx.Err() == nil {
			w.failed(f, err)
			continue
		}
		if f.unread {
			w.unread = append(w.unread, f)
		}
	}
}

// failed leaves a file that cannot be read alone until it is looked at the next time.
func (w *follower) failed(f *file, err error) {
	f.unread = false
	f.close()
	if errors.Is(err, fs.ErrNotExist) {
		if f.listed {
			w.counters.ReadFail.Add(1)
			w.log.Warn("A file was removed before it was read to its end", "file", f.path, "position", f.pos)
		}
		w.forget(f)
		return
	}
	w.counters.ReadFail.Add(1)
	if f.told {
		return
	}
	f.told = true
	w.log.Warn("Reading a file failed and will be tried again", "file", f.path, "position", f.pos, "err", err)
}

// mark says that there may be something to read.
func (w *follower) mark(f *file) {
	if !f.unread {
		f.unread = true
		w.unread = append(w.unread, f)
	}
}

// chores does what is due.
func (w *follower) chores(ctx context.Context, now time.Time) {
	if !now.Before(w.lookAt) {
		w.look(false)
	}
	if !now.Before(w.idleAt) {
		w.closeIdle(ctx, now)
		w.idleAt = now.Add(w.idleStep())
	}
	w.endEvents(ctx, now)
	w.writeDue(now)
}

// writeDue writes the position file when it is time.
func (w *follower) writeDue(now time.Time) {
	if now.Before(w.writeAt) {
		return
	}
	if err := w.writePositions(); err != nil {
		w.log.Warn("Writing the position file failed and will be tried again", "err", err)
	}
	w.writeAt = now.Add(w.settings.WritePosInterval)
}

func (w *follower) idleStep() time.Duration {
	return max(min(idleEvery, w.settings.IdleTimeout), time.Millisecond)
}

// wait waits for a change or for what is due next.
func (w *follower) wait(ctx context.Context) {
	next := w.lookAt
	for _, at := range []time.Time{w.idleAt, w.writeAt, w.endAt} {
		if at.Before(next) && !at.IsZero() {
			next = at
		}
	}
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	var changes chan fsnotify.Event
	var failures chan error
	if w.watcher != nil {
		changes, failures = w.watcher.Events, w.watcher.Errors
	}
	select {
	case <-ctx.Done():
	case <-timer.C:
	case e := <-changes:
		w.noticed(e)
	case <-failures: // too many changes at once
		w.lookSoon()
	}
}

// hear takes the changes that were told so far.
func (w *follower) hear() {
	for w.watcher != nil {
		select {
		case e := <-w.watcher.Events:
			w.noticed(e)
		case <-w.watcher.Errors:
			w.lookSoon()
		default:
			return
		}
	}
}

func (w *follower) noticed(e fsnotify.Event) {
	f := w.byPath[e.Name]
	switch {
	case e.Has(fsnotify.Rename | fsnotify.Remove):
		if _, ok := w.watched[e.Name]; ok {
			delete(w.watched, e.Name)
			w.lookSoon()
		}
		fallthrough
	case e.Has(fsnotify.Create):
		if f != nil || w.wants(e.Name) {
			w.lookSoon()
		}
	case f != nil && e.Has(fsnotify.Write):
		w.mark(f)
	}
}

// wants tells whether a file of that path is followed.
func (w *follower) wants(path string) bool {
	dir, name := filepath.Split(path)
	return slices.ContainsFunc(w.groups, func(g *group) bool {
		ok, err := g.pattern.FullMatch([]byte(name))
		return ok && err == nil && filepath.Clean(dir) == g.dir
	})
}

func (w *follower) lookSoon() {
	if soon := time.Now().Add(soonest); soon.Before(w.lookAt) {
		w.lookAt = soon
	}
}

// closeIdle closes files that have not grown for long; what stands at their end without newline is sent as it is.
func (w *follower) closeIdle(ctx context.Context, now time.Time) {
	for _, f := range append([]*file(nil), w.files...) {
		if f.unread || now.Sub(f.grown) < w.settings.IdleTimeout {
			continue
		}
		if f.lines != nil && f.send(ctx, w, true) != nil {
			return
		}
		f.close()
		if !f.listed {
			w.forget(f)
		}
	}
}
