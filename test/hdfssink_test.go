package test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/colinmarc/hdfs/v2"

	"goflume/conf"
	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/sinks"
	_ "goflume/sinks/hdfs"
	"goflume/test/service"
)

// hdfsSink makes an opened hdfs sink of key = value lines; it is not closed.
func hdfsSink(t *testing.T, state, lines string) (sinks.Sink, *metric.Set) {
	t.Helper()
	n := &conf.Node{Agent: "a", Family: "sinks", Name: "k1", Props: []conf.Property{{Key: "type", Value: "hdfs"}, {Key: "channel", Value: "c1"}}}
	for line := range strings.Lines(lines) {
		if k, v, ok := strings.Cut(line, "="); ok {
			n.Props = append(n.Props, conf.Property{Key: strings.TrimSpace(k), Value: strings.TrimSpace(v)})
		}
	}
	plan, issues := sinks.Registry.Decode(n)
	for _, i := range issues {
		if i.Severity == conf.Error {
			t.Fatalf("settings: %s", i.Message)
		}
	}
	set := metric.NewSet(metric.Sink, "a", "k1", "hdfs")
	s, err := plan.Build(registry.Env{Agent: "a", Name: "k1", StateDir: state, Metrics: set,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, set
}

// asFlumeUser has a sink without a configured user act as the superuser of the test's HDFS.
func asFlumeUser(t *testing.T) { t.Setenv("HADOOP_USER_NAME", service.User()) }

// lines of 200 bytes, numbered.
func lines(from, to int) []event.Event {
	all := make([]event.Event, 0, to-from)
	filler := strings.Repeat("x", 190)
	for i := from; i < to; i++ {
		all = append(all, event.Event{Body: fmt.Appendf(nil, "%09d %s", i, filler)})
	}
	return all
}

func header(key, value string) event.Header { return event.Header{Key: key, Value: value} }

// walkFiles returns the files below dir.
func walkFiles(t *testing.T, c *hdfs.Client, dir string) []string {
	t.Helper()
	var all []string
	err := c.Walk(dir, func(name string, fi os.FileInfo, err error) error {
		if err == nil && !fi.IsDir() {
			all = append(all, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// wantLines reads all files below dir: each of n numbered lines must be there. It returns how many came twice.
func wantLines(t *testing.T, c *hdfs.Client, dir string, n int) (twice int) {
	t.Helper()
	seen := make([]int, n)
	files := walkFiles(t, c, dir)
	for _, name := range files {
		if strings.HasSuffix(name, ".tmp") {
			t.Errorf("%s is left", name)
		}
		text, err := c.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		rest := bytes.Split(text, []byte("\n"))
		for i, line := range rest {
			num, _, _ := strings.Cut(string(line), " ")
			k, err := strconv.Atoi(num)
			switch {
			case len(line) == 0:
			case err != nil || k >= n || len(line) != 200:
				if i != len(rest)-1 { // the last may have been cut off by a crash; it was not acknowledged
					t.Errorf("%s: line %d is %.40q", name, i, line)
				}
			default:
				seen[k]++
			}
		}
	}
	missing := 0
	for _, k := range seen {
		if k == 0 {
			missing++
		}
		twice += max(k-1, 0)
	}
	if missing > 0 {
		t.Errorf("%d of %d lines are missing", missing, n)
	}
	t.Logf("%d lines in %d files, %d came again", n, len(files), twice)
	return twice
}

// deliver writes as the flow does: the same batch until it succeeds, with a Tick between batches.
func deliver(t *testing.T, s sinks.Sink, batch []event.Event, within time.Duration) (failures int) {
	t.Helper()
	for start := time.Now(); ; failures++ {
		if _, err := s.(sinks.Ticker).Tick(t.Context(), time.Now()); err != nil {
			t.Fatalf("Tick: %v", err)
		}
		err := s.Write(t.Context(), batch)
		if err == nil {
			return failures
		}
		t.Logf("failed: %v", err)
		if time.Since(start) > within {
			t.Fatalf("not delivered within %v", within)
		}
		pause(t, 500*time.Millisecond)
	}
}

// Files that are closed with the sink. With textFiles a call is given up soon, as where servers die.
const (
	calmFiles = "hdfs.fileType = DataStream\nhdfs.rollSize = 0\nhdfs.rollCount = 0\nhdfs.rollInterval = 0\nhdfs.batchSize = 1000\n"
	textFiles = calmFiles + "hdfs.callTimeout = 5000\n"
)

// awaitMended waits until no file is open or broken any more.
func awaitMended(t *testing.T, set *metric.Set, within time.Duration) {
	t.Helper()
	start := time.Now()
	for broken := set.Gauge("", "flume_sink_files_broken", ""); broken.Value() > 0; pause(t, 100*time.Millisecond) {
		if time.Since(start) > within {
			t.Fatalf("%v files are still broken after %v", broken.Value(), within)
		}
	}
	t.Logf("all files recovered after %v", time.Since(start).Round(time.Millisecond))
}

func TestRealHDFSSinkLosesNothingWhenServersDie(t *testing.T) {
	h := service.Start(t, service.HDFS{Datanodes: 3})
	asFlumeUser(t)
	const n = 200_000
	s, set := hdfsSink(t, t.TempDir(), textFiles+"hdfs.path = "+h.URL()+"/dies\nhdfs.rollSize = 8000000\n")
	failures := 0
	for i := 0; i < n; i += 1000 {
		switch i {
		case 50_000:
			h.Datanodes[0].Kill()
		case 100_000:
			if err := h.Datanodes[0].Restart(); err != nil {
				t.Fatal(err)
			}
			h.Namenode.Kill()
			if err := h.Namenode.Restart(); err != nil {
				t.Fatal(err)
			}
		case 150_000:
			h.Datanodes[2].Freeze()
		case 170_000:
			h.Datanodes[2].Thaw()
		}
		failures += deliver(t, s, lines(i, i+1000), 2*time.Minute)
	}
	if failures == 0 {
		t.Error("no batch failed: the test proves nothing")
	}
	awaitMended(t, set, 3*time.Minute)
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	wantLines(t, dialHDFS(t, h), "/dies", n)
}

func TestRealHDFSSinkFinishesWhatACrashLeft(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	asFlumeUser(t)
	state := t.TempDir()
	settings := calmFiles + "hdfs.path = " + h.URL() + "/crash/%{d}\n"
	dead, _ := hdfsSink(t, state, settings)
	for i := range 3 {
		batch := lines(1000*i, 1000*i+1000)
		for j := range batch {
			batch[j].Headers = []event.Header{{Key: "d", Value: strconv.Itoa(i)}}
		}
		deliver(t, dead, batch, 2*time.Minute)
	}
	client := dialHDFS(t, h)
	for _, name := range walkFiles(t, client, "/crash") {
		if !strings.HasSuffix(name, ".tmp") || !strings.HasPrefix(path.Base(name), "FlumeData.") {
			t.Errorf("%s is open, want FlumeData.*.tmp", name)
		}
	}
	// The process is gone: its lock is free, its journal is there. A copy of the state stands for that.
	after := t.TempDir()
	if err := os.CopyFS(after, os.DirFS(state)); err != nil {
		t.Fatal(err)
	}
	s, set := hdfsSink(t, after, settings)
	awaitMended(t, set, 3*time.Minute)
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	wantLines(t, client, "/crash", 3000)
	if err := dead.Close(t.Context()); err != nil {
		t.Logf("closing the one that lost its files: %v", err)
	}
}

// In safe mode a batch fails and the next try delivers it; its reason is told in one line. A pipeline that is shorter than
// `hdfs.minBlockReplicas` wants ends a file after each batch, 30 times.
func TestRealHDFSSinkWaitsOutSafeMode(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	asFlumeUser(t)
	const size, batches = 10, 40
	s, set := hdfsSink(t, t.TempDir(), calmFiles+"hdfs.minBlockReplicas = 4\nhdfs.path = "+h.URL()+"/safemode\n")
	if err := h.SafeMode(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	err := s.Write(t.Context(), lines(0, size))
	if err2 := h.SafeMode(context.WithoutCancel(t.Context()), false); err2 != nil {
		t.Fatal(err2)
	}
	if err == nil || !strings.Contains(err.Error(), "safe mode") {
		t.Errorf("Write in safe mode: %v, want an error that says so", err)
	}
	for i := range batches {
		deliver(t, s, lines(i*size, i*size+size), 2*time.Minute)
	}
	awaitMended(t, set, 3*time.Minute)
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	client := dialHDFS(t, h)
	if n := len(walkFiles(t, client, "/safemode")); n != 31 {
		t.Errorf("%d files, want 31", n)
	}
	if twice := wantLines(t, client, "/safemode", batches*size); twice != 0 {
		t.Errorf("%d lines came twice", twice)
	}
}
