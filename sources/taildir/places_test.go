package taildir

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"goflume/event"
	"goflume/internal/flowtest"
)

func TestAFileOfTwoNamesIsReadOnce(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.write("a.log", "1\n")
	d.ok(os.Link(d.path("a.log"), d.path("b.log")))
	d.run(out)
	d.wait(out, "1")
	d.append("b.log", "2\n")
	d.wait(out, "1", "2")
	d.ok(os.Remove(d.path("a.log")))
	d.append("b.log", "3\n")
	d.wait(out, "1", "2", "3")
}

func TestALinkIsFollowed(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.FileHeader = true
	target := func(name string) string { return filepath.Join(d.dir, name) }
	d.write("../first", "1\n")
	d.write("../second", "4\n")
	d.ok(os.Symlink(target("first"), d.path("a.log")))
	d.ok(os.Symlink(target("nothing"), d.path("dangling.log")))
	d.run(out)
	d.wait(out, "1")
	began := time.Now()
	d.append("../first", "2\n") // in a directory that is not watched
	d.wait(out, "1", "2")
	t.Logf("a line behind a link came after %v", time.Since(began))
	d.ok(os.Remove(d.path("a.log")))
	d.ok(os.Symlink(target("second"), d.path("a.log")))
	d.wait(out, "1", "2", "4")
	d.append("../second", "5\n")
	d.wait(out, "1", "2", "4", "5")
	for _, e := range out.Events() {
		if name, _ := e.Header("file"); name != d.path("a.log") {
			t.Errorf("the header says %s, want the link's name", name)
		}
	}
}

// TestAFileThatMayNotBeRead is told once, and the others are read.
func TestAFileThatMayNotBeRead(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.write("a.log", "secret\n")
	d.write("b.log", "1\n")
	d.ok(os.Chmod(d.path("a.log"), 0))
	for _, dir := range []string{d.dir, filepath.Dir(d.dir)} { // another user makes the position file
		d.ok(os.Chmod(dir, 0o777))
	}
	if os.Getuid() == 0 {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		unix.SetfsuidRetUid(65534)
		defer unix.SetfsuidRetUid(0)
	}
	if f, err := os.Open(d.path("a.log")); err == nil {
		f.Close()
		t.Skip("nobody but root is to be had here")
	}
	if err := os.Mkdir(filepath.Join(d.dir, "pos"), 0o777); err != nil {
		t.Skip("the directory for temporary files is not everybody's")
	}
	s := d.source()
	log := &strings.Builder{}
	s.log = slog.New(slog.NewTextHandler(log, nil))
	w, err := newFollower(s, out)
	d.ok(err)
	defer w.close()
	for range 3 {
		w.look(false)
		for len(w.unread) > 0 {
			w.turns(t.Context())
		}
	}
	if got := out.Bodies(); !slices.Equal(got, []string{"1"}) {
		t.Errorf("got %q, want what may be read", got)
	}
	if n := strings.Count(log.String(), "permission denied"); n != 1 {
		t.Errorf("told %d times, want once:\n%s", n, log)
	}
}

func TestAFileThatIsGoneBeforeItIsOpened(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.write("a.log", "1\n")
	d.write("b.log", "2\n")
	w, err := newFollower(d.source(), out)
	d.ok(err)
	defer w.close()
	d.ok(os.Remove(d.path("a.log"))) // found, and not opened yet
	for len(w.unread) > 0 {
		w.turns(t.Context())
	}
	if got := out.Bodies(); !slices.Equal(got, []string{"2"}) || len(w.files) != 1 {
		t.Errorf("got %q of %d files, want what is there", got, len(w.files))
	}
}

func TestADirectoryThatIsReplacedIsFollowed(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.write("a.log", "1\n")
	d.run(out)
	d.wait(out, "1")
	logs := filepath.Join(d.dir, "logs")
	d.ok(os.Rename(logs, logs+".old"))
	d.ok(os.Mkdir(logs, 0o755))
	d.write("a.log", "2\n")
	d.wait(out, "1", "2")
	d.append("a.log", "3\n")
	d.wait(out, "1", "2", "3")
}

func TestAnEmptyFileHasNoLine(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.IdleTimeout = 20 * time.Millisecond
	d.write("a.log", "")
	d.write("b.log", "\n")
	d.run(out)
	d.wait(out, "")
	d.append("a.log", "1\n")
	d.wait(out, "", "1")
}

func TestNamesMayHaveAnyCharacter(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.FileHeader = true
	d.Patterns["f1"] = d.dir + `/logs/(?s).*[.]log`
	names := []string{"new\nline.log", `"quoted'\.log`, "größe-日本.log", "no UTF-8 \xff.log", "tab\t<&=>.log"}
	var want []string
	for i, name := range names {
		d.write(name, fmt.Sprintf("line %d\n", i))
		want = append(want, fmt.Sprintf("line %d", i))
	}
	stop := d.run(out)
	d.waitSorted(out, want)
	stop()
	for _, e := range out.Events() {
		file, _ := e.Header("file")
		if i := slices.Index(want, string(e.Body)); file != d.path(names[i]) {
			t.Errorf("%s has the header %q, want %q", e.Body, file, d.path(names[i]))
		}
	}
	for i, name := range names {
		d.append(name, fmt.Sprintf("line %d more\n", i))
		want = append(want, fmt.Sprintf("line %d more", i))
	}
	d.ok(os.Remove(d.PositionFile + ".goflume"))
	slices.Sort(want)
	again := &flowtest.Recorder{}
	d.run(again) // from Flume's file alone
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	again.Wait(ctx, t, len(names)+1) // the name that is no UTF-8 cannot stand there
	got := slices.Sorted(slices.Values(append(out.Bodies(), again.Bodies()...)))
	if got := slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBytesThatAreNoTextPass(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.write("a.log", "\xff\xfe\x00x\n\x00\n\xc3(\r\n")
	d.crash(out)
	if got, want := out.Bodies(), []string{"\xff\xfe\x00x", "\x00", "\xc3("}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestWithoutNewsFromTheKernelFilesAreLookedAt: there are none, or they were too many.
func TestWithoutNewsFromTheKernelFilesAreLookedAt(t *testing.T) {
	for name, deafen := range map[string]func(w *follower){
		"no watcher": func(w *follower) { w.watcher.Close(); w.watcher = nil; w.lookSooner() },
		"overflow": func(w *follower) {
			w.watcher.Close()
			w.watcher = &fsnotify.Watcher{Events: make(chan fsnotify.Event), Errors: make(chan error, 1)}
			w.watcher.Errors <- fsnotify.ErrEventOverflow
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, out := newTail(t), &flowtest.Recorder{}
			d.write("a.log", "1\n")
			w, err := newFollower(d.source(), out)
			d.ok(err)
			ctx, cancel := context.WithCancel(t.Context())
			deafen(w)
			d.append("a.log", "2\n")
			d.write("b.log", "3\n")
			ended := make(chan error, 1)
			go func() { ended <- w.run(ctx) }()
			d.waitSorted(out, []string{"1", "2", "3"})
			cancel()
			d.ok(<-ended)
			if name == "overflow" {
				w.watcher = nil // it has no kernel behind it
			}
			w.close()
		})
	}
}

// TestAnInodeThatIsUsedAgain is another file's: of the one that was there before nothing is known of it.
func TestAnInodeThatIsUsedAgain(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.write("a.log", "1\n2\n3\n")
	w, err := newFollower(d.source(), out)
	d.ok(err)
	defer w.close()
	all := func() {
		w.look(false)
		for len(w.unread) > 0 {
			w.turns(t.Context())
		}
	}
	all()
	f := w.files[0]
	f.close() // as when it was idle: its inode is free once it is removed
	d.ok(os.Remove(d.path("a.log")))
	d.write("b.log", "4\n5\n6\n7\n")
	info, err := os.Stat(d.path("b.log"))
	d.ok(err)
	delete(w.byID, f.identity)
	f.identity = identityOf(info) // whether or not the file system gave it the same
	w.byID[f.identity] = f
	all()
	if got, want := out.Bodies(), []string{"1", "2", "3", "4", "5", "6", "7"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestABatchMayBeFilteredAway: interceptors may leave nothing of it.
func TestABatchMayBeFilteredAway(t *testing.T) {
	d := newTail(t)
	d.BatchSize = 2
	out := &flowtest.Recorder{OnSend: func(_ context.Context, b *event.Batch) error {
		b.Events = slices.DeleteFunc(b.Events, func(e event.Event) bool { return string(e.Body) < "4" })
		return nil
	}}
	d.write("a.log", "1\n2\n3\n4\n5\n")
	d.crash(out)
	d.append("a.log", "6\n")
	d.crash(out)
	if got, want := out.Bodies(), []string{"4", "5", "6"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
