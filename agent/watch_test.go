package agent

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// overwrite changes a file to a text as long as the one it holds: nobody sees half of it.
func overwrite(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// replace puts a file with the text in the place of the one there.
func replace(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".new", text)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// watch runs a watcher over the files and returns the channel that gets a value after each change.
func watch(t *testing.T, poll time.Duration, files ...string) <-chan struct{} {
	t.Helper()
	seen, err := Fingerprint(files)
	if err != nil {
		t.Fatal(err)
	}
	changes := make(chan struct{}, 16) // more than any test makes
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	w := &Watcher{Files: files, Poll: poll, Log: slog.New(slog.DiscardHandler)}
	go func() {
		defer close(done)
		w.Run(ctx, seen, func() { changes <- struct{}{} })
	}()
	t.Cleanup(func() { cancel(); <-done })
	return changes
}

func wantChange(t *testing.T, changes <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-changes:
	case <-time.After(time.Minute):
		t.Fatalf("%s: no change seen", what)
	}
}

func wantNoChange(t *testing.T, changes <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-changes:
		t.Errorf("%s: a change, want none", what)
	case <-time.After(3 * watchQuiet):
	}
}

func TestWatcherSeesContentsNotTouches(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "flume.conf")
	write(t, file, "a = 1\n")
	changes := watch(t, time.Hour, file)

	overwrite(t, file, "a = 2\n")
	wantChange(t, changes, "file written in place")
	overwrite(t, file, "a = 2\n")
	write(t, filepath.Join(dir, "other.conf"), "b = 1\n")
	wantNoChange(t, changes, "same contents, and another file")

	for _, text := range []string{"a = 3\n", "a = 4\n"} { // twice: the watch outlives the file it began with
		replace(t, file, text)
		wantChange(t, changes, "file replaced by "+text)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	wantNoChange(t, changes, "file gone")
	replace(t, file, "a = 4\n")
	wantNoChange(t, changes, "the same file back")
}

func TestWatcherSeesASwappedSymlink(t *testing.T) {
	dir := t.TempDir() // as Kubernetes mounts a ConfigMap: flume.conf -> ..data/flume.conf, ..data -> ..version
	for _, v := range []string{"..1", "..2"} {
		if err := os.Mkdir(filepath.Join(dir, v), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, v, "flume.conf"), "version = "+v+"\n")
	}
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("..1", "..data")
	link("..data/flume.conf", "flume.conf")
	changes := watch(t, time.Hour, filepath.Join(dir, "flume.conf"))
	link("..2", "..tmp")
	if err := os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	wantChange(t, changes, "..data swapped")
}

func TestWatcherPollsAndFollowsFolders(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.conf"), "a = 1\n")
	polled := watch(t, 20*time.Millisecond, dir)
	aside := filepath.Join(t.TempDir(), "b")
	write(t, aside, "b = 1\n")
	if err := os.Rename(aside, filepath.Join(dir, "b.properties")); err != nil { // at once: no poll sees half of it
		t.Fatal(err)
	}
	wantChange(t, polled, "a second file in the folder")
	write(t, filepath.Join(dir, "notes.txt"), "no configuration\n")
	wantNoChange(t, polled, "a file that is none of the configuration")
}

func TestWatcherSeesAChangeBeforeItsStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "flume.conf")
	write(t, file, "a = 1\n")
	loaded, err := Fingerprint([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, "a = 2\n")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := &Watcher{Files: []string{file}, Poll: time.Hour, Log: slog.New(slog.DiscardHandler)}
	changed := false
	w.Run(ctx, loaded, func() { changed = true; cancel() }) // ends by the change
	if !changed {
		t.Error("change between load and watch: not seen")
	}
}
