package spooldir

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watch has the system tell of new files. Where it cannot, polling is left.
type watch struct {
	wants   func(name string) bool // whether something of that name is news
	log     *slog.Logger
	watcher *fsnotify.Watcher // nil when there is none
	dirs    map[string]bool
	woken   bool
}

func newWatch(wants func(name string) bool, log *slog.Logger) *watch {
	w := &watch{wants: wants, log: log, dirs: map[string]bool{}}
	var err error
	if w.watcher, err = fsnotify.NewBufferedWatcher(64); err != nil {
		w.giveUp(err)
	}
	return w
}

func (w *watch) giveUp(err error) {
	w.log.Warn("The system does not tell of new files, the directory is polled", "err", err)
	w.close()
}

func (w *watch) close() {
	if w.watcher != nil {
		w.watcher.Close()
		w.watcher = nil
	}
}

// add has a directory watched.
func (w *watch) add(dir string) {
	if w.watcher == nil || w.dirs[dir] {
		return
	}
	w.dirs[dir] = true
	if err := w.watcher.Add(dir); err != nil {
		w.giveUp(err)
	}
}

// channels returns what to wait for; nil channels when nothing is watched.
func (w *watch) channels() (events chan fsnotify.Event, errs chan error) {
	if w.watcher == nil {
		return nil, nil
	}
	return w.watcher.Events, w.watcher.Errors
}

// wait waits until something new is told, d has passed or ctx ends.
func (w *watch) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	events, errs := w.channels()
	for !w.woken {
		select {
		case e := <-events:
			w.told(e)
		case err := <-errs:
			w.failed(err)
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// news tells whether something new was told since the last call.
func (w *watch) news() bool {
	events, errs := w.channels()
	for {
		select {
		case e := <-events:
			w.told(e)
			continue
		case err := <-errs:
			w.failed(err)
			continue
		default:
		}
		woken := w.woken
		w.woken = false
		return woken
	}
}

func (w *watch) told(e fsnotify.Event) {
	switch {
	case e.Has(fsnotify.Remove|fsnotify.Rename) && w.dirs[e.Name]:
		delete(w.dirs, e.Name)
	case e.Has(fsnotify.Create) && w.wants(filepath.Base(e.Name)):
		w.woken = true
	}
}

func (w *watch) failed(err error) {
	w.woken = true
	if !errors.Is(err, fsnotify.ErrEventOverflow) {
		w.log.Debug("Watching the directory", "err", err)
	}
}
