package taildir

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"goflume/internal/flowtest"
)

// copyTruncate does what logrotate does; between is called between the copy and the truncation.
func (t *tail) copyTruncate(from, to string, between func()) {
	t.Helper()
	text, err := os.ReadFile(t.path(from))
	t.ok(err)
	t.write(to, string(text))
	between()
	t.ok(os.Truncate(t.path(from), 0))
}

// numbered returns the lines from one number to below another.
func numbered(from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprintf("line %06d of the test", i))
	}
	return all
}

func text(lines []string) string { return strings.Join(lines, "\n") + "\n" }

// waitSorted is wait for lines whose order is that of their numbers, but for those of a copy.
func (t *tail) waitSorted(out *flowtest.Recorder, want []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out.Wait(ctx, t, len(want))
	got := out.Bodies()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%d lines from %.60q to %.60q, want %d", len(got), got[:min(3, len(got))], got[max(0, len(got)-3):], len(want))
	}
}

func TestWhatACopyHoldsOfATruncatedFileIsNeitherLostNorRepeated(t *testing.T) {
	for name, pattern := range map[string]string{"the copy does not match": ".*[.]log", "the copy matches": "a.*"} {
		t.Run(name, func(t *testing.T) {
			for _, when := range []string{"running", "down", "down between", "unread"} {
				t.Run(when, func(t *testing.T) {
					d, out := newTail(t), &flowtest.Recorder{}
					d.Patterns["f1"] = d.dir + "/logs/" + pattern
					d.write("a.log", text(numbered(0, 1000)))
					switch when {
					case "running":
						d.run(out)
						d.waitSorted(out, numbered(0, 1000))
						d.copyTruncate("a.log", "a.log.1", func() {})
						d.append("a.log", text(numbered(1000, 3000))) // beyond the position
					case "down":
						d.crash(out)
						d.append("a.log", text(numbered(1000, 1500)))
						d.copyTruncate("a.log", "a.log.1", func() {})
						d.append("a.log", text(numbered(1500, 3000)))
						d.run(out)
					case "down between":
						d.crash(out)
						d.append("a.log", text(numbered(1000, 1500)))
						d.copyTruncate("a.log", "a.log.1", func() {
							stop := d.run(out)
							d.waitSorted(out, numbered(0, 1500))
							stop()
							d.append("a.log", text(numbered(1500, 1600)))
							d.append("a.log.1", text(numbered(1500, 1600)))
						})
						d.append("a.log", text(numbered(1600, 3000)))
						d.run(out)
					case "unread":
						w, err := newFollower(d.source(), out)
						d.ok(err)
						d.append("a.log", text(numbered(1000, 1500)))
						for len(w.unread) > 0 { // all of it
							w.turns(t.Context())
						}
						d.append("a.log", text(numbered(1500, 2000))) // not seen
						d.copyTruncate("a.log", "a.log.1", func() { w.look(false); w.unread = nil })
						d.append("a.log", text(numbered(2000, 3000)))
						w.look(false)
						for len(w.unread) > 0 {
							w.turns(t.Context())
						}
						w.close()
						d.run(out)
					}
					d.waitSorted(out, numbered(0, 3000))
				})
			}
		})
	}
}

// TestACopyThatEndsBeforeThePosition: the lines between the copy and the truncation were read, those of the copy too.
func TestACopyThatEndsBeforeThePosition(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.Patterns["f1"] = d.dir + "/logs/a.*"
	d.write("a.log", text(numbered(0, 100)))
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
	d.copyTruncate("a.log", "a.log.1", func() {
		d.append("a.log", text(numbered(100, 110)))
		w.mark(w.byPath[d.path("a.log")])
		for len(w.unread) > 0 {
			w.turns(t.Context())
		}
	})
	d.append("a.log", text(numbered(110, 120)))
	all()
	d.waitSorted(out, numbered(0, 120))
}

func TestAFileThatSaysTheSameIsReadAfterAll(t *testing.T) {
	for name, more := range map[string]string{"and more": "other\n", "and no more": ""} {
		d, out := newTail(t), &flowtest.Recorder{}
		d.copyTime = 100 * time.Millisecond
		same := text(numbered(0, 50))
		d.write("a.log", same)
		d.run(out)
		d.wait(out, numbered(0, 50)...)
		d.write("a2.log", same+more)
		want := append(numbered(0, 50), append(numbered(0, 50), strings.Fields(more)...)...)
		t.Log(name)
		d.wait(out, want...)
	}
}

func TestAReadOfAReplacedFileIsTakenForNone(t *testing.T) {
	d := newTail(t)
	d.write("a.log", "first\nsecond\n")
	f, err := os.Open(d.path("a.log"))
	d.ok(err)
	defer f.Close()
	buf := make([]byte, 100)
	s := newStream(f, 6, []byte("first\n"))
	if n, err := s.Read(buf); err != nil || string(buf[:n]) != "second\n" {
		t.Fatalf("read %q: %v", buf[:n], err)
	}
	if _, err := s.Read(buf); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	d.write("a.log", "short\n")
	if _, err := s.Read(buf); err != errReplaced {
		t.Errorf("truncated: %v", err)
	}
	d.write("a.log", strings.Repeat("grown beyond\n", 10))
	if n, err := s.Read(buf); err != errReplaced || n != 0 {
		t.Errorf("truncated and grown: %d, %v", n, err)
	}
}

// TestOneHeadIsNotEnough: both generations begin with the same long banner.
func TestOneHeadIsNotEnough(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	banner := strings.Repeat("=", 400)
	d.write("a.log", banner+"\n1\n2\n")
	d.crash(out)
	d.write("a.log", banner+"\n3\n4\n5\n6\n")
	d.crash(out)
	d.write("a.log", banner+"\n7\n8\n9\n10\n11\n12\n")
	d.run(out)
	d.wait(out, banner, "1", "2", banner, "3", "4", "5", "6", banner, "7", "8", "9", "10", "11", "12")
}
