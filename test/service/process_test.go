package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if how := os.Getenv("SERVICE_TEST_PARENT"); how != "" {
		parent(how)
		return
	}
	code := Main(m)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// parent starts a child, prints its number and panics or waits to be killed.
func parent(how string) {
	r, err := newRun("parent")
	if err != nil {
		panic(err)
	}
	p, err := r.Start(Command{Name: "child", Argv: []string{"sleep", "300"}})
	if err != nil {
		panic(err)
	}
	fmt.Println(p.Pid())
	if how == "panic" {
		panic("the test panics")
	}
	select {}
}

// testRun is a run in the test's own directories.
func testRun(t *testing.T) *Run {
	t.Helper()
	t.Setenv("GOFLUME_CACHE", t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	r, err := newRun("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.End(false) })
	return r
}

// alive reports whether a process runs; a zombie, which still takes signals, does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func awaitGone(t *testing.T, pid int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := Await(ctx, "death", func(context.Context) error {
		if alive(pid) {
			return fmt.Errorf("process %d is alive", pid)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func needProc(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("needs Linux")
	}
}

func TestEndKillsTheWholeGroup(t *testing.T) {
	needProc(t)
	r := testRun(t)
	p, err := r.Start(Command{Name: "sh", Argv: []string{"sh", "-c", "sleep 301 & echo $!; wait"}})
	if err != nil {
		t.Fatal(err)
	}
	var child int
	err = Await(t.Context(), "child", func(context.Context) error {
		text, err := os.ReadFile(p.Log())
		if err != nil {
			return err
		}
		child, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err
	}, p)
	if err != nil {
		t.Fatal(err)
	}
	p.Freeze() // a frozen process is killed too
	r.End(false)
	r.End(false)
	if p.Running() {
		t.Error("the process runs after End")
	}
	awaitGone(t, child)
	if _, err := os.Stat(r.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the run's directory is still there: %v", err)
	}
}

func TestChildrenDieWithTheTestBinary(t *testing.T) {
	needProc(t)
	for _, how := range []string{"kill", "panic"} {
		t.Run(how, func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "SERVICE_TEST_PARENT="+how, "TMPDIR="+t.TempDir())
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var child int
			if _, err := fmt.Fscan(out, &child); err != nil {
				t.Fatal(err)
			}
			if how == "kill" {
				cmd.Process.Kill()
			}
			io.Copy(io.Discard, out)
			if err := cmd.Wait(); err == nil {
				t.Error("the parent ended well")
			}
			awaitGone(t, child)
		})
	}
}

func TestAwaitTellsOfAnEarlyExit(t *testing.T) {
	r := testRun(t)
	p, err := r.Start(Command{Name: "doomed", Argv: []string{"sh", "-c", "echo out of luck; exit 3"}})
	if err != nil {
		t.Fatal(err)
	}
	err = Await(t.Context(), "luck", func(context.Context) error { return errors.New("not yet") }, p)
	if err == nil {
		t.Fatal("Await returned nil")
	}
	for _, want := range []string{"doomed", "exit status 3", "out of luck"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}

func TestAwaitGivesUpWithTheLastProbe(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := Await(ctx, "spring", func(context.Context) error { return errors.New("still snowing") })
	if err == nil || !strings.Contains(err.Error(), "still snowing") {
		t.Errorf("got %v, want the probe's error", err)
	}
}

func TestStopKillsWhatIgnoresTerm(t *testing.T) {
	r := testRun(t)
	p, err := r.Start(Command{Name: "deaf", Argv: []string{"sh", "-c", `trap "" TERM; echo up; while :; do sleep 1; done`}})
	if err != nil {
		t.Fatal(err)
	}
	if err := awaitLog(t.Context(), p, "up"); err != nil {
		t.Fatal(err)
	}
	p.Stop(50 * time.Millisecond)
	if status := p.State().Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		t.Errorf("ended with %v, want a kill", p.State())
	}
}

func TestFreezeReturnsWhenNothingMoves(t *testing.T) {
	needProc(t)
	r := testRun(t)
	p, err := r.Start(Command{Name: "busy", Argv: []string{"sh", "-c", "while :; do echo tick; done"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := awaitLog(t.Context(), p, "tick"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p.Freeze()
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
		if err != nil || !strings.Contains(string(stat), ") T ") {
			t.Errorf("state %.40q, %v; want T", stat, err)
		}
		p.Thaw()
	}
	p.Kill()
	p.Freeze() // of one that is gone
}

func TestRestartAppendsToTheLog(t *testing.T) {
	r := testRun(t)
	p, err := r.Start(Command{Name: "echo", Argv: []string{"echo", "hello"}})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Exited()
	if err := p.Restart(); err != nil {
		t.Fatal(err)
	}
	<-p.Exited()
	if text, _ := os.ReadFile(p.Log()); string(text) != "hello\nhello\n" {
		t.Errorf("log %q, want both lives", text)
	}
}

func TestSweepRemovesAbandonedRunsOnly(t *testing.T) {
	living := testRun(t)
	abandoned := filepath.Join(filepath.Dir(living.Dir), "hdfs-1")
	if err := os.Mkdir(abandoned, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(abandoned, "lock"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	next, err := newRun("next")
	if err != nil {
		t.Fatal(err)
	}
	defer next.End(false)
	if _, err := os.Stat(abandoned); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the abandoned run is still there: %v", err)
	}
	if _, err := os.Stat(living.Dir); err != nil {
		t.Errorf("the living run: %v", err)
	}
}

func TestEndKeepsLogs(t *testing.T) {
	r := testRun(t)
	p, err := r.Start(Command{Name: "echo", Argv: []string{"echo", "evidence"}})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Exited()
	r.End(true)
	kept, _ := filepath.Glob(filepath.Join(os.Getenv("GOFLUME_CACHE"), "failed", "*", "logs", "echo.log"))
	if len(kept) != 1 {
		t.Fatalf("kept logs: %v, want one", kept)
	}
	if text, _ := os.ReadFile(kept[0]); string(text) != "evidence\n" {
		t.Errorf("the kept log says %q", text)
	}
}

func TestPortIsFreeAndNotGivenTwice(t *testing.T) {
	r := testRun(t)
	seen := map[int]bool{}
	for range 50 {
		port := r.Port()
		if seen[port] {
			t.Errorf("port %d was given twice", port)
		}
		seen[port] = true
		ln, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			t.Errorf("port %d: %v", port, err)
			continue
		}
		ln.Close()
	}
}
