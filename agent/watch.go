package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// How long a file must be quiet before it is read, and how long at most a busy one is waited for.
const (
	watchQuiet = 100 * time.Millisecond
	watchBusy  = 2 * time.Second
)

// Watcher tells when configuration files have other contents than before. It is told by the kernel about their folders,
// and looks by itself every Poll, for file systems that tell nothing (NFS). What counts are the contents, so touching a
// file is no change, and the exchange of a symbolic link, as Kubernetes does it, is one. A file that is gone, cannot be
// read, or is still being written is no change either: half of a replacement.
type Watcher struct {
	Files []string // files, or folders of *.conf and *.properties
	Poll  time.Duration
	Log   *slog.Logger
}

// Run calls changed after each change until ctx ends. seen is the Fingerprint of what is loaded already.
func (w *Watcher) Run(ctx context.Context, seen string, changed func()) {
	var events chan fsnotify.Event
	var errs chan error
	kernel, err := fsnotify.NewWatcher()
	if err == nil {
		defer kernel.Close()
		events, errs = kernel.Events, kernel.Errors
	} else {
		w.Log.Warn("Configuration files are only polled for changes", "every", w.Poll, "err", err)
	}
	poll := time.NewTicker(w.Poll)
	defer poll.Stop()
	quiet := time.NewTimer(0) // a change may have come before the watch: look at once
	defer quiet.Stop()
	var busy time.Time // of the first event that was not looked at yet
	var fresh string   // other contents, seen once: they count when they are still the same a moment later
	w.follow(kernel)
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			if !w.concerns(e.Name) {
				continue
			}
			if busy.IsZero() {
				busy = time.Now()
			}
			quiet.Reset(max(0, min(watchQuiet, watchBusy-time.Since(busy))))
			continue
		case err, ok := <-errs:
			if !ok {
				errs = nil
			} else {
				w.Log.Debug("Watching configuration files", "err", err)
			}
			continue
		case <-poll.C:
		case <-quiet.C:
		}
		busy = time.Time{}
		w.follow(kernel)
		now, err := Fingerprint(w.Files)
		switch {
		case err != nil || now == seen:
			fresh = ""
		case now != fresh:
			fresh = now
			quiet.Reset(watchQuiet)
		default:
			seen, fresh = now, ""
			changed()
		}
	}
}

// follow watches the folder of every file, and of what a symbolic link leads to now.
func (w *Watcher) follow(kernel *fsnotify.Watcher) {
	if kernel == nil {
		return
	}
	want := map[string]bool{}
	for _, f := range w.Files {
		for _, p := range []string{f, resolved(f)} {
			if info, err := os.Stat(p); err == nil && info.IsDir() {
				want[filepath.Clean(p)] = true
			} else {
				want[filepath.Dir(p)] = true
			}
		}
	}
	have := kernel.WatchList()
	for _, dir := range have {
		if !want[dir] {
			kernel.Remove(dir) // an error says that it is gone already
		}
	}
	for dir := range want {
		if !slices.Contains(have, dir) {
			if err := kernel.Add(dir); err != nil {
				w.Log.Debug("Folder is only polled for changes", "folder", dir, "err", err)
			}
		}
	}
}

// concerns tells whether an event at that path may have changed a file: the file itself, what it links to, a link beside
// it with two dots in front (Kubernetes), a part of a folder.
func (w *Watcher) concerns(path string) bool {
	base := filepath.Base(path)
	if strings.HasPrefix(base, "..") {
		return true
	}
	for _, f := range w.Files {
		if base == filepath.Base(f) || base == filepath.Base(resolved(f)) || isConf(base) && filepath.Dir(path) == filepath.Clean(f) {
			return true
		}
	}
	return false
}

func resolved(path string) string {
	if p, err := filepath.EvalSymlinks(path); err == nil {
		return p
	}
	return path
}

func isConf(name string) bool {
	return strings.HasSuffix(name, ".conf") || strings.HasSuffix(name, ".properties")
}

// Fingerprint sums up names and contents of the files, and of the *.conf and *.properties in those that are folders.
func Fingerprint(files []string) (string, error) {
	sum := sha256.New()
	add := func(name string) error {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%q %d\n", name, len(text))
		sum.Write(text)
		return nil
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return "", err
		}
		if !info.IsDir() {
			if err := add(f); err != nil {
				return "", err
			}
			continue
		}
		entries, err := os.ReadDir(f) // by name
		if err != nil {
			return "", err
		}
		for _, e := range entries {
			if isConf(e.Name()) {
				if err := add(filepath.Join(f, e.Name())); err != nil {
					return "", err
				}
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
