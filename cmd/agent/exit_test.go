package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fileChannel is the configuration of a file channel below dir, in front of a sink that is not there.
func fileChannel(t *testing.T, dir string) []string {
	return append(deadSink(t), "a1.channels.c1.type = file", "a1.channels.c1.capacity = 1000000", "a1.channels.c1.transactionCapacity = 100",
		"a1.channels.c1.checkpointDir = "+dir+"/cp", "a1.channels.c1.dataDirs = "+dir+"/data")
}

func TestChannelThatHasLostAFileEndsWith74(t *testing.T) {
	dir := t.TempDir()
	first := launchAgent(t, nil, "-f", config(t, fileChannel(t, dir)...))
	send(t, first.await(`INFO +r1 netcat (127\.0\.0\.1:\d+) `), "a", "b", "c")
	first.signal(syscall.SIGTERM)
	first.end(exitOK)
	logs, err := filepath.Glob(dir + "/data/*.fq")
	if err != nil || len(logs) == 0 {
		entries, _ := os.ReadDir(dir + "/data")
		t.Fatalf("no log in %v", entries)
	}
	for _, l := range logs {
		if err := os.Remove(l); err != nil {
			t.Fatal(err)
		}
	}
	second := launchAgent(t, nil, "-f", config(t, fileChannel(t, dir)...))
	second.end(exitIOErr)
	second.await(`ERROR +The channel cannot be opened, so nothing is started channel=c1 err=.*is in none of the dataDirs`)
}

func TestFolderThatCannotBeMadeEndsWith73(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := launchAgent(t, nil, "-f", config(t, fileChannel(t, file)...))
	p.end(exitCantCreate)
	pid := launchAgent(t, nil, "-f", config(t, "a1.sinks.k1.type = null"), "--pid-file", file+"/agent.pid")
	pid.end(exitCantCreate)
}

func TestBugEndsWith70(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	var out strings.Builder
	code := guarded(streams{err: &out}, func() int { panic("a test's") })
	if code != exitSoftware || !strings.Contains(out.String(), "panic: a test's") || !strings.Contains(out.String(), "exit_test.go") {
		t.Errorf("code %d, %s; want 70 and the stack", code, out.String())
	}
	if report, _ := filepath.Glob(dir + "/agent-crash-*.txt"); len(report) != 1 || !strings.Contains(out.String(), "please report it with "+report[0]) {
		t.Errorf("reports %v, said %s", report, out.String())
	}
	if code := guarded(streams{}, func() int { return exitOK }); code != exitOK {
		t.Errorf("code %d without a panic", code)
	}
}

// Standard output that takes nothing is told.
func TestOutputThatCannotBeWrittenEndsWith74(t *testing.T) {
	std := streams{out: brokenWriter{}, err: &strings.Builder{}}
	if code := dispatch("agent", []string{"validate", config(t, "a1.sinks.k1.type = null")}, std); code != exitIOErr {
		t.Errorf("code %d, want 74", code)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }
