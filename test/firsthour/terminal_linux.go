package firsthour

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// terminal is one that commands are typed into. It shows what they print as a person sees it.
type terminal struct {
	dir string
	env []string

	cmd   *exec.Cmd
	ended chan struct{} // closed when the command has ended and all is read

	mu   sync.Mutex
	text []byte // shown since the command was typed
}

// openPTY returns both ends of a new pseudo-terminal (pty(7)).
func openPTY() (master, slave *os.File, err error) {
	const setLock, getNumber = 0x40045431, 0x80045430 // TIOCSPTLCK, TIOCGPTN
	if master, err = os.OpenFile("/dev/ptmx", os.O_RDWR, 0); err != nil {
		return nil, nil, err
	}
	var unlocked, number uint32
	for _, call := range []struct {
		request uintptr
		value   *uint32
	}{{setLock, &unlocked}, {getNumber, &number}} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), call.request, uintptr(unsafe.Pointer(call.value))); errno != 0 {
			master.Close()
			return nil, nil, fmt.Errorf("pseudo-terminal: %w", errno)
		}
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		master.Close()
	}
	return master, slave, err
}

// start types a command.
func (t *terminal) start(command string) error {
	master, slave, err := openPTY()
	if err != nil {
		return err
	}
	defer slave.Close()
	cmd := exec.Command("bash", "-c", command)
	cmd.Dir, cmd.Env = t.dir, t.env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		master.Close()
		return err
	}
	ended := make(chan struct{})
	t.cmd, t.ended, t.text = cmd, ended, nil
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			t.mu.Lock()
			t.text = append(t.text, buf[:n]...)
			t.mu.Unlock()
			if err != nil { // EIO once the last one has closed the other end
				return
			}
		}
	}()
	go func() {
		cmd.Wait()
		select {
		case <-read:
		case <-time.After(time.Second): // what it left in the background keeps the terminal open
		}
		master.Close()
		close(ended)
	}()
	return nil
}

// running reports whether a command is under way.
func (t *terminal) running() bool {
	if t.cmd == nil {
		return false
	}
	select {
	case <-t.ended:
		return false
	default:
		return true
	}
}

// endsWithin waits for the end of what runs, if anything does.
func (t *terminal) endsWithin(limit time.Duration) bool {
	if t.cmd == nil {
		return true
	}
	select {
	case <-t.ended:
		return true
	case <-time.After(limit):
		return false
	}
}

// interrupt presses Ctrl-C.
func (t *terminal) interrupt() { t.signal(syscall.SIGINT) }

func (t *terminal) signal(s syscall.Signal) {
	if t.running() {
		syscall.Kill(-t.cmd.Process.Pid, s)
	}
}

// end kills what runs.
func (t *terminal) end() {
	if t.running() {
		t.signal(syscall.SIGKILL)
		<-t.ended
	}
}

// lines are what it has shown since the command was typed; a last line without its end only once the command has ended.
func (t *terminal) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.ReplaceAll(string(t.text), "\r\n", "\n")
	lines := strings.Split(text, "\n")
	if last := len(lines) - 1; lines[last] == "" || t.running() {
		lines = lines[:last]
	}
	return lines
}

// clear forgets all that is shown; forget does so with the first n lines.
func (t *terminal) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = nil
}

func (t *terminal) forget(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for ; n > 0; n-- {
		_, t.text, _ = bytes.Cut(t.text, []byte("\n"))
	}
}
