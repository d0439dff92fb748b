package taildir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/internal/javafmt"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/retry"
	"goflume/internal/vfs"
	"goflume/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tail is a directory that is followed.
type tail struct {
	*testing.T
	dir string
	Settings
	copyTime time.Duration
}

func newTail(t *testing.T) *tail {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &tail{t, dir, Settings{
		Groups: []string{"f1"}, Patterns: map[string]string{"f1": dir + "/logs/.*[.]log"}, PositionFile: dir + "/pos/taildir_position.json",
		IdleTimeout: time.Hour, WritePosInterval: time.Hour, BatchSize: 100, MaxBatchCount: 1 << 60, CachePatternMatching: true,
		FileHeaderKey: "file", MaxLineLength: 1 << 20, MultiLineTimeout: time.Hour, Retry: retry.Settings{Step: time.Millisecond, Max: time.Millisecond},
	}, time.Hour}
}

func (t *tail) path(name string) string { return filepath.Join(t.dir, "logs", name) }

func (t *tail) ok(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (t *tail) write(name, text string) {
	t.Helper()
	t.ok(os.WriteFile(t.path(name), []byte(text), 0o644))
}

func (t *tail) append(name, text string) {
	t.Helper()
	f, err := os.OpenFile(t.path(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	t.ok(err)
	_, err = f.WriteString(text)
	t.ok(err)
	t.ok(f.Close())
}

func (t *tail) source() *Source {
	t.Helper()
	t.ok(t.Settings.Validate())
	s, err := New(registry.Env{Log: slog.New(slog.DiscardHandler), Metrics: metric.NewSet(metric.Source, "a1", "r1", "TAILDIR")}, t.Settings)
	t.ok(err)
	source := s.(*Source)
	source.copyTime = t.copyTime
	return source
}

func (t *tail) run(out sources.Output) (stop func()) {
	t.Helper()
	s := t.source()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, out) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// crash reads what is there and ends as a killed process does.
func (t *tail) crash(out sources.Output) {
	t.Helper()
	w, err := newFollower(t.source(), out)
	t.ok(err)
	for len(w.unread) > 0 {
		w.turns(t.Context())
	}
	w.close()
}

// wait waits until that many events have come and checks all.
func (t *tail) wait(out *flowtest.Recorder, want ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out.Wait(ctx, t, len(want))
	if got := out.Bodies(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	t.ok(out.Untouched())
}

func TestSource(t *testing.T) {
	said := 0
	tails := map[sources.Source]*tail{}
	flowtest.Source(t, flowtest.SourceCase{
		Retries: true,
		New: func(t *testing.T) sources.Source {
			d := newTail(t)
			s := d.source()
			tails[s] = d
			return s
		},
		Feed: func(t *testing.T, s sources.Source, n int) (bodies []string) {
			for range n {
				said++
				bodies = append(bodies, fmt.Sprint(said))
			}
			tails[s].append("a.log", strings.Join(bodies, "\n")+"\n")
			return bodies
		},
	})
}

// TestStepsAreFlumes does what was done to the files of a running Flume, and compares all events and the position files.
func TestStepsAreFlumes(t *testing.T) {
	d := newTail(t)
	d.Headers = map[string]string{"f1.grp": "one"}
	d.ByteOffsetHeader, d.FileHeader = true, true
	var golden struct {
		Initial map[string]string `json:"initial_files_latin1"`
		Steps   []struct {
			Step      string
			Positions string `json:"position_file"`
			Output    string `json:"output_so_far_latin1"`
		}
	}
	text, err := os.ReadFile("testdata/flume.json")
	d.ok(err)
	d.ok(json.Unmarshal(text, &golden))
	latin1 := func(s string) string {
		var b []byte
		for _, r := range s {
			b = append(b, byte(r))
		}
		return string(b)
	}
	d.ok(os.Mkdir(d.path("sub"), 0o755))
	for _, name := range slices.Sorted(mapKeys(golden.Initial)) {
		d.write(name, latin1(golden.Initial[name]))
	}
	out := &flowtest.Recorder{}
	// check compares without order: Flume takes the files of one second in no order.
	check := func(step int) {
		t.Helper()
		want := strings.Split(strings.TrimSuffix(latin1(golden.Steps[step].Output), "\n"), "\n")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		out.Wait(ctx, t, len(want))
		var got []string
		for _, e := range out.Events() {
			line := string(javafmt.AppendHeaders(nil, e.Headers)) + " " + string(e.Body)
			got = append(got, strings.ReplaceAll(line, d.dir, "$DIR"))
		}
		for i := range got { // the order of three headers depends on the table of the map that they are in
			got[i], want[i] = sortHeaders(got[i]), sortHeaders(want[i])
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", golden.Steps[step].Step, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	stop := d.run(out)
	check(0)
	d.append("a.log", "ial\nmore\n")
	check(2)
	d.ok(os.Rename(d.path("a.log"), d.path("a.log.1")))
	d.write("a.log", "new1\nnew2\n")
	d.write("b.log", "B\n")
	check(3)
	stop()
	positions := func() []string {
		text, err := os.ReadFile(d.PositionFile)
		d.ok(err)
		return entries(strings.ReplaceAll(string(text), d.dir, "$DIR"))
	}
	if got, want := positions(), entries(golden.Steps[4].Positions); !slices.Equal(got, want) {
		t.Errorf("position file\n%q, want\n%q", got, want)
	}
	stop = d.run(out)
	d.append("a.log", "after\n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out.Wait(ctx, t, 14)
	stop()
	if got := out.Bodies()[13:]; !slices.Equal(got, []string{"after"}) {
		t.Errorf("after the restart: %q, want only what is new", got)
	}
}

func sortHeaders(line string) string {
	headers, body, _ := strings.Cut(line[1:], "} ")
	all := strings.Split(headers, ", ")
	slices.Sort(all)
	return "{" + strings.Join(all, ", ") + "} " + body
}

// entries are those of a position file without their inodes, sorted.
func entries(text string) []string {
	all := regexp.MustCompile(`\{"inode":\d+,"pos":\d+,"file":"[^"]*"\}`).FindAllString(text, -1)
	for i := range all {
		all[i] = regexp.MustCompile(`\d+,"pos"`).ReplaceAllString(all[i], `0,"pos"`)
	}
	slices.Sort(all)
	return append(all, regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(text, "{}"))
}

func mapKeys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func TestARenamedFileIsNoNewOne(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.Patterns["f1"] = d.dir + "/logs/a.*"
	d.write("a.log", "1\n2\n")
	d.run(out)
	d.wait(out, "1", "2")
	d.append("a.log", "3\n")
	d.ok(os.Rename(d.path("a.log"), d.path("a.log.1")))
	d.write("a.log", "4\n")
	d.append("a.log.1", "5\n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out.Wait(ctx, t, 5)
	got := slices.Sorted(slices.Values(out.Bodies()))
	if want := []string{"1", "2", "3", "4", "5"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatIsWrittenAfterARenameIsRead(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.write("a.log", "1\n")
	d.run(out)
	d.wait(out, "1")
	d.ok(os.Rename(d.path("a.log"), d.path("a.old")))
	d.append("a.old", "2\n")
	d.wait(out, "1", "2")
}

func TestTheRestOfAFileRotatedWhileTheAgentWasDownIsRead(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.write("a.log", "1\n")
	d.crash(out)
	d.append("a.log", "2\n")
	d.ok(os.Rename(d.path("a.log"), d.path("a.old")))
	d.write("a.log", "3\n")
	d.run(out)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out.Wait(ctx, t, 3)
	got := slices.Sorted(slices.Values(out.Bodies()))
	if want := []string{"1", "2", "3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestATruncatedFileIsReadFromItsStart(t *testing.T) {
	for name, after := range map[string]string{
		"shorter":   "x\n",
		"same size": "3\n4\n5\n",
		"longer":    "3\n4\n5\n6\n7\n8\n",
	} {
		t.Run(name, func(t *testing.T) {
			d, out := newTail(t), &flowtest.Recorder{}
			d.write("a.log", "1\n2\nx\n")
			d.crash(out)
			d.write("a.log", after) // the inode stays, as with logrotate's copytruncate
			d.run(out)
			d.wait(out, append([]string{"1", "2", "x"}, strings.Fields(after)...)...)
			d.write("a.log", "running\n"+after)
			d.wait(out, append(append([]string{"1", "2", "x"}, strings.Fields(after)...), append([]string{"running"}, strings.Fields(after)...)...)...)
		})
	}
}

func TestAnUnfinishedLineOfATruncatedFileIsSentAsItIs(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.write("a.log", "1\nunfinished")
	d.run(out)
	d.wait(out, "1")
	d.write("a.log", "2\n3\n")
	d.wait(out, "1", "unfinished", "2", "3")
}

func TestAfterACrashNothingDeliveredComesAgain(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.BatchSize = 2
	d.write("a.log", "1\n2\n3\n4\n5\n")
	d.crash(out)
	d.append("a.log", "6\n")
	d.crash(out)
	d.append("a.log", "7\n")
	d.run(out)
	d.wait(out, "1", "2", "3", "4", "5", "6", "7")
}

func TestFlumesPositionFileIsEnough(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.write("a=b.log", "1\n2\n")
	d.write("other.log", "3\n4\n")
	d.ok(os.MkdirAll(filepath.Dir(d.PositionFile), 0o755))
	inode := func(name string) uint64 {
		info, err := os.Stat(d.path(name))
		d.ok(err)
		return identityOf(info).inode
	}
	d.ok(os.WriteFile(d.PositionFile, fmt.Appendf(nil, `[{"inode":%d,"pos":2,"file":"%s"},{"inode":%d,"pos":2,"file":"/elsewhere"}]`,
		inode("a=b.log"), strings.ReplaceAll(d.path("a=b.log"), "=", `\u003d`), inode("other.log")), 0o644))
	d.run(out)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out.Wait(ctx, t, 3)
	got := slices.Sorted(slices.Values(out.Bodies()))
	if want := []string{"2", "3", "4"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPositionsThatFlumeWroteSinceWin(t *testing.T) {
	for _, flume := range []bool{true, false} {
		d, out := newTail(t), &flowtest.Recorder{}
		d.write("a.log", "1\n2\n3\n")
		stop := d.run(out)
		d.wait(out, "1", "2", "3")
		stop()
		if flume {
			info, err := os.Stat(d.path("a.log"))
			d.ok(err)
			d.ok(os.WriteFile(d.PositionFile, fmt.Appendf(nil, `[{"inode":%d,"pos":2,"file":"%s"}]`, identityOf(info).inode, d.path("a.log")), 0o644))
		}
		d.append("a.log", "4\n")
		d.crash(out)
		d.crash(out)
		want := []string{"1", "2", "3", "2", "3", "4"}
		if !flume {
			want = []string{"1", "2", "3", "4"}
		}
		if got := out.Bodies(); !slices.Equal(got, want) {
			t.Errorf("Flume's newer %v: got %q, want %q", flume, got, want)
		}
	}
}

func TestSkipToEndSkipsOnlyWhatIsThereAtTheFirstStart(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.SkipToEnd = true
	d.write("a.log", "old\n")
	d.crash(out)
	d.append("a.log", "1\n")
	d.run(out)
	d.wait(out, "1")
	d.write("b.log", "2\n")
	d.wait(out, "1", "2")
}

func TestTwoSourcesDoNotShareTheirPositions(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.write("a.log", "1\n")
	stop := d.run(out)
	d.wait(out, "1")
	err := d.source().Run(t.Context(), out)
	if !errors.Is(err, vfs.ErrLocked) || !strings.Contains(err.Error(), "`positionFile`") {
		t.Errorf("Run beside another source: %v, want what to change", err)
	}
	stop()
	d.append("a.log", "2\n")
	d.run(out)
	d.wait(out, "1", "2")
}

func TestAnIdleFilesLastLineIsSentWithoutItsEnd(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.IdleTimeout = 30 * time.Millisecond
	d.write("a.log", "1\npart")
	d.run(out)
	d.wait(out, "1", "part")
	d.append("a.log", "ial\n")
	d.wait(out, "1", "part", "ial")
}

func TestARefusedBatchComesAgain(t *testing.T) {
	d, tries := newTail(t), 0
	out := &flowtest.Recorder{OnSend: func(context.Context, *event.Batch) error {
		if tries++; tries%2 == 1 {
			return event.ErrFull
		}
		return nil
	}}
	d.BatchSize = 2
	d.write("a.log", "1\n2\n3\n")
	d.run(out)
	d.wait(out, "1", "2", "3")
}

func TestAFloodingFileDoesNotStarveOthers(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.MaxBatchCount = 1
	d.write("a.log", strings.Repeat("flood\n", 10_000))
	d.write("b.log", "calm\n")
	d.crash(out)
	if got := slices.Index(out.Bodies(), "calm"); got < 0 || got > 100 {
		t.Errorf("the other file's line came after %d, want within a batch", got)
	}
	if got := len(out.Bodies()); got != 10_001 {
		t.Errorf("%d lines, want 10001", got)
	}
}

func TestLongLinesBecomeSeveralEvents(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.MaxLineLength = 4
	d.write("a.log", "abcdefghij\r\nabcd\nabcdef\nx\n")
	d.crash(out)
	d.append("a.log", "y\n")
	d.crash(out)
	if got, want := out.Bodies(), []string{"abcd", "efgh", "ij", "abcd", "abcd", "ef", "x", "y"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestADirectoryMayComeLater(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.ok(os.Remove(filepath.Join(d.dir, "logs")))
	d.crash(out)
	d.ok(os.Mkdir(filepath.Join(d.dir, "logs"), 0o755))
	d.write("a.log", "1\n")
	d.run(out)
	d.wait(out, "1")
}

func TestLinesCostNoAllocation(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.write("a.log", strings.Repeat(strings.Repeat("x", 211)+"\n", 20_000))
	w, err := newFollower(d.source(), hole{})
	d.ok(err)
	defer w.close()
	n := testing.AllocsPerRun(1, func() {
		w.byID[w.files[0].identity].pos = 0
		w.files[0].close()
		w.mark(w.files[0])
		for len(w.unread) > 0 {
			w.turns(t.Context())
		}
	})
	if perEvent := n / 20_000; perEvent > 0.01 {
		t.Errorf("%v allocations per event", perEvent)
	}
	_ = out
}

// hole is an Output that takes everything.
type hole struct{}

func (hole) Send(context.Context, *event.Batch) error { return nil }
func (hole) Limits() (most, room int)                 { return 0, -1 }

func TestSkipToEndReadsWhatCameWhileNobodyFollowed(t *testing.T) {
	d, out := newTail(t), &flowtest.Recorder{}
	d.SkipToEnd = true
	d.write("a.log", "old\n")
	d.crash(out)
	d.ok(os.Rename(d.path("a.log"), d.path("a.old")))
	d.write("a.log", "new\n")
	d.crash(out)
	if got := out.Bodies(); !slices.Equal(got, []string{"new"}) {
		t.Errorf("got %q, want what came after the first start", got)
	}
}

func TestTellsThatItRuns(t *testing.T) {
	flowtest.TellsThatItRuns(t, func(health func(error)) sources.Source {
		s := newTail(t).source()
		s.health = health
		return s
	})
}
