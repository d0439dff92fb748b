package dist

import (
	"bytes"
	"context"
	"net"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"goflume/internal/retry"
)

// running is an agent that a test has started.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended chan error

	mu  sync.Mutex
	log bytes.Buffer
}

// start starts the agent, which is gone after the test. Its log is shown where the test fails.
func start(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	r := &running{t: t, cmd: cmd, ended: make(chan error, 1)}
	cmd.Stderr, cmd.WaitDelay = r, 5*time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		r.ended <- cmd.Wait()
	}()
	t.Cleanup(func() {
		cmd.Process.Kill() // it may have ended
		<-gone
		if t.Failed() {
			t.Logf("log:\n%s", r.text())
		}
	})
	return r
}

// Write takes the log.
func (r *running) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

func (r *running) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// await waits until the log matches and returns the last group of the match.
func (r *running) await(pattern string) string {
	r.t.Helper()
	re := regexp.MustCompile(pattern)
	var found []string
	await(r.t, pattern, func() bool {
		found = re.FindStringSubmatch(r.text())
		return found != nil
	})
	return found[len(found)-1]
}

// signal sends the signal.
func (r *running) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// stop ends the agent, which has to end well.
func (r *running) stop() {
	r.t.Helper()
	r.signal(syscall.SIGTERM)
	if err := <-r.ended; err != nil {
		r.t.Errorf("the agent ended with %v", err)
	}
}

// send sends a line to the agent's netcat source, which has to answer OK.
func (r *running) send(line string) {
	r.t.Helper()
	c, err := net.Dial("tcp", r.await(`netcat (127\.0\.0\.1:\d+)`))
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(line + "\n")); err != nil {
		r.t.Fatal(err)
	}
	answer := make([]byte, 3)
	if _, err := c.Read(answer); err != nil || string(answer) != "OK\n" {
		r.t.Fatalf("answer %q (%v), want OK", answer, err)
	}
}

// await waits until it is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	for !so() {
		if retry.Sleep(ctx, 20*time.Millisecond) != nil {
			t.Fatal("waited four minutes for " + what)
		}
	}
}
