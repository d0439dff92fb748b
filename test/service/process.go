package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Process is one program of a server, in a process group of its own. It dies with the test binary. Its methods
// are called from one goroutine at a time.
type Process struct {
	Command

	dir  string
	log  string // file that standard output and error are appended to
	cmd  *exec.Cmd
	done chan struct{} // closed when the process is gone
}

// A Command says what a Process runs.
type Command struct {
	Name string   // of the process and of its log
	Argv []string // the program and its arguments
	Env  []string // KEY=value, added to the environment
	// NotRoot is for programs that refuse to run as root: they see another user, who owns the same files.
	NotRoot bool
}

// launcher runs functions on one thread that lives as long as the test binary: the kernel kills a child when the
// thread that forked it ends, not when the process does.
var launcher struct {
	mu    sync.Mutex
	calls chan func()
}

func onLauncher(f func() error) error {
	launcher.mu.Lock()
	defer launcher.mu.Unlock()
	if launcher.calls == nil {
		launcher.calls = make(chan func())
		go func(calls chan func()) {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			for call := range calls {
				call()
			}
		}(launcher.calls)
	}
	result := make(chan error, 1)
	launcher.calls <- func() { result <- f() }
	return <-result
}

// endLauncher ends the thread and with it whatever was started and not ended.
func endLauncher() {
	launcher.mu.Lock()
	defer launcher.mu.Unlock()
	if launcher.calls != nil {
		close(launcher.calls)
		launcher.calls = nil
	}
}

// start starts the process again or for the first time, on the same data and with the same arguments.
func (p *Process) start() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.Argv[0], p.Argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, log, log
	cmd.Env = append(os.Environ(), p.Env...)
	cmd.SysProcAttr = ownGroup()
	if p.NotRoot && os.Getuid() == 0 {
		pretendUser(cmd.SysProcAttr)
	}
	if err := onLauncher(cmd.Start); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	done := make(chan struct{})
	p.cmd, p.done = cmd, done
	go func() {
		awaitExit(cmd.Process.Pid)
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // children it left; not reaped yet, so the number is still ours
		cmd.Wait()
		close(done)
	}()
	return nil
}

// Pid is the process's number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Log is the file with all that the process printed, over all its lives.
func (p *Process) Log() string { return p.log }

// Exited is closed when the process is gone.
func (p *Process) Exited() <-chan struct{} { return p.done }

// Running reports whether the process is there, frozen or not.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// State describes how the process ended, "exit status 1"; it is called after Exited.
func (p *Process) State() *os.ProcessState { return p.cmd.ProcessState }

// Kill kills the process's group with SIGKILL and waits until it is gone.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// Freeze stops the process with SIGSTOP and returns when all its threads have stopped: its ports accept, nothing
// answers.
func (p *Process) Freeze() {
	p.signal(syscall.SIGSTOP)
	if p.Running() {
		awaitStopped(p.Pid())
	}
}

// Thaw continues a frozen process.
func (p *Process) Thaw() { p.signal(syscall.SIGCONT) }

// Signal sends any signal to the process alone, not to its children.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Stop ends the process with SIGTERM and, where that takes longer than grace, with SIGKILL.
func (p *Process) Stop(grace time.Duration) {
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGCONT)
	select {
	case <-p.done:
	case <-time.After(grace):
		p.Kill()
	}
}

// Restart starts a process that has ended again, on the same data and ports. It does not wait until it is ready.
func (p *Process) Restart() error {
	if p.Running() {
		return fmt.Errorf("restart %s: process %d is running", p.Name, p.Pid())
	}
	return p.start()
}

// signal signals the group. The waiter reaps only after the group is gone, so the number cannot be another's.
func (p *Process) signal(sig syscall.Signal) {
	if p.Running() {
		syscall.Kill(-p.Pid(), sig)
	}
}

// tail returns the last lines of the process's log, indented.
func (p *Process) tail(lines int) string {
	text, err := readEnd(p.log, 64<<10)
	if err != nil {
		return "\t" + err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	all = all[max(0, len(all)-lines):]
	return "\t" + strings.Join(all, "\n\t")
}

// readEnd returns at most the last n bytes of a file.
func readEnd(name string, n int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	text := make([]byte, min(n, info.Size()))
	_, err = f.ReadAt(text, info.Size()-int64(len(text)))
	return text, err
}

// probeEvery is the pause between two looks at a server that is not ready yet.
const probeEvery = 100 * time.Millisecond

// Await calls probe until it returns nil. It gives up when ctx is done or one of the processes has ended, with
// the end of the log in the error.
func Await(ctx context.Context, what string, probe func(context.Context) error, processes ...*Process) error {
	for {
		for _, p := range processes {
			if !p.Running() {
				return fmt.Errorf("await %s: %s ended with %v; its log ends with\n%s", what, p.Name, p.State(), p.tail(25))
			}
		}
		once, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := probe(once)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(probeEvery):
			continue
		case <-ctx.Done():
		}
		var b strings.Builder
		fmt.Fprintf(&b, "await %s: %v; last seen: %v", what, context.Cause(ctx), err)
		for _, p := range processes {
			fmt.Fprintf(&b, "\n%s, its log ends with\n%s", p.Name, p.tail(10))
		}
		return errors.New(b.String())
	}
}

// awaitPort waits until p listens on a port of 127.0.0.1.
func awaitPort(ctx context.Context, port int, p *Process) error {
	return awaitAddr(ctx, fmt.Sprintf("127.0.0.1:%d", port), p)
}

// awaitAddr waits until p listens on a host:port.
func awaitAddr(ctx context.Context, addr string, p *Process) error {
	return Await(ctx, fmt.Sprintf("%s of %s", addr, p.Name), func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", addr)
		if err == nil {
			conn.Close()
		}
		return err
	}, p)
}

// Tool runs a program to its end and returns what it printed. The error carries its output.
func (r *Run) Tool(ctx context.Context, c Command) (string, error) {
	p, err := r.Start(c)
	if err != nil {
		return "", err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		p.Kill()
		return "", fmt.Errorf("%s: %w; it printed\n%s", c.Name, context.Cause(ctx), p.tail(25))
	}
	if !p.State().Success() {
		return "", fmt.Errorf("%s: %v; it printed\n%s", c.Name, p.State(), p.tail(25))
	}
	text, err := os.ReadFile(p.log)
	return string(text), err
}

// logName is where the process of that name logs.
func (r *Run) logName(process string) string { return filepath.Join(r.Dir, "logs", process+".log") }
