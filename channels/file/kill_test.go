package file

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"goflume/internal/vfs"
	"goflume/internal/vfs/errfs"
)

// killDir names the environment variable that turns the test program into the process that is killed.
const killDir = "GOFLUME_KILLED_CHANNEL"

// killed puts numbered events from four goroutines and takes them with one, as fast as it can, and says on standard
// output what was answered: "p N" after a Put, "t N" before a Commit and "c" after it. It runs until it is killed.
func killed(dir, first string) {
	c := killable(dir)
	if err := c.Open(context.Background()); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	say := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = os.Stdout.WriteString(s)
	}
	n, _ := strconv.Atoi(first)
	next := make(chan int)
	for range 4 {
		go func() {
			for k := range next {
				if err := c.Put(context.Background(), numbered(k, 5)); err != nil {
					say("error " + err.Error() + "\n")
				}
				say(fmt.Sprintf("p %d\n", k))
			}
		}()
	}
	go func() {
		for i := 0; ; i++ {
			tx, err := c.Take(context.Background(), 8, 0)
			if err != nil {
				say("error " + err.Error() + "\n")
				return
			}
			line := "t"
			for _, e := range tx.Events() {
				line += fmt.Sprint(" ", numberedAs(&e))
			}
			say(line + "\n")
			if err := tx.Commit(); err != nil {
				say("error " + err.Error() + "\n")
			}
			say("c\n")
			if i%100 == 99 {
				c.housekeep(true)
			}
		}
	}()
	for ; ; n += 5 {
		next <- n
	}
}

// killAt names the environment variable that has the process kill itself in front of an operation on disk: the operation,
// a part of the file's name, and how many of them are let through.
const killAt = "GOFLUME_KILL_AT"

func killable(dir string) *Channel {
	s := defaults()
	s.CheckpointDir, s.DataDirs = filepath.Join(dir, "checkpoint"), []string{filepath.Join(dir, "data")}
	s.MinimumRequiredSpace, s.MaxFileSize, s.Capacity = 0, 1<<18, 5000
	return newChannel(testEnv(), s, suicidal())
}

// suicidal is the real disk, with the operation that killAt names.
func suicidal() vfs.FS {
	at := strings.Split(os.Getenv(killAt), ":")
	if len(at) != 3 {
		return vfs.OS{}
	}
	var n atomic.Int64
	first, _ := strconv.Atoi(at[2])
	return errfs.New(vfs.OS{}, func(c errfs.Call) error {
		if string(c.Op) == at[0] && strings.Contains(c.Name, at[1]) && n.Add(1) > int64(first) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	})
}

// books say what a channel whose process is killed has promised.
type books struct {
	put     map[int]bool // answered
	done    map[int]bool // acknowledged
	next    int
	doubles int // events in transactions that a kill interrupted
}

func newBooks() *books { return &books{put: map[int]bool{}, done: map[int]bool{}} }

// life runs the process until it is dead, and writes down what it said.
func (b *books) life(t *testing.T, dir, at string, after time.Duration) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^$")
	cmd.Env = append(os.Environ(), killDir+"="+dir, "GOFLUME_FIRST="+strconv.Itoa(b.next), killAt+"="+at)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	var open []int
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) == 0:
		case f[0] == "p" && len(f) == 2:
			k, _ := strconv.Atoi(f[1])
			for i := range 5 {
				b.put[k+i] = true
			}
			b.next = max(b.next, k+5)
		case f[0] == "t":
			open = nil
			for _, s := range f[1:] {
				k, err := strconv.Atoi(s)
				if err != nil || k < 0 {
					t.Fatalf("killed %s: %q", at, lines.Text())
				}
				if b.done[k] {
					t.Fatalf("killed %s: %d came after its acknowledgement", at, k)
				}
				open = append(open, k)
			}
		case f[0] == "c":
			for _, k := range open {
				b.done[k] = true
			}
			open = nil
		case f[0] == "error":
			t.Fatalf("killed %s: %s", at, lines.Text())
		}
	}
	_ = cmd.Wait()
	b.doubles += len(open)
	// What was put and not answered may be there: numbers are not used again. What was in the open transaction may
	// be acknowledged or not.
	for _, k := range open {
		delete(b.put, k)
	}
	b.next += 100
}

// audit takes all that is left and compares.
func (b *books) audit(t *testing.T, dir string) {
	t.Helper()
	c := killable(dir)
	check(t, c.Open(t.Context()))
	seen, last := map[int]bool{}, map[int]int{} // last: of each transaction of five
	for tx := take(t, c, 1000); tx != nil; tx = take(t, c, 1000) {
		for _, e := range tx.Events() {
			k := numberedAs(&e)
			if b.done[k] || seen[k] {
				t.Errorf("%d is there once more", k)
			}
			if before, ok := last[k/5]; ok && before >= k {
				t.Errorf("%d comes after %d", k, before)
			}
			last[k/5] = k
			seen[k] = true
		}
		check(t, tx.Commit())
	}
	mustClose(t, c)
	lost := 0
	for k := range b.put {
		if !b.done[k] && !seen[k] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d events were answered and are lost", lost)
	}
	t.Logf("%d events answered, %d acknowledged, %d in open transactions, %d left, %d lost", len(b.put), len(b.done), b.doubles, len(seen), lost)
}

// TestKill9 kills a process that puts and takes, again and again, on the real disk, and keeps the books: nothing that was
// answered is lost, nothing that was acknowledged comes back, what comes twice was in the transaction that was open.
func TestKill9(t *testing.T) {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	b := newBooks()
	for range killRounds {
		b.life(t, dir, "", time.Duration(5+rng.IntN(200))*time.Millisecond)
	}
	b.audit(t, dir)
}

// TestKilledInTheMiddle has the process kill itself in front of every kind of step that it makes on disk.
func TestKilledInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(3, 4))
	b := newBooks()
	for range killPoints {
		for at, most := range map[string]int{
			"create:seg-": 2, "create:ckpt-": 1, "write:seg-": 300, "write:ckpt-": 8, "datasync:seg-": 300, "datasync:ckpt-": 8,
			"truncate:seg-": 1, "remove:seg-": 4, "syncdir:": 4, "openread:": 3, "read:seg-": 3,
		} {
			b.life(t, dir, fmt.Sprintf("%s:%d", at, rng.IntN(most)), time.Second)
		}
	}
	b.audit(t, dir)
}

// killedImport names the environment variable that turns the test program into an import that is killed.
const killedImport = "GOFLUME_KILLED_IMPORT"

func importAndDie(dir string) {
	d := Dirs{Checkpoint: dir + "/clean/cp", Data: []string{dir + "/clean/data"}}
	if _, err := Import(context.Background(), suicidal(), d, testEnv().Log, false, nil); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestKilledImportIsDoneAgain kills an import in front of each kind of step, and then runs it to its end.
func TestKilledImportIsDoneAgain(t *testing.T) {
	for at, most := range map[string]int{
		"create:": 6, "write:": 7, "datasync:": 7, "rename:": 5, "remove:": 1, "syncdir:": 9, "mkdir:": 3, "lock:": 4,
	} {
		for n := 0; n < most; n += importKills {
			dir := t.TempDir()
			unpackOnDisk(t, "real.tgz", dir)
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^$")
			cmd.Env = append(os.Environ(), killedImport+"="+dir, fmt.Sprintf("%s=%s:%d", killAt, at, n))
			if out, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() >= 0 {
				t.Fatalf("%s:%d: %v %s", at, n, err, out)
			}
			s := defaults()
			s.CheckpointDir, s.DataDirs, s.MinimumRequiredSpace = dir+"/clean/cp", []string{dir + "/clean/data"}, 0
			c := newChannel(testEnv(), s, vfs.OS{})
			if err := c.Open(t.Context()); err != nil { // it was not far enough
				if _, err := Import(t.Context(), vfs.OS{}, Dirs{Checkpoint: s.CheckpointDir, Data: s.DataDirs}, testEnv().Log, false, nil); err != nil {
					t.Fatalf("%s:%d, second import: %v", at, n, err)
				}
				c = newChannel(testEnv(), s, vfs.OS{})
				check(t, c.Open(t.Context()))
			}
			if got := texts(t, c); got != realQueue {
				t.Errorf("%s:%d: %s", at, n, got)
			}
			mustClose(t, c)
		}
	}
}

// unpackOnDisk puts a fixture below a directory.
func unpackOnDisk(t *testing.T, name, dir string) {
	t.Helper()
	m := flumeDisk(t, name)
	var walk func(string)
	walk = func(at string) {
		names, err := m.List(at)
		check(t, err)
		check(t, os.MkdirAll(dir+at, 0o755))
		for _, n := range names {
			p := filepath.Join(at, n)
			b, err := vfs.ReadFile(m, p, 1<<30)
			if err != nil {
				walk(p)
				continue
			}
			check(t, os.WriteFile(dir+p, b, 0o644))
		}
	}
	walk("/")
}
