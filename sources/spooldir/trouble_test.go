package spooldir

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"goflume/event"
	"goflume/internal/flowtest"
)

// failAfter refuses every batch behind the first n.
func failAfter(n int32) func(context.Context, *event.Batch) error {
	var sent atomic.Int32
	return func(context.Context, *event.Batch) error {
		if sent.Add(1) > n {
			return event.ErrFull
		}
		return nil
	}
}

// between calls f once, while the second batch is sent.
func between(f func()) *flowtest.Recorder {
	var sent atomic.Int32
	return &flowtest.Recorder{OnSend: func(context.Context, *event.Batch) error {
		if sent.Add(1) == 2 {
			f()
		}
		return nil
	}}
}

func (p *place) appendTo(name, text string) {
	p.Helper()
	f, err := os.OpenFile(filepath.Join(p.dir, name), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = io.WriteString(f, text)
		f.Close()
	}
	if err != nil {
		p.Error(err)
	}
}

func TestAFileThatGrowsIsReadToItsEnd(t *testing.T) {
	p := spool(t, func(s *Settings) { s.BatchSize = 10 })
	p.put("a", numbers(0, 30)+"line 0000", time.Hour)
	out := between(func() {
		p.appendTo("a", "30\n"+numbers(31, 40)+"tail")
		p.put("b", "other\n", 0)
	})
	stop := p.run(out)
	p.awaitFiles("a.COMPLETED", "b.COMPLETED")
	stop()
	got := out.Bodies()
	got = slices.DeleteFunc(got, func(s string) bool { return s == "other" })
	if want := append(strings.Split(strings.TrimSuffix(numbers(0, 40), "\n"), "\n"), "tail"); !slices.Equal(got, want) {
		t.Errorf("bodies %q, want %q", got, want)
	}
	if n := strings.Count(p.log.String(), "changed while it was read"); n != 1 {
		t.Errorf("%d warnings, want 1:\n%s", n, p.log)
	}
	if left := p.metas(); len(left) > 0 {
		t.Errorf("%q are left when all is read", left)
	}
}

func TestAGrowingFileKeepsItsPlaceOverARestart(t *testing.T) {
	p := spool(t, func(s *Settings) { s.BatchSize, s.PollDelay = 10, time.Hour })
	p.put("a", numbers(0, 25), time.Hour)
	out := between(func() { p.appendTo("a", numbers(25, 35)) })
	stop := p.run(out)
	out.Wait(p.patience(), t, 25)
	p.await("progress file of its own", func() bool {
		_, err := os.Stat(parkedMeta(filepath.Join(p.dir, ".flumespool"), filepath.Join(p.dir, "a")))
		return err == nil
	})
	stop()
	n := len(out.Bodies())
	p.settings.PollDelay = 20 * time.Millisecond
	rest := p.collect(35-n, "a.COMPLETED")
	if got := append(out.Bodies(), rest.Bodies()...); strings.Join(got, "\n")+"\n" != numbers(0, 35) {
		t.Errorf("bodies %q, want lines 0 to 34 once each", got)
	}
	if left := p.metas(); len(left) > 0 {
		t.Errorf("%q are left when all is read", left)
	}
}

func TestAFileThatShrinksIsSetAsideAndOthersGoOn(t *testing.T) {
	p := spool(t, func(s *Settings) { s.BatchSize = 10 })
	p.put("a", numbers(0, 30_000), time.Hour)
	p.put("b", "other\n", 0)
	out := between(func() {
		if err := os.Truncate(filepath.Join(p.dir, "a"), 5*lineSize); err != nil {
			t.Error(err)
		}
	})
	stop := p.run(out)
	p.awaitFiles("b.COMPLETED")
	stop()
	if got := p.quarantined("a"); got != numbers(0, 5) {
		t.Errorf("quarantine has %.100q, want what is left of a", got)
	}
	if n := p.source().aside.Value(); n != 1 {
		t.Errorf("%d files counted as set aside, want 1", n)
	}
	if !strings.Contains(p.log.String(), "level=ERROR") || p.source().counters.ReadFail.Value() != 1 {
		t.Errorf("%d read failures, the log says\n%s", p.source().counters.ReadFail.Value(), p.log)
	}
}

func TestAFileThatIsReplacedIsSetAsideAndOthersGoOn(t *testing.T) {
	p := spool(t, func(s *Settings) { s.BatchSize = 10 })
	p.put("a", numbers(0, 30), time.Hour)
	p.put("b", "other\n", 0)
	out := between(func() { p.put("a", "new\n", 0) })
	stop := p.run(out)
	p.awaitFiles("b.COMPLETED")
	stop()
	if got := p.quarantined("a"); got != "new\n" {
		t.Errorf("quarantine has %.100q, want the new file", got)
	}
	if got, want := strings.Join(out.Bodies(), "\n")+"\n", numbers(0, 30)+"other\n"; got != want {
		t.Errorf("bodies %q, want all of the old file and b", got)
	}
}

func TestAFileThatIsTakenAwayEndsNothing(t *testing.T) {
	p := spool(t, func(s *Settings) { s.BatchSize = 10 })
	p.put("a", numbers(0, 30), time.Hour)
	p.put("b", "other\n", 0)
	out := between(func() { os.Remove(filepath.Join(p.dir, "a")) })
	stop := p.run(out)
	p.awaitFiles("b.COMPLETED")
	stop()
	if got, want := strings.Join(out.Bodies(), "\n")+"\n", numbers(0, 30)+"other\n"; got != want {
		t.Errorf("bodies %q, want all of the old file and b", got)
	}
	if left := p.metas(); len(left) > 0 {
		t.Errorf("%q are left", left)
	}
}

func TestANameThatWasFinishedBeforeIsNumbered(t *testing.T) {
	p := spool(t)
	p.put("a.COMPLETED", "before\n", 0)
	var want []string
	for _, body := range []string{"one", "two", "three", "four"} {
		p.put("a", body+"\n", 0)
		p.await("end of a", func() bool { return !slices.Contains(p.collect1().files(), "a") })
		want = append(want, body)
	}
	p.awaitFiles("a.1.COMPLETED", "a.2.COMPLETED", "a.3.COMPLETED", "a.4.COMPLETED", "a.COMPLETED")
	for i, body := range want {
		text, err := os.ReadFile(filepath.Join(p.dir, "a"+numbered(i+1)+".COMPLETED"))
		if err != nil || string(text) != body+"\n" {
			t.Errorf("number %d has %q, error %v, want %q", i+1, text, err, body)
		}
	}
}

// collect1 reads one event.
func (p *place) collect1() *place {
	out := &flowtest.Recorder{}
	stop := p.run(out)
	out.Wait(p.patience(), p, 1)
	stop()
	return p
}

func TestBytesThatAreNoText(t *testing.T) {
	text := "good\nbad \xff\xe2\x98 \xed\xa0\x80 é\nnext\n"
	for policy, want := range map[string][]string{
		"FAIL":    {"good", "other"},
		"REPLACE": {"good", "bad \uFFFD\uFFFD \uFFFD\uFFFD\uFFFD é", "next", "other"},
		"IGNORE":  {"good", "bad   é", "next", "other"},
	} {
		t.Run(policy, func(t *testing.T) {
			p := spool(t, func(s *Settings) { s.DecodeErrorPolicy = policy })
			p.put("a", text, time.Hour)
			p.put("b", "other\n", 0)
			out := &flowtest.Recorder{}
			stop := p.run(out)
			if policy == "FAIL" {
				p.awaitFiles("b.COMPLETED")
				p.await("quarantine", func() bool { return p.quarantined("a") == text })
			} else {
				p.awaitFiles("a.COMPLETED", "b.COMPLETED")
			}
			stop()
			if got := out.Bodies(); !slices.Equal(got, want) {
				t.Errorf("bodies %q, want %q", got, want)
			}
			if policy == "FAIL" && (!strings.Contains(p.log.String(), "byte 5") || !strings.Contains(p.log.String(), "level=ERROR")) {
				t.Errorf("the log does not say where:\n%s", p.log)
			}
		})
	}
}

func TestAFileMovedBackOutOfTheQuarantineIsReadFromItsStart(t *testing.T) {
	p := spool(t)
	p.put("a", "good\nbad \xff\n", time.Hour)
	out := &flowtest.Recorder{}
	stop := p.run(out)
	p.await("quarantine", func() bool { return p.quarantined("a") != "" })
	p.put("a", "good\nmended\n", 0)
	p.awaitFiles("a.COMPLETED")
	stop()
	if got, want := out.Bodies(), []string{"good", "good", "mended"}; !slices.Equal(got, want) {
		t.Errorf("bodies %q, want %q", got, want)
	}
}

func TestAFileThatCannotBeOpenedWaitsAndOthersGoOn(t *testing.T) {
	p := spool(t)
	p.put("a", "late\n", time.Hour)
	p.put("b", "other\n", 0)
	denied := true
	p.disk = failing(func(op, name string) error {
		if denied && op == "openread" && filepath.Base(name) == "a" {
			return os.ErrPermission
		}
		return nil
	})
	out := &flowtest.Recorder{}
	stop := p.run(out)
	p.awaitFiles("a", "b.COMPLETED")
	p.await("error in the log", func() bool { return strings.Contains(p.log.String(), "permission") })
	stop()
	denied = false
	p.run(out)
	p.awaitFiles("a.COMPLETED", "b.COMPLETED")
	if got, want := out.Bodies(), []string{"other", "late"}; !slices.Equal(got, want) {
		t.Errorf("bodies %q, want %q", got, want)
	}
}

func TestAFileThatCannotBeRenamedIsDeliveredOnceAndOthersGoOn(t *testing.T) {
	p := spool(t)
	p.put("a", numbers(0, 3), time.Hour)
	p.put("b", "other\n", 0)
	denied := true
	p.disk = failing(func(op, name string) error {
		if denied && op == "rename" && filepath.Base(name) == "a" {
			return os.ErrPermission
		}
		return nil
	})
	out := &flowtest.Recorder{}
	stop := p.run(out)
	p.awaitFiles("a", "b.COMPLETED")
	stop()
	stop = p.run(out) // a restart finds its progress
	p.awaitFiles("a", "b.COMPLETED")
	stop()
	denied = false
	p.run(out)
	p.awaitFiles("a.COMPLETED", "b.COMPLETED")
	if got, want := strings.Join(out.Bodies(), "\n")+"\n", numbers(0, 3)+"other\n"; got != want {
		t.Errorf("bodies %q, want %q", got, want)
	}
}

func TestWhatIsNoRegularFileIsLeftAlone(t *testing.T) {
	p := spool(t)
	if err := mkfifo(filepath.Join(p.dir, "pipe")); err != nil {
		t.Skip(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(elsewhere, []byte("linked\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"link": elsewhere, "dirlink": t.TempDir(), "dangling": elsewhere + ".none"} {
		if err := os.Symlink(target, filepath.Join(p.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	out := p.collect(1, "dangling", "dirlink", "link.COMPLETED", "pipe")
	if got := out.Bodies(); got[0] != "linked" {
		t.Errorf("bodies %q, want the linked file's", got)
	}
}

func TestAMissingDirectoryEndsRun(t *testing.T) {
	p := spool(t, func(s *Settings) { s.SpoolDir += "/none" })
	if err := p.source().Run(t.Context(), &flowtest.Recorder{}); err == nil || !strings.Contains(err.Error(), "spool directory") {
		t.Errorf("Run: %v, want that the spool directory is not there", err)
	}
}

func TestTwoSourcesOfTheSameFilesDoNotRunAtOnce(t *testing.T) {
	p := spool(t)
	p.put("a", "x\n", 0)
	out := &flowtest.Recorder{}
	p.run(out)
	p.awaitFiles("a.COMPLETED")
	if err := p.source().Run(t.Context(), out); err == nil || !strings.Contains(err.Error(), "another source") {
		t.Errorf("Run: %v, want that another source reads there", err)
	}
	q := spool(t, func(s *Settings) { s.SpoolDir, s.IncludePattern = p.dir, `.*\.csv` })
	q.dir = p.dir
	q.put("b.csv", "y\n", 0)
	q.run(out) // of others: allowed, as in Flume
	p.awaitFiles("a.COMPLETED", "b.csv.COMPLETED")
}
