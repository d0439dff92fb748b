package service

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A Run is one life of a server: a directory of its own and the processes in it.
type Run struct {
	// Dir holds conf/, logs/ and what the server itself creates.
	Dir string

	name      string
	javaFlags []string // for every Java program started from now on
	lock      *os.File // held while the run lives, so that others can tell an abandoned directory

	mu        sync.Mutex
	processes []*Process
	ports     map[int]bool
	mounts    []string // directories
	ended     bool
}

// keptRuns is how many runs' logs are kept after failures.
const keptRuns = 20

// newRun makes the directory of a run and removes those whose owners were killed.
func newRun(name string) (*Run, error) {
	runs := runsDir()
	if err := os.MkdirAll(runs, 0o700); err != nil {
		return nil, err
	}
	unlock, err := lockFile(runs + ".lock")
	if err != nil {
		return nil, err
	}
	defer unlock()
	sweep(runs)
	dir, err := os.MkdirTemp(runs, name+"-")
	if err != nil {
		return nil, err
	}
	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return nil, fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	for _, sub := range []string{"conf", "logs", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	return &Run{Dir: dir, name: name, lock: lock, ports: map[int]bool{}}, nil
}

// runsDir is where runs live: in $TMPDIR, else in /var/tmp. Not below the cache, because Hive does not see files below
// a directory that begins with a dot, nor in /tmp, where Elasticsearch does not run and which may be memory.
func runsDir() string {
	dir := os.Getenv("TMPDIR")
	if dir == "" {
		dir = "/var/tmp"
	}
	return filepath.Join(dir, fmt.Sprintf("goflume-run-%d", os.Getuid()))
}

// sweep removes the directories that no living process has locked.
func sweep(runs string) {
	locks, _ := filepath.Glob(filepath.Join(runs, "*", "lock"))
	for _, name := range locks {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.RemoveAll(filepath.Dir(name))
		}
		f.Close()
	}
}

// Start starts a process in the run's directory.
func (r *Run) Start(c Command) (*Process, error) {
	p := &Process{Command: c, dir: r.Dir, log: r.logName(c.Name)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return nil, fmt.Errorf("start %s: the run has ended", c.Name)
	}
	if err := p.start(); err != nil {
		return nil, err
	}
	r.processes = append(r.processes, p)
	return p, nil
}

// End kills every process of the run and removes its directory; with keep the logs and configuration stay and
// their place is printed. It is safe to call twice.
func (r *Run) End(keep bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	r.ended = true
	for _, p := range r.processes {
		p.signal(syscall.SIGKILL)
	}
	for _, p := range r.processes {
		<-p.done
	}
	for _, dir := range r.mounts {
		if err := exec.Command("umount", "-l", dir).Run(); err != nil {
			say("%s: unmounting %s: %v", r.name, dir, err)
		}
	}
	if keep {
		r.keepLogs()
	}
	os.RemoveAll(r.Dir)
	r.lock.Close()
}

// keepLogs copies logs and configuration to failed/ in the cache.
func (r *Run) keepLogs() {
	cache, err := CacheDir()
	if err != nil {
		say("%s: keeping the logs: %v", r.name, err)
		return
	}
	failed := filepath.Join(cache, "failed")
	kept := filepath.Join(failed, time.Now().Format("20060102-150405-")+filepath.Base(r.Dir))
	for _, sub := range []string{"logs", "conf"} {
		if err := os.CopyFS(filepath.Join(kept, sub), os.DirFS(filepath.Join(r.Dir, sub))); err != nil {
			say("%s: keeping the logs: %v", r.name, err)
			return
		}
	}
	say("%s: logs are kept in %s", r.name, kept)
	old, _ := filepath.Glob(filepath.Join(failed, "*"))
	slices.Sort(old)
	for _, dir := range old[:max(0, len(old)-keptRuns)] {
		os.RemoveAll(dir)
	}
}

// Ports are picked below the range that the kernel takes for outgoing connections, so that only another server
// can take one between choosing and binding.
const (
	firstPort = 12000
	lastPort  = 31000
)

// Port returns a TCP port that was free just now and that the run has not given out before.
func (r *Run) Port() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if r.ports[port] {
			continue
		}
		ln, err := net.Listen("tcp4", fmt.Sprintf(":%d", port))
		if err != nil {
			continue
		}
		ln.Close()
		r.ports[port] = true
		return port
	}
}

// sawTakenPort reports whether a log tells of a port that another process holds.
func (r *Run) sawTakenPort() bool {
	logs, _ := filepath.Glob(filepath.Join(r.Dir, "logs", "*.log"))
	for _, name := range logs {
		text, err := readEnd(name, 256<<10)
		if err != nil {
			continue
		}
		for _, sign := range []string{"Address already in use", "BindException", "address already in use"} {
			if bytes.Contains(text, []byte(sign)) {
				return true
			}
		}
	}
	return false
}

// WriteFile writes a file below the run's directory and returns its full name.
func (r *Run) WriteFile(name, text string) (string, error) {
	full := filepath.Join(r.Dir, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		return "", err
	}
	return full, os.WriteFile(full, []byte(text), 0o644)
}
