package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// tap is a writer that takes nothing while it is shut.
type tap struct {
	mu   sync.Mutex
	text bytes.Buffer
	err  error
	shut chan struct{}
}

func (p *tap) Write(b []byte) (int, error) {
	if p.shut != nil {
		<-p.shut
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return 0, p.err
	}
	return p.text.Write(b)
}

func TestSpoutKeepsOrderAndLosesNothingThatIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out tap
		s := newSpout(&out)
		var want strings.Builder
		for i := range 20000 {
			line := strings.Repeat("x", i%200) + "\n"
			want.WriteString(line)
			if n, err := s.Write([]byte(line)); n != len(line) || err != nil {
				t.Fatalf("line %d: %d, %v", i, n, err)
			}
		}
		s.flush()
		if out.text.String() != want.String() {
			t.Error("what came out is not what went in")
		}
	})
}

func TestSpoutThatNobodyReadsKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &tap{shut: make(chan struct{})}
		s := newSpout(out)
		line := bytes.Repeat([]byte("y"), 1023)
		line = append(line, '\n')
		began := time.Now()
		for range 4096 {
			if _, err := s.Write(line); err == nil {
				t.Fatal("a line that nobody read counts as written")
			}
		}
		s.flush()
		if took := time.Since(began); took > 2*spoutPatience {
			t.Errorf("4 MiB took %v", took)
		}
		close(out.shut)
		synctest.Wait()
		if n, err := s.Write([]byte("again\n")); n != 6 || err != nil {
			t.Errorf("a line after that: %d, %v", n, err)
		}
		if got := strings.Count(out.text.String(), "y\n"); got < 1024 || got > 1025 {
			t.Errorf("%d lines came out, want the first 1 MiB", got)
		}
		if !strings.HasSuffix(out.text.String(), " lines of the log are left out here: nobody read it\nagain\n") {
			t.Error("the loss is not told")
		}
	})
}

func TestSpoutTellsOfAFailedWrite(t *testing.T) {
	out := &tap{err: errors.New("broken pipe")}
	s := newSpout(out)
	if _, err := s.Write([]byte("a\n")); !errors.Is(err, out.err) {
		t.Errorf("a failed write: %v", err)
	}
	out.err = nil
	if _, err := s.Write([]byte("b\n")); err != nil {
		t.Errorf("the write after it: %v", err)
	}
}

// Who starts the agent may never read its standard error: then neither events nor the end wait for the log.
func TestFullPipeOfTheLogHoldsUpNothing(t *testing.T) {
	log, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	file := config(t, "a1.sinks.k1.type = null")
	cmd := exec.Command("agent", "run", "-f", file)
	cmd.Env, cmd.Stderr = append(os.Environ(), "AGENT_STATE_DIR="+t.TempDir(), "AGENT_OPTS_FILE="+t.TempDir()+"/none"), stderr
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, stderr.Fd(), syscall.F_SETPIPE_SZ, 4096); errno != 0 {
		t.Fatal(errno)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() // it has ended
	stderr.Close()
	addr := readUntilReady(log)
	for range 300 {
		cmd.Process.Signal(syscall.SIGUSR1) // three lines each
		cmd.Process.Signal(syscall.SIGHUP)
		send(t, addr, "a", "b")
	}
	cmd.Process.Signal(syscall.SIGQUIT) // all goroutines
	ended := make(chan error, 1)
	cmd.Process.Signal(syscall.SIGTERM)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the agent ends with %v", err)
		}
	case <-time.After(patience):
		cmd.Process.Kill()
		t.Error("the agent waits for the reader of its log")
	}
}
