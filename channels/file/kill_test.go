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
	"testing"
	"time"

	"goflume/internal/vfs"
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
				line += fmt.Sprint(" ", number0(&e))
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

func killable(dir string) *Channel {
	s := defaults()
	s.CheckpointDir, s.DataDirs = filepath.Join(dir, "checkpoint"), []string{filepath.Join(dir, "data")}
	s.MinimumRequiredSpace, s.MaxFileSize, s.Capacity = 0, 1<<18, 5000
	return newChannel(testEnv(), s, vfs.OS{})
}

// TestKill9 kills a process that puts and takes, again and again, on the real disk, and keeps the books: nothing that was
// answered is lost, nothing that was acknowledged comes back, what comes twice was in the transaction that was open.
func TestKill9(t *testing.T) {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	put := map[int]bool{}  // answered
	done := map[int]bool{} // acknowledged
	next, doubles := 0, 0
	for round := range killRounds {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^$")
		cmd.Env = append(os.Environ(), killDir+"="+dir, "GOFLUME_FIRST="+strconv.Itoa(next))
		out, err := cmd.StdoutPipe()
		check(t, err)
		check(t, cmd.Start())
		timer := time.AfterFunc(time.Duration(5+rng.IntN(200))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		var open []int
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			f := strings.Fields(lines.Text())
			switch {
			case len(f) == 0:
			case f[0] == "p" && len(f) == 2:
				k, _ := strconv.Atoi(f[1])
				for i := range 5 {
					put[k+i] = true
				}
				next = max(next, k+5)
			case f[0] == "t":
				open = nil
				for _, s := range f[1:] {
					k, err := strconv.Atoi(s)
					if err != nil || k < 0 {
						t.Fatalf("round %d: %q", round, lines.Text())
					}
					if done[k] {
						t.Fatalf("round %d: %d came after its acknowledgement", round, k)
					}
					open = append(open, k)
				}
			case f[0] == "c":
				for _, k := range open {
					done[k] = true
				}
				open = nil
			case f[0] == "error":
				t.Fatalf("round %d: %s", round, lines.Text())
			}
		}
		timer.Stop()
		_ = cmd.Wait()
		doubles += len(open)
		// What was put and not answered may be there: numbers are not used again. What was in the open transaction may
		// be acknowledged or not.
		for _, k := range open {
			delete(put, k)
		}
		next += 100
	}
	c := killable(dir)
	check(t, c.Open(t.Context()))
	seen, last := map[int]bool{}, map[int]int{} // last: of each transaction of five
	for tx := take(t, c, 1000); tx != nil; tx = take(t, c, 1000) {
		for _, e := range tx.Events() {
			k := number0(&e)
			if done[k] || seen[k] {
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
	for k := range put {
		if !done[k] && !seen[k] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d events were answered and are lost", lost)
	}
	t.Logf("%d kills, %d events answered, %d acknowledged, %d in open transactions, %d left, %d lost", killRounds, len(put), len(done), doubles, len(seen), lost)
}
