package file

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"

	"goflume/channels"
	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/vfs"
	"goflume/internal/vfs/memfs"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		killed(dir, os.Getenv("GOFLUME_FIRST"))
	}
	if dir := os.Getenv(killedImport); dir != "" {
		importAndDie(dir)
	}
	goleak.VerifyTestMain(m)
}

// nullWrites is a disk that keeps no log: for counting allocations that are not its own.
type nullWrites struct{ vfs.FS }

type nullFile struct{ vfs.File }

func (n nullWrites) Create(name string) (vfs.File, error) {
	f, err := n.FS.Create(name)
	return nullFile{f}, err
}

func (nullFile) WritevAt([][]byte, int64) error { return nil }

func testEnv() registry.Env {
	return registry.Env{
		Agent: "a1", Name: "c1", Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Metrics: metric.NewSet(metric.Channel, "a1", "c1", "file"),
	}
}

// small are settings with which a few events fill a log file.
func small() Settings {
	s := defaults()
	s.CheckpointDir, s.DataDirs = "/ch/checkpoint", []string{"/ch/data"}
	s.MaxFileSize, s.MinimumRequiredSpace, s.KeepAlive = 1<<16, 0, 0
	s.FsyncMaxDelay = 0
	return s
}

func mustOpen(t testing.TB, fsys vfs.FS, s Settings) *Channel {
	t.Helper()
	c := newChannel(testEnv(), s, fsys)
	if err := c.Open(context.Background()); err != nil {
		t.Fatalf("Open: %v", err)
	}
	return c
}

func mustClose(t testing.TB, c *Channel) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// numbered returns n events whose bodies are the numbers from first on, padded.
func numbered(first, n int) []event.Event {
	events := make([]event.Event, n)
	for i := range events {
		events[i] = event.Event{
			Headers: []event.Header{{Key: "n", Value: fmt.Sprint(first + i)}, {Key: "empty", Value: ""}},
			Body:    fmt.Appendf(nil, "%08d and some more text", first+i),
		}
	}
	return events
}

// numberedAs returns the number that numbered gave the event; -1: it did not make it.
func numberedAs(e *event.Event) int {
	n := -1
	if _, err := fmt.Sscanf(string(e.Body), "%08d and some more text", &n); err != nil {
		return -1
	}
	if h, ok := e.Header("n"); !ok || h != fmt.Sprint(n) || len(e.Headers) != 2 {
		return -1
	}
	return n
}

func mustPut(t testing.TB, c channels.Channel, events []event.Event) {
	t.Helper()
	if err := c.Put(context.Background(), events); err != nil {
		t.Fatalf("Put: %v", err)
	}
}

// take returns what is there, or nil.
func take(t testing.TB, c channels.Channel, n int) channels.Tx {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	tx, err := c.Take(ctx, n, 0)
	if err != nil && err != context.Canceled {
		t.Fatalf("Take: %v", err)
	}
	return tx
}

// drain takes and commits all there is and returns the numbers.
func drain(t testing.TB, c channels.Channel) []int {
	t.Helper()
	var all []int
	for {
		tx := take(t, c, 7)
		if tx == nil {
			return all
		}
		for i := range tx.Events() {
			all = append(all, numberedAs(&tx.Events()[i]))
		}
		if err := tx.Commit(); err != nil {
			t.Fatalf("Commit: %v", err)
		}
	}
}

// wantRun checks that got is first, first+1 ... of length n.
func wantRun(t testing.TB, got []int, first, n int) {
	t.Helper()
	if len(got) != n {
		t.Fatalf("%d events, want %d: %v", len(got), n, got)
	}
	for i, x := range got {
		if x != first+i {
			t.Fatalf("event %d is %d, want %d: %v", i, x, first+i, got)
		}
	}
}

func newDisk() *memfs.FS { return memfs.New() }
