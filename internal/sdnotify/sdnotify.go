// Package sdnotify tells the service manager how the process fares, in the datagrams of sd_notify(3): that it is ready,
// reloads or ends, what it does, and that it lives.
package sdnotify

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Manager is the service manager that started this process. A nil Manager, where there is none, is told nothing. What it
// does not hear is lost: nothing depends on it.
type Manager struct {
	addr     *net.UnixAddr
	watchdog time.Duration
}

// New returns the manager that the variables NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID tell of, nil if there is none.
// pid is that of this process: a watchdog that waits for another one is none.
func New(getenv func(string) string, pid int) *Manager {
	socket := getenv("NOTIFY_SOCKET")
	if !strings.HasPrefix(socket, "/") && !strings.HasPrefix(socket, "@") { // @ stands for an abstract socket
		return nil
	}
	m := &Manager{addr: &net.UnixAddr{Name: socket, Net: "unixgram"}}
	usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if whose := getenv("WATCHDOG_PID"); err == nil && usec > 0 && (whose == "" || whose == strconv.Itoa(pid)) {
		m.watchdog = time.Duration(usec) * time.Microsecond
	}
	return m
}

// Variables are those that New reads. The programs that this one starts must not have them.
var Variables = []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}

// Watchdog is the time within which the manager wants to hear Alive; 0 if it does not watch.
func (m *Manager) Watchdog() time.Duration {
	if m == nil {
		return 0
	}
	return m.watchdog
}

// Ready tells that the start, or a reload, has come to its end.
func (m *Manager) Ready(status string) { m.send("READY=1", state(status)) }

// Reloading tells that a reload has begun, which Ready ends. The manager wants the monotonic time in the same message.
func (m *Manager) Reloading() {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) == nil {
		m.send("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000))
	}
}

// Stopping tells that the end has begun.
func (m *Manager) Stopping(status string) { m.send("STOPPING=1", state(status)) }

// Alive answers the watchdog.
func (m *Manager) Alive(status string) { m.send("WATCHDOG=1", state(status)) }

// Extend asks that a start or a stop may take d longer, from now on.
func (m *Manager) Extend(d time.Duration, status string) {
	m.send(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()), state(status))
}

// state is the variable with what people read in systemctl status: one line.
func state(text string) string { return "STATUS=" + strings.ReplaceAll(text, "\n", " ") }

// sendTime bounds a send to a manager that does not read.
const sendTime = time.Second

func (m *Manager) send(lines ...string) {
	if m == nil {
		return
	}
	c, err := net.DialUnix(m.addr.Net, nil, m.addr)
	if err != nil {
		return
	}
	defer c.Close()
	c.SetWriteDeadline(time.Now().Add(sendTime))
	c.Write([]byte(strings.Join(lines, "\n")))
}
