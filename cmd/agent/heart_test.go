package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"goflume/agent"
	"goflume/internal/sdnotify"
)

// fakeManager is a service manager's socket.
type fakeManager struct {
	t    *testing.T
	path string
	conn *net.UnixConn
}

func newFakeManager(t *testing.T) *fakeManager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &fakeManager{t, path, conn}
}

// await reads until a message matches.
func (m *fakeManager) await(pattern string) {
	m.t.Helper()
	m.conn.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 4096)
	for {
		n, err := m.conn.Read(buf)
		if err != nil {
			m.t.Fatalf("waiting for %s: %v", pattern, err)
		}
		if regexp.MustCompile(pattern).Match(buf[:n]) {
			return
		}
	}
}

// silent fails where there is a message now.
func (m *fakeManager) silent() {
	m.t.Helper()
	raw, err := m.conn.SyscallConn()
	if err != nil {
		m.t.Fatal(err)
	}
	m.conn.SetReadDeadline(time.Time{})
	buf := make([]byte, 4096)
	var n int
	var heard error
	err = raw.Read(func(fd uintptr) bool { // a Read of its own would wait
		n, _, heard = syscall.Recvfrom(int(fd), buf, syscall.MSG_DONTWAIT)
		return true
	})
	if err != nil || !errors.Is(heard, syscall.EAGAIN) {
		m.t.Errorf("the manager heard %q (%v, %v), want nothing", buf[:max(n, 0)], err, heard)
	}
}

func TestServiceManagerHearsOfEverything(t *testing.T) {
	m := newFakeManager(t)
	// The exec source's command prints what it knows of the manager: nothing.
	seen := filepath.Join(t.TempDir(), "seen")
	file := filepath.Join(t.TempDir(), "flume.conf")
	text := strings.ReplaceAll(`a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = exec
a1.sources.r1.shell = /bin/sh -c
a1.sources.r1.command = echo "socket=$NOTIFY_SOCKET watchdog=$WATCHDOG_USEC" > SEEN
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = null
a1.sinks.k1.channel = c1
`, "SEEN", seen)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p := launchAgent(t, []string{"NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=300000"}, "-f", file)
	m.await("^READY=1\nSTATUS=1 source, 1 channel, 1 sink$")
	m.await(`^WATCHDOG=1` + "\n" + `STATUS=0 events/s in, 0 out; c1 0 %`)
	m.await(`^WATCHDOG=1` + "\n")
	p.signal(syscall.SIGHUP)
	m.await("^RELOADING=1\nMONOTONIC_USEC=[0-9]+$")
	m.await("^READY=1\n")
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(time.Millisecond) {
		if got, _ := os.ReadFile(seen); len(got) > 0 {
			break
		}
	}
	writeConfig(t, file, "a1.sinks.k1.type = nul")
	p.signal(syscall.SIGHUP)
	m.await("^READY=1\nSTATUS=reload refused: 1 error$")
	p.signal(syscall.SIGTERM)
	m.await("^STOPPING=1\nSTATUS=draining$")
	p.end(exitOK)
	if got, err := os.ReadFile(seen); string(got) != "socket= watchdog=\n" {
		t.Errorf("the exec source's command knows %q (%v), want nothing of the manager", got, err)
	}
}

func TestHeartIsSilentWhereTheMainLoopHangs(t *testing.T) {
	m := newFakeManager(t)
	env := map[string]string{"NOTIFY_SOCKET": m.path, "WATCHDOG_USEC": "30000"}
	r := &runner{
		launch:  launch{drainTimeout: time.Second},
		manager: sdnotify.New(func(name string) string { return env[name] }, 1),
		asked:   make(chan chan phase),
		agent:   agent.New(agent.Settings{Log: slog.New(slog.DiscardHandler)}),
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.heart(ctx)
	}()
	for _, step := range []struct {
		now  phase
		want string
	}{
		{starting, "^EXTEND_TIMEOUT_USEC=30000\nSTATUS=starting$"},
		{serving, "^WATCHDOG=1\nSTATUS=0 events/s in, 0 out$"},
		{serving, "^WATCHDOG=1\n"},
		{stopping, "^EXTEND_TIMEOUT_USEC=30000\nSTATUS=draining$"},
	} {
		answer := <-r.asked // the main loop has been asked and has not answered
		m.silent()
		answer <- step.now
		m.await(step.want)
	}
	cancel()
	<-ended
}
