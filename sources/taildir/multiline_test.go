package taildir

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"goflume/conf"
	"goflume/internal/flowtest"
)

const trace = "2026-01-01 ERROR no\njava.lang.Exception: no\n\tat a.B.c(B.java:1)\n\n\tat a.B.d(B.java:2)"

// multiLine is a tail whose events begin with a date.
func multiLine(t *testing.T) (*tail, *flowtest.Recorder) {
	d := newTail(t)
	d.MultiLineStart = `^\d{4}-\d\d-\d\d `
	return d, &flowtest.Recorder{}
}

func TestLinesBelongToTheEventBeforeThem(t *testing.T) {
	d, out := multiLine(t)
	d.write("a.log", "orphan\n  of\n2026-01-01 one\r\n"+trace+"\r\n2026-01-01 two\n2026-01-01 open\n more")
	d.crash(out)
	want := []string{"orphan\n  of", "2026-01-01 one", trace, "2026-01-01 two"}
	if got := out.Bodies(); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	d.append("a.log", " and more\n2026-01-01 end\n")
	d.crash(out) // a restart in the middle of an event
	want = append(want, "2026-01-01 open\n more and more")
	if got := out.Bodies(); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestEventsOfSeveralLinesInBatchesAndChunks(t *testing.T) {
	d, out := multiLine(t)
	d.BatchSize, d.MaxBatchCount, d.ByteOffsetHeader = 7, 2, true
	var want []string
	for i := range 20_000 {
		want = append(want, "2026-01-01 "+strings.Repeat("x", i%50)+"\n"+strings.Repeat(" y\n", i%7)+" end")
	}
	d.write("a.log", text(want)+"2026-01-01 open\n")
	d.crash(out)
	if got := out.Bodies(); !slices.Equal(got, want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	at := 0
	for i, e := range out.Events() {
		if got := e.Headers[0].Value; got != strconv.Itoa(at) {
			t.Fatalf("event %d has the offset %s, want %d", i, got, at)
		}
		at += len(want[i]) + 1
	}
}

func TestAnEventWithoutEndIsSentAfterAWhile(t *testing.T) {
	d, out := multiLine(t)
	d.MultiLineTimeout = 50 * time.Millisecond
	d.write("a.log", trace+"\nunfinished")
	d.run(out)
	d.wait(out, trace)
	d.append("a.log", " line\n late\n2026-01-02 next\n")
	d.wait(out, trace, "unfinished line\n late", "2026-01-02 next")
}

func TestALongEventBecomesSeveral(t *testing.T) {
	d, out := multiLine(t)
	d.MaxLineLength = 20
	d.write("a.log", "2026-01-01 "+strings.Repeat("x", 25)+"\n y\n2026-01-02 z\n w\n2026-01-03 ok\n"+strings.Repeat("l\n", 100))
	d.crash(out)
	got := out.Bodies()
	for _, body := range got {
		if len(body) > 20 {
			t.Errorf("%q has more than 20 bytes", body)
		}
	}
	if joined := strings.Join(got[:2], ""); joined != "2026-01-01 "+strings.Repeat("x", 25)+"\n y" {
		t.Errorf("the first event is %q", joined)
	}
	if got[2] != "2026-01-02 z\n w" {
		t.Errorf("the second event is %q", got[2])
	}
	if n := strings.Count(strings.Join(got[3:], "\n"), "l"); n < 90 {
		t.Errorf("%d of 100 lines of the last event were sent, want all but a few: it is not to grow without bound", n)
	}
}

func TestARotationEndsTheEvent(t *testing.T) {
	for name, rotate := range map[string]func(d *tail){
		"rename":   func(d *tail) { d.ok(os.Rename(d.path("a.log"), d.path("a.old"))) },
		"truncate": func(d *tail) { d.ok(os.Truncate(d.path("a.log"), 0)) },
		"copy and truncate": func(d *tail) {
			d.copyTruncate("a.log", "a.log.1", func() {})
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, out := multiLine(t)
			d.MultiLineTimeout = 300 * time.Millisecond
			d.write("a.log", "2026-01-01 one\n2026-01-01 two\n of it\n")
			d.run(out)
			d.wait(out, "2026-01-01 one")
			rotate(d)
			d.append("a.log", "2026-01-02 three\n of it\n")
			d.waitSorted(out, []string{"2026-01-01 one", "2026-01-01 two\n of it", "2026-01-02 three\n of it"})
		})
	}
}

func TestAnIdleFilesEventIsSentWhole(t *testing.T) {
	d, out := multiLine(t)
	d.IdleTimeout = 50 * time.Millisecond
	d.write("a.log", trace+"\n more\nand the end")
	d.run(out)
	d.wait(out, trace+"\n more\nand the end")
}

func TestAPatternThatIsNoneIsRefused(t *testing.T) {
	d, _ := multiLine(t)
	d.MultiLineStart = "(["
	issue, ok := d.Settings.Validate().(*conf.KeyError)
	if !ok || issue.Key != "multiLineStart" {
		t.Errorf("Validate: %v", d.Settings.Validate())
	}
}
