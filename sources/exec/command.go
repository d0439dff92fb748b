package exec

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// leftover is how long output is read after the command has ended or was killed, where a process that it left behind still
// has the pipe, and how long it is waited for what was killed.
const leftover = 100 * time.Millisecond

// command is a running process with a process group of its own.
type command struct {
	cmd      *exec.Cmd
	stdout   *os.File
	stderr   *os.File // nil: thrown away
	patience time.Duration
	unstop   func() bool

	running sync.WaitGroup
	status  error // once it runs no more
	logging sync.WaitGroup

	mu    sync.Mutex
	gone  bool // the group may be somebody else's by now
	timer *time.Timer
}

// start starts the command. When ctx ends, its group is told to end, and killed if it does not.
func start(ctx context.Context, s *Source) (*command, error) {
	argv := s.settings.argv()
	c := &command{cmd: exec.Command(argv[0], argv[1:]...), patience: s.patience}
	c.cmd.SysProcAttr = ownGroup()
	if err := c.start(s.settings.LogStdErr); err != nil {
		return nil, fmt.Errorf("starting the command: %w", err)
	}
	if c.stderr != nil {
		c.logging.Go(func() { logLines(s.log, c.stderr) })
	}
	c.unstop = context.AfterFunc(ctx, c.stop)
	return c, nil
}

// start starts the process on pipes that outlive it, so that waiting for it takes nothing away that was not read.
func (c *command) start(stderr bool) (err error) {
	var w, e *os.File
	if c.stdout, w, err = os.Pipe(); err != nil {
		return err
	}
	defer w.Close()
	c.cmd.Stdout = w
	if stderr {
		if c.stderr, e, err = os.Pipe(); err != nil {
			c.stdout.Close()
			return err
		}
		defer e.Close()
		c.cmd.Stderr = e
	}
	if err = c.run(); err != nil {
		c.close()
	}
	return err
}

// run starts the process on a thread that waits for it and lasts as long as it does.
func (c *command) run() error {
	started := make(chan error)
	c.running.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			c.status = c.cmd.Wait()
		}
	})
	return <-started
}

func (c *command) close() {
	c.stdout.Close()
	if c.stderr != nil {
		c.stderr.Close()
	}
}

// stop tells the group to end. What does not is killed.
func (c *command) stop() {
	c.signal(syscall.SIGTERM)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gone {
		c.timer = time.AfterFunc(c.patience, func() {
			c.signal(syscall.SIGKILL)
			c.stdout.SetReadDeadline(time.Now().Add(leftover))
		})
	}
}

func (c *command) signal(sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gone {
		syscall.Kill(-c.cmd.Process.Pid, sig)
	}
}

// wait waits for the end of the process, once its output has ended, ends what it left behind in its group, and returns what
// it ended with.
func (c *command) wait() error {
	c.running.Wait()
	c.endGroup()
	if c.stderr != nil {
		c.stderr.SetReadDeadline(time.Now().Add(leftover))
		c.logging.Wait()
	}
	c.unstop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	if c.timer != nil {
		c.timer.Stop()
	}
	c.close()
	return c.status
}

// endGroup ends what is left of the group. Nobody reads what it prints any more.
func (c *command) endGroup() {
	group := -c.cmd.Process.Pid
	const look = 2 * time.Millisecond
	sig, left := syscall.SIGTERM, c.patience
	for syscall.Kill(group, 0) == nil {
		if left == c.patience || left <= 0 {
			syscall.Kill(group, sig)
		}
		for { // the first process of a container is the parent of those that have none
			if pid, err := syscall.Wait4(group, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
		if left < -leftover {
			return // only what has ended, and waits for its parent
		}
		<-time.After(look)
		if left -= look; left <= 0 {
			sig = syscall.SIGKILL
		}
	}
}

// logLines logs what the command prints as errors, as Flume does; of a long line only the start.
func logLines(log *slog.Logger, r io.Reader) {
	const maxLogged = 8 << 10
	in := bufio.NewReaderSize(r, maxLogged)
	for n := 1; ; n++ {
		line, more, err := in.ReadLine()
		if err != nil {
			return
		}
		log.Info(fmt.Sprintf("StderrLogger[%d] = '%s'", n, line))
		for more && err == nil {
			_, more, err = in.ReadLine()
		}
	}
}
