package exec

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"goflume/event"
	"goflume/internal/charset"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/sources"
)

// floodLine is the length of a line of the flood, with its newline.
const floodLine = 212

// appendFlood appends line n.
func appendFlood(dst []byte, n int) []byte {
	dst = fmt.Appendf(dst, "%012d ", n)
	for len(dst)%floodLine < floodLine-1 {
		dst = append(dst, 'a'+byte(n%26))
	}
	return append(dst, '\n')
}

// flood prints numbered lines as fast as it can.
func flood() {
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	var line []byte
	for n := range floodBytes / floodLine {
		line = appendFlood(line[:0], n)
		out.Write(line)
	}
	out.Flush()
}

// slow is an Output that checks that the lines come in order, and now and then takes its time and looks at the memory.
type slow struct {
	t     *testing.T
	next  int
	sends int
	line  []byte
	peak  uint64 // bytes of the heap in use
	done  chan struct{}
}

func (s *slow) Send(_ context.Context, b *event.Batch) error {
	const look = 3000
	for i := range b.Events {
		s.line = appendFlood(s.line[:0], s.next)
		if got := b.Events[i].Body; !bytes.Equal(got, s.line[:floodLine-1]) {
			s.t.Errorf("line %d is %.40q", s.next, got)
		}
		s.next++
	}
	if s.sends++; s.sends%look == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		s.peak = max(s.peak, m.HeapInuse)
		runtime.GC()
	}
	if s.next == floodBytes/floodLine {
		close(s.done)
	}
	return nil
}

func (*slow) Limits() (most, room int) { return 0, -1 }

// TestAFloodIsHeldUpAndTakesLittleMemory: the command prints faster than the channels take.
func TestAFloodIsHeldUpAndTakesLittleMemory(t *testing.T) {
	t.Setenv("EXEC_TEST", "flood")
	out := &slow{t: t, done: make(chan struct{})}
	s := sources.Registry.Lookup("exec").Defaults.(Settings)
	s.Command = os.Args[0]
	began := time.Now()
	_, _, stop := run(t, s, out)
	<-out.done
	stop()
	t.Logf("%d lines, %d MB in %v, %d MB of heap at most", out.next, floodBytes>>20, time.Since(began).Round(time.Millisecond), out.peak>>20)
	if out.peak > 64<<20 {
		t.Errorf("%d MB of heap", out.peak>>20)
	}
}

// runUntilKilled is an agent that runs a command which tells its process and waits.
func runUntilKilled() {
	s := Settings{Command: "echo $$; exec sleep 1000", Shell: "/bin/sh -c", BatchSize: 1, BatchTimeout: time.Hour, Charset: charset.UTF8, MaxLineLength: 1 << 20}
	src, err := New(registry.Env{Log: slog.New(slog.DiscardHandler), Metrics: metric.NewSet(metric.Source, "a1", "r1", "exec")}, s)
	if err == nil {
		err = src.Run(context.Background(), printer{})
	}
	fmt.Println(err)
}

// printer is an Output that prints.
type printer struct{}

func (printer) Send(_ context.Context, b *event.Batch) error {
	for i := range b.Events {
		fmt.Printf("%s\n", b.Events[i].Body)
	}
	return nil
}

func (printer) Limits() (most, room int) { return 0, -1 }

func TestTheCommandEndsWithAnAgentThatIsKilled(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells the children")
	}
	agent := exec.Command(os.Args[0])
	agent.Env = append(os.Environ(), "EXEC_TEST=agent")
	out, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	agent.Wait()
	awaitEnd(t, pid)
}

// zombie tells whether the process has ended and its parent, init here, has not noticed.
func zombie(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && strings.Contains(string(status), "(zombie)")
}
