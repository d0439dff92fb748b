package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"goflume/event"
	"goflume/internal/charset"
	"goflume/internal/flowtest"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/sources"
)

// TestMain is also what the test binary does as a command of its own.
func TestMain(m *testing.M) {
	switch os.Getenv("EXEC_TEST") {
	case "flood":
		flood()
	case "agent":
		runUntilKilled()
	default:
		goleak.VerifyTestMain(m)
	}
}

// shell has a command run by the shell, line by line.
func shell(command string) Settings {
	return Settings{Command: command, Shell: "/bin/sh -c", BatchSize: 1, BatchTimeout: time.Hour, Charset: charset.UTF8, MaxLineLength: 1 << 20}
}

// buffer is a log that may be read while it is written.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// run starts a source. ended is what Run returned, once it has.
func run(t *testing.T, s Settings, out sources.Output) (src *Source, log *buffer, stop func() error) {
	t.Helper()
	return runPatiently(t, s, out, 50*time.Millisecond)
}

// runPatiently is run with the time that the command may take to end.
func runPatiently(t *testing.T, s Settings, out sources.Output, patience time.Duration) (src *Source, log *buffer, stop func() error) {
	t.Helper()
	log = &buffer{}
	made, err := New(registry.Env{
		Log:     slog.New(slog.NewTextHandler(log, nil)),
		Metrics: metric.NewSet(metric.Source, "a1", "r1", "exec"),
	}, s)
	if err != nil {
		t.Fatal(err)
	}
	src = made.(*Source)
	src.patience = patience
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- src.Run(ctx, out) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { stop() })
	return src, log, stop
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func wantBodies(t *testing.T, out *flowtest.Recorder, want ...string) {
	t.Helper()
	out.Wait(within(t), t, len(want))
	if got := out.Bodies(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := out.Untouched(); err != nil {
		t.Error(err)
	}
}

func TestSource(t *testing.T) {
	said := 0
	pipes := map[sources.Source]*os.File{}
	flowtest.Source(t, flowtest.SourceCase{
		Retries: true,
		New: func(t *testing.T) sources.Source {
			pipe := filepath.Join(t.TempDir(), "pipe")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			both, err := os.OpenFile(pipe, os.O_RDWR, 0) // it never comes to its end, and nothing in it is lost
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { both.Close() })
			s := shell("exec cat " + pipe)
			src, err := New(registry.Env{Log: slog.New(slog.DiscardHandler), Metrics: metric.NewSet(metric.Source, "a1", "r1", "exec")}, s)
			if err != nil {
				t.Fatal(err)
			}
			pipes[src] = both
			return src
		},
		Feed: func(t *testing.T, s sources.Source, n int) (bodies []string) {
			for range n {
				said++
				bodies = append(bodies, fmt.Sprint(said))
			}
			if _, err := pipes[s].WriteString(strings.Join(bodies, "\n") + "\n"); err != nil {
				t.Fatal(err)
			}
			return bodies
		},
	})
}

// TestEventsAreFlumes has commands that were run by Flume, with what it made of them.
func TestEventsAreFlumes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "execin.txt")
	if err := os.WriteFile(file, []byte("a\nb\r\nc\rd"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		shell, command string
		want           []string
	}{
		{"", "cat " + file, []string{"a", "b", "c", "d"}},
		{"/bin/sh -c", `for i in 1 2; do echo "x $i"; done`, []string{"x 1", "x 2"}},
		{"", `echo 'a b'  "c" $HOME`, []string{`'a b' "c" $HOME`}},
	} {
		s, out := shell(c.command), &flowtest.Recorder{}
		s.Shell = c.shell
		run(t, s, out)
		wantBodies(t, out, c.want...)
	}
}

func TestOtherCharsetsBecomeUTF8(t *testing.T) {
	s, out := shell(`printf '\000h\000\351\000\n\000x'`), &flowtest.Recorder{}
	s.Charset.Name = "UTF-16BE"
	run(t, s, out)
	wantBodies(t, out, "hé", "x")
}

func TestFullChannelsHoldTheCommandUp(t *testing.T) {
	refusals := 0
	out := &flowtest.Recorder{OnSend: func(context.Context, *event.Batch) error {
		if refusals++; refusals == 1 {
			return event.ErrFull
		}
		return nil
	}}
	s := shell("seq 1 50000")
	s.BatchSize = 5
	run(t, s, out)
	out.Wait(within(t), t, 50000)
	for i, got := range out.Bodies() {
		if got != fmt.Sprint(i+1) {
			t.Fatalf("line %d is %q", i+1, got)
		}
	}
}

func TestAPartialBatchWaitsNoLongerThanItsTimeout(t *testing.T) {
	s, out := shell("echo a; echo b; exec sleep 1000"), &flowtest.Recorder{}
	s.BatchSize, s.BatchTimeout = 100, 20*time.Millisecond
	run(t, s, out)
	wantBodies(t, out, "a", "b")
}

func TestLongLinesBecomeSeveralEvents(t *testing.T) {
	for name, command := range map[string]string{
		"at once":        "printf 'abcdefgh\\nabcd\\r\\nabcdef\\n\\nab'",
		"in many pieces": "for c in a b c d e f g h '\\n' a b c d '\\r\\n' a b c d e f '\\n' '\\n' a b; do printf $c; sleep 0.001; done",
	} {
		t.Run(name, func(t *testing.T) {
			s, out := shell(command), &flowtest.Recorder{}
			s.MaxLineLength = 4
			run(t, s, out)
			wantBodies(t, out, "abcd", "efgh", "abcd", "abcd", "ef", "", "ab")
		})
	}
}

func TestACommandThatEndsIsRunAgainIfAsked(t *testing.T) {
	s, out := shell("echo again; exit 3"), &flowtest.Recorder{}
	s.Restart = true
	_, log, stop := run(t, s, out)
	out.Wait(within(t), t, 3)
	stop()
	if !strings.Contains(log.String(), "exit status 3") {
		t.Errorf("log %q, want the status", log)
	}
}

func TestStopEndsTheGroupAndSendsWhatItPrinted(t *testing.T) {
	const told = "trap 'echo bye; exit' TERM; echo hello; while :; do sleep 0.01; done"
	for name, c := range map[string]struct {
		command  string
		patience time.Duration
	}{
		"ends when told":   {told, 10 * time.Second},
		"forks":            {"(" + told + ") &", 10 * time.Second},
		"has to be killed": {`trap '' TERM; printf 'hello\nbye\n'; sleep 1000; sleep 1000`, 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			s, out := shell(c.command), &flowtest.Recorder{}
			s.BatchSize, s.BatchTimeout = 2, 10*time.Millisecond
			_, _, stop := runPatiently(t, s, out, c.patience)
			out.Wait(within(t), t, 1)
			if err := stop(); err != nil {
				t.Errorf("Run: %v", err)
			}
			wantBodies(t, out, "hello", "bye")
		})
	}
}

func TestNobodyOfTheGroupIsLeft(t *testing.T) {
	s, out := shell("trap '' TERM; sh -c 'echo $$; sleep 1000' & echo $$; sleep 1000"), &flowtest.Recorder{}
	_, _, stop := run(t, s, out)
	out.Wait(within(t), t, 2)
	stop()
	for _, body := range out.Bodies() {
		pid, err := strconv.Atoi(body)
		if err != nil {
			t.Fatal(err)
		}
		awaitEnd(t, pid)
	}
}

// awaitEnd waits for the end of a process that has been killed, or told to end.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	for ctx := within(t); syscall.Kill(pid, 0) == nil && !zombie(pid); { // an orphan's zombie is init's
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			syscall.Kill(pid, syscall.SIGKILL)
			t.Fatalf("process %d is left", pid)
		}
	}
}

// TestWhatACommandLeavesBehindEndsWithIt: it has given up its output, and the command is gone.
func TestWhatACommandLeavesBehindEndsWithIt(t *testing.T) {
	for name, ignore := range map[string]string{"ends when told": "", "has to be killed": "trap '' TERM; "} {
		t.Run(name, func(t *testing.T) {
			s, out := shell("("+ignore+"exec >/dev/null 2>&1; sleep 1000; sleep 1000) & echo $!"), &flowtest.Recorder{}
			_, log, stop := run(t, s, out)
			out.Wait(within(t), t, 1)
			for ctx := within(t); !strings.Contains(log.String(), "command has ended"); {
				select {
				case <-time.After(time.Millisecond):
				case <-ctx.Done():
					t.Fatalf("the command has not ended: %s", log)
				}
			}
			pid, err := strconv.Atoi(out.Bodies()[0])
			if err != nil {
				t.Fatal(err)
			}
			awaitEnd(t, pid)
			stop()
		})
	}
}

func TestWhatIsRefusedAtStopIsCounted(t *testing.T) {
	tried := make(chan struct{}, 100)
	out := &flowtest.Recorder{OnSend: func(context.Context, *event.Batch) error {
		tried <- struct{}{}
		return event.ErrFull
	}}
	s := shell("echo a; echo b; exec sleep 1000")
	s.BatchSize = 2
	src, log, stop := run(t, s, out)
	<-tried
	stop()
	if got := src.lost.Value(); got != 2 {
		t.Errorf("%d lines counted as lost, want 2", got)
	}
	if !strings.Contains(log.String(), "lines=2") {
		t.Errorf("log %q, want that 2 lines are lost", log)
	}
}

func TestErrorsAreLoggedIfAsked(t *testing.T) {
	for _, ask := range []bool{true, false} {
		s, out := shell("echo oops >&2; echo "+strings.Repeat("x", 20000)+" >&2; echo done >&2; echo out"), &flowtest.Recorder{}
		s.LogStdErr = ask
		_, log, stop := run(t, s, out)
		out.Wait(within(t), t, 1)
		stop()
		for _, line := range []string{"StderrLogger[1] = 'oops'", "StderrLogger[3] = 'done'"} {
			if strings.Contains(log.String(), line) != ask {
				t.Errorf("logStdErr %v: log %.200q, want %q there: %v", ask, log, line, ask)
			}
		}
	}
}

func TestAMissingProgramEndsRun(t *testing.T) {
	s := shell("/nowhere/prog")
	s.Shell = ""
	src, err := New(registry.Env{Log: slog.New(slog.DiscardHandler), Metrics: metric.NewSet(metric.Source, "a1", "r1", "exec")}, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := src.Run(t.Context(), &flowtest.Recorder{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Run: %v, want %v", err, os.ErrNotExist)
	}
}

func TestFollowingAFileIsAdvisedAgainst(t *testing.T) {
	for command, want := range map[string][]string{
		"tail -F /var/log/nginx/access.log":          {"{path}.filegroups = f1", `{path}.filegroups.f1 = /var/log/nginx/access\\.log`},
		"tail -n 0 -F /a/b":                          {"{path}.filegroups = f1", "{path}.filegroups.f1 = /a/b"},
		"tail -f x.log":                              nil,
		"tail -F /var/log/*.log":                     nil,
		"/usr/bin/tail --follow=name -F /a/b /c | x": {"{path}.filegroups = f1 f2", "{path}.filegroups.f1 = /a/b", "{path}.filegroups.f2 = /c"},
	} {
		advice := (&Settings{Command: command}).Advice()
		if len(advice) != 1 || advice[0].Code != "FL501" {
			t.Errorf("%s: %+v, want FL501", command, advice)
			continue
		}
		if got := advice[0].Help[min(3, len(advice[0].Help)):]; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
	for _, command := range []string{"cat /a/b", "vmstat 1", "tail -n 5 /a/F"} {
		if advice := (&Settings{Command: command}).Advice(); advice != nil {
			t.Errorf("%s: %+v, want none", command, advice)
		}
	}
}
