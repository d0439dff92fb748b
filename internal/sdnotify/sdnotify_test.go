package sdnotify

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// listen returns a manager that listens at the socket, and what it hears next.
func listen(t *testing.T, socket string) func() string {
	t.Helper()
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.SetReadDeadline(time.Now().Add(time.Minute))
	return func() string {
		t.Helper()
		buf := make([]byte, 4096)
		n, err := l.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
}

func env(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestManagerHearsEverything(t *testing.T) {
	for _, socket := range []string{filepath.Join(t.TempDir(), "notify"), "@" + t.TempDir()} {
		heard := listen(t, socket)
		m := New(env(map[string]string{"NOTIFY_SOCKET": socket}), 1)
		for _, step := range []struct {
			tell func()
			want string
		}{
			{func() { m.Ready("a1: 1 source") }, "^READY=1\nSTATUS=a1: 1 source$"},
			{m.Reloading, "^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*$"},
			{func() { m.Alive("two\nlines") }, "^WATCHDOG=1\nSTATUS=two lines$"},
			{func() { m.Extend(20*time.Second, "draining") }, "^EXTEND_TIMEOUT_USEC=20000000\nSTATUS=draining$"},
			{func() { m.Stopping("draining") }, "^STOPPING=1\nSTATUS=draining$"},
		} {
			step.tell()
			if got := heard(); !regexp.MustCompile(step.want).MatchString(got) {
				t.Errorf("the manager at %s heard %q, want %s", socket, got, step.want)
			}
		}
	}
}

func TestWatchdogIsForOneProcess(t *testing.T) {
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"30000000", "", 30 * time.Second},
		{"30000000", "7", 30 * time.Second},
		{"30000000", "8", 0},
		{"", "7", 0},
		{"0", "", 0},
		{"-5", "", 0},
		{"soon", "", 0},
	} {
		m := New(env(map[string]string{"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": c.usec, "WATCHDOG_PID": c.pid}), 7)
		if got := m.Watchdog(); got != c.want {
			t.Errorf("WATCHDOG_USEC=%s WATCHDOG_PID=%s: %v, want %v", c.usec, c.pid, got, c.want)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	for _, socket := range []string{"", "notify", "vsock:2:1", filepath.Join(t.TempDir(), "gone")} {
		m := New(env(map[string]string{"NOTIFY_SOCKET": socket}), 1)
		m.Ready("")
		m.Reloading()
		m.Alive("")
		m.Extend(time.Second, "")
		m.Stopping("")
		if d := m.Watchdog(); d != 0 {
			t.Errorf("%q watches for %v", socket, d)
		}
	}
	if m := New(env(nil), 1); m != nil {
		t.Errorf("a manager where there is none: %v", fmt.Sprint(m))
	}
}
