package dist

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// busyFlow is one agent with what calls the system in most ways. DIR stands for a folder.
const busyFlow = `a1.sources = net run spool tail
a1.channels = c1
a1.sinks = roll hdfs
a1.sources.net.type = netcat
a1.sources.net.bind = 127.0.0.1
a1.sources.net.port = 0
a1.sources.net.channels = c1
a1.sources.run.type = exec
a1.sources.run.shell = /bin/sh -c
a1.sources.run.command = echo run
a1.sources.run.channels = c1
a1.sources.spool.type = spooldir
a1.sources.spool.spoolDir = DIR/spool
a1.sources.spool.channels = c1
a1.sources.tail.type = taildir
a1.sources.tail.filegroups = g
a1.sources.tail.filegroups.g = DIR/tail/.*
a1.sources.tail.positionFile = DIR/positions
a1.sources.tail.channels = c1
a1.channels.c1.type = file
a1.channels.c1.checkpointDir = DIR/checkpoint
a1.channels.c1.dataDirs = DIR/data
a1.sinks.roll.type = file_roll
a1.sinks.roll.sink.directory = DIR/roll
a1.sinks.roll.channel = c1
a1.sinks.hdfs.type = hdfs
a1.sinks.hdfs.hdfs.path = file://DIR/hdfs
a1.sinks.hdfs.hdfs.fileType = DataStream
a1.sinks.hdfs.channel = c1
`

// TestRealUnitAllowsWhatAgentsCall compares the unit's filter, which only systemd itself could put in force, with what a
// busy agent calls.
func TestRealUnitAllowsWhatAgentsCall(t *testing.T) {
	need(t, "strace", "systemd-analyze")
	unit, err := os.ReadFile("../../packaging/files/goflume@.service")
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^SystemCallFilter=(~?)(.*)$`).FindAllStringSubmatch(string(unit), -1) {
		for set := range strings.FieldsSeq(m[2]) {
			for name := range calls(t, set) {
				allowed[name] = m[1] == ""
			}
		}
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"spool/a": "spooled\n", "tail/b": "tailed\n", "conf": strings.ReplaceAll(busyFlow, "DIR", dir)} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	unpacked := t.TempDir()
	unpack(t, the(t, "goflume-*-linux-ARCH.tar.gz"), unpacked, false)
	goflume := filepath.Join(unpacked, "goflume-1.2.3-linux-"+runtime.GOARCH, "bin/goflume")
	socket := "unix:" + filepath.Join(dir, "admin")
	t.Cleanup(func() { // strace leaves behind what it follows
		if pid, err := pidIn(filepath.Join(dir, "pid")); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	agent := start(t, exec.Command("strace", "--follow-forks", "--quiet=all", "--output="+filepath.Join(dir, "trace"), goflume,
		"run", "--conf-file", filepath.Join(dir, "conf"), "--admin", socket, "--state-dir", filepath.Join(dir, "state"), "--pid-file", filepath.Join(dir, "pid")))
	agent.send("sent")
	await(t, "delivery", func() bool {
		out, err := exec.Command("sh", "-c", `cat "$1"/roll/* "$1"/hdfs/* | grep -acE 'run|sent|spooled|tailed'`, "sh", dir).Output()
		return err == nil && strings.TrimSpace(string(out)) == "4"
	})
	if out, err := exec.Command(goflume, "health", "--ready", "--admin", socket).CombinedOutput(); err != nil {
		t.Errorf("health: %v %s", err, out)
	}
	pid, err := pidIn(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	agent.await("no component changed")
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil { // strace does not hand it on
		t.Fatal(err)
	}
	if err := <-agent.ended; err != nil {
		t.Errorf("the agent ended with %v", err)
	}
	trace, err := os.ReadFile(filepath.Join(dir, "trace"))
	if err != nil {
		t.Fatal(err)
	}
	called := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\d+ +([a-z_0-9]+)\(`).FindAllStringSubmatch(string(trace), -1) {
		called[m[1]] = true
	}
	if len(called) < 40 {
		t.Fatalf("%d calls seen, want those of an agent", len(called))
	}
	for name := range called {
		if !allowed[name] {
			t.Errorf("the unit's SystemCallFilter does not let through %s", name)
		}
	}
	if at := regexp.MustCompile(`(?m)^.*(mmap|mprotect)\(.*PROT_WRITE\|PROT_EXEC.*$`).FindString(string(trace)); at != "" {
		t.Errorf("MemoryDenyWriteExecute does not let through %s", at)
	}
}

// pidIn reads the file that --pid-file makes, which is gone with the agent.
func pidIn(name string) (int, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// calls are those of a set such as @system-service, or the call itself.
func calls(t *testing.T, set string) map[string]bool {
	t.Helper()
	if !strings.HasPrefix(set, "@") {
		return map[string]bool{set: true}
	}
	out, err := exec.Command("systemd-analyze", "--no-pager", "syscall-filter", set).Output()
	if err != nil {
		t.Fatalf("systemd-analyze syscall-filter %s: %v", set, err)
	}
	all := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		switch name := strings.TrimSpace(line); {
		case name == set, name == "", strings.HasPrefix(name, "#"):
		case strings.HasPrefix(name, "@"):
			for inner := range calls(t, name) {
				all[inner] = true
			}
		default:
			all[name] = true
		}
	}
	return all
}
