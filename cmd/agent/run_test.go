package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// patience is how long what takes a moment may take on a slow machine.
const patience = time.Minute

// process is a running agent.
type process struct {
	t   *testing.T
	cmd *exec.Cmd

	mu     sync.Mutex
	output bytes.Buffer // standard error
	more   chan struct{}
}

// launchAgent starts the agent with the arguments.
func launchAgent(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	cmd := exec.Command("agent", args...)
	cmd.Env = append(os.Environ(), env...)
	return launchCommand(t, cmd)
}

// launchCommand starts a command that is or becomes the agent.
func launchCommand(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, more: make(chan struct{}, 1)}
	p.cmd.Env = append(p.cmd.Environ(), "AGENT_STATE_DIR="+t.TempDir(), "AGENT_OPTS_FILE="+t.TempDir()+"/none")
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.cmd.Process.Kill() // it may have ended
		p.cmd.Wait()
	})
	return p
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.output.Write(b)
	select {
	case p.more <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// await waits until the log matches and returns the first group of the match.
func (p *process) await(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	timeout := time.After(patience)
	for {
		if m := re.FindStringSubmatch(p.text()); m != nil {
			return m[len(m)-1]
		}
		select {
		case <-p.more:
		case <-timeout:
			p.t.Fatalf("no line that matches %s in:\n%s", pattern, p.text())
		}
	}
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("signal %v: %v", s, err)
	}
}

// end waits for the process and checks its exit code.
func (p *process) end(want int) {
	p.t.Helper()
	timer := time.AfterFunc(patience, func() { p.cmd.Process.Signal(syscall.SIGABRT) })
	defer timer.Stop()
	p.cmd.Wait() // the code says how it went
	if got := p.cmd.ProcessState.ExitCode(); got != want {
		p.t.Errorf("exit code %d, want %d:\n%s", got, want, p.text())
	}
}

// send sends lines to a netcat source and returns its answers.
func send(t *testing.T, addr string, lines ...string) []string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	var answers []string
	for _, line := range lines {
		fmt.Fprintln(conn, line)
		answer, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("answer to %q: %v", line, err)
		}
		answers = append(answers, strings.TrimSpace(answer))
	}
	return answers
}

// config writes a configuration of netcat, memory and the sink given by its lines, and returns its path.
func config(t *testing.T, sink ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flume.conf")
	writeConfig(t, path, sink...)
	return path
}

func writeConfig(t *testing.T, path string, sink ...string) {
	t.Helper()
	text := `a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = 0
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.channels.c1.capacity = 1000
a1.sinks.k1.channel = c1
` + strings.Join(sink, "\n") + "\n"
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

const sourceAt = `INFO +r1 netcat (127\.0\.0\.1:\d+) ──▶ c1 memory 1000/100 ──▶ k1 `

func TestRunToTheEnd(t *testing.T) {
	p := launchAgent(t, nil, "-f", config(t, "a1.sinks.k1.type = logger"), "-Xmx64m")
	addr := p.await(sourceAt)
	p.await(`INFO +ready in \d+ ms$`)
	if got := send(t, addr, "hello flume", "second\r"); !slices.Equal(got, []string{"OK", "OK"}) {
		t.Errorf("answers %v, want OK twice", got)
	}
	p.await(regexp.QuoteMeta(`[k1] Event: { headers:{} body: 68 65 6C 6C 6F 20 66 6C 75 6D 65                hello flume }`) + "$")
	p.signal(syscall.SIGTERM)
	p.end(exitOK)
	p.await(`INFO +agent \S+, configuration \S+/flume.conf, agent a1 \(the only one in the file\)$`)
	p.await(`INFO +draining: sources stopped, memory channels empty, sinks closed · 2 received, 2 delivered, 0 left · bye$`)
	for _, bad := range []string{"ERROR", "WARN"} {
		if strings.Contains(p.text(), bad) {
			t.Errorf("a healthy run logs %s:\n%s", bad, p.text())
		}
	}
}

func TestReloadByChangeAndBySignal(t *testing.T) {
	file := config(t, "a1.sinks.k1.type = logger")
	p := launchAgent(t, nil, "-f", file, "-n", "a1")
	addr := p.await(sourceAt)
	p.await("ready in")

	writeConfig(t, file, "a1.sinks.k1.type = logger", "a1.sinks.k1.maxBytesToLog = 4")
	p.await(`INFO +reload of \S+/flume.conf: generation 2: sink k1 changed$`)
	send(t, addr, "hello")
	p.await(regexp.QuoteMeta("body: 68 65 6C 6C                                     hell }") + "$")

	p.signal(syscall.SIGHUP)
	p.await(`INFO +reload of \S+/flume.conf: generation 3: no component changed$`)

	writeConfig(t, file, "a1.sinks.k1.type = loger")
	p.await(`^error\[FL210\]: unknown sink type "loger"$`)
	p.await(`ERROR +reload of \S+/flume.conf refused: 1 error; still running generation 3 \(loaded \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\)$`)
	send(t, addr, "still")
	p.await(`body: 73 74 69 6C +stil }$`)

	p.signal(syscall.SIGQUIT)
	p.await(`^goroutine \d+ \[`)
	p.signal(syscall.SIGUSR1)
	p.await(`INFO +sink k1 RUNNING$`)
	p.signal(syscall.SIGINT)
	p.end(exitOK)
}

func TestNoReload(t *testing.T) {
	file := config(t, "a1.sinks.k1.type = logger")
	p := launchAgent(t, nil, "-f", file, "--no-reload-conf", "-i", "1")
	p.await("ready in")
	writeConfig(t, file, "a1.sinks.k1.type = null")
	p.signal(syscall.SIGHUP) // reloads all the same, and only once
	p.await(`generation 2: sink k1 changed$`)
	p.signal(syscall.SIGTERM)
	p.end(exitOK)
	if got := strings.Count(p.text(), "reload of"); got != 1 {
		t.Errorf("%d reloads, want the one by SIGHUP:\n%s", got, p.text())
	}
}

// deadSink is a sink whose destination is not there.
func deadSink(t *testing.T) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"a1.sinks.k1.type = file_roll", "a1.sinks.k1.sink.directory = " + file + "/below"}
}

func TestEventsLeftInMemoryEndWith75(t *testing.T) {
	p := launchAgent(t, nil, "-f", config(t, deadSink(t)...), "--drain-timeout", "4s") // half of it is for the sources
	send(t, p.await(sourceAt), "a", "b", "c")
	p.signal(syscall.SIGTERM)
	p.end(exitTempFail)
	p.await(`ERROR +draining: sources stopped, c1 held 3, sinks closed · 3 received, 0 delivered, 3 left · bye$`)
}

func TestFarewellTellsDroppedFromDelivered(t *testing.T) {
	p := launchAgent(t, nil, "-f", config(t, "a1.sinks.k1.type = hdfs", "a1.sinks.k1.hdfs.path = file://"+t.TempDir()+"/%Y", "a1.sinks.k1.onError = drop"))
	send(t, p.await(sourceAt), "a", "b", "c")
	p.signal(syscall.SIGTERM)
	p.end(exitOK)
	p.await(` 3 received, 0 delivered, 3 dropped, 0 left · bye$`)
}

func TestSecondSignalStopsNow(t *testing.T) {
	p := launchAgent(t, nil, "-f", config(t, deadSink(t)...))
	send(t, p.await(sourceAt), "a")
	p.signal(syscall.SIGTERM)
	p.await("stopping: ")
	began := time.Now()
	p.signal(syscall.SIGTERM)
	p.end(exitTempFail)
	if took := time.Since(began); took > 25*time.Second {
		t.Errorf("took %v after the second signal", took)
	}
}

// A source that tells nothing keeps the start waiting for a moment: that is when the signal comes.
func TestSignalDuringTheStartStops(t *testing.T) {
	file := filepath.Join(t.TempDir(), "flume.conf")
	text := "a1.sources = r1\na1.channels = c1\na1.sinks = k1\na1.sources.r1.type = seq\na1.sources.r1.channels = c1\n" +
		"a1.channels.c1.type = memory\na1.sinks.k1.type = null\na1.sinks.k1.channel = c1\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, nil, nil, {"--require-healthy"}} {
		p := launchAgent(t, nil, append([]string{"-f", file}, args...)...)
		p.await("INFO +agent .*, configuration ")
		p.signal(syscall.SIGTERM)
		p.end(exitOK)
		p.await(" 0 left · bye$")
	}
}

// Who opens a pipe that nobody writes to waits for ever, as with a file server that is away.
func TestConfigurationThatCannotBeReadDoesNotHoldUpTheEnd(t *testing.T) {
	file := config(t, "a1.sinks.k1.type = null")
	p := launchAgent(t, nil, "-f", file)
	p.await("ready in")
	if err := syscall.Mkfifo(file+".new", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGHUP) // its reload reads the file too
	var pipe int
	for err := syscall.ENXIO; err == syscall.ENXIO; <-time.After(time.Millisecond) { // until somebody reads it
		var open error
		if pipe, open = syscall.Open(file, syscall.O_WRONLY|syscall.O_NONBLOCK, 0); open == nil {
			break
		}
		err, _ = open.(syscall.Errno)
	}
	defer syscall.Close(pipe)
	p.signal(syscall.SIGTERM)
	p.end(exitOK)
	p.await("is left behind$")
}

func TestEndOfWhoReadsTheLogEndsNothing(t *testing.T) {
	log, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	file := config(t, "a1.sinks.k1.type = null")
	cmd := exec.Command("agent", "run", "-f", file)
	cmd.Env, cmd.Stderr = append(os.Environ(), "AGENT_STATE_DIR="+t.TempDir(), "AGENT_OPTS_FILE="+t.TempDir()+"/none"), stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() // it has ended
	stderr.Close()
	addr := readUntilReady(log)
	log.Close()
	for range 3 {
		cmd.Process.Signal(syscall.SIGUSR1) // it logs
		if got := send(t, addr, "a", "b"); !slices.Equal(got, []string{"OK", "OK"}) {
			t.Errorf("answers %v, want OK twice", got)
		}
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the agent ends with %v", err)
	}
}

// readUntilReady reads the log until the agent runs, and returns the address of its source.
func readUntilReady(log io.Reader) (addr string) {
	for in := bufio.NewScanner(log); !strings.Contains(in.Text(), "ready in") && in.Scan(); {
		if m := regexp.MustCompile(sourceAt).FindStringSubmatch(in.Text()); m != nil {
			addr = m[1]
		}
	}
	return addr
}

func TestRequireHealthy(t *testing.T) {
	p := launchAgent(t, nil, "-f", config(t, deadSink(t)...), "--require-healthy")
	p.end(exitUnavailable)
	p.await(`ERROR +Not healthy, as was required: sink k1 BACKOFF: `)
	ok := launchAgent(t, nil, "-f", config(t, "a1.sinks.k1.type = null"), "--require-healthy")
	ok.await("ready in")
	ok.signal(syscall.SIGTERM)
	ok.end(exitOK)
}

func TestChannelThatCannotBeUsedEndsWith73(t *testing.T) {
	dir := t.TempDir()
	file := []string{"a1.sinks.k1.type = null", "a1.channels.c1.type = file", "a1.channels.c1.transactionCapacity = 100", "a1.channels.c1.checkpointDir = " + dir + "/cp", "a1.channels.c1.dataDirs = " + dir + "/data"}
	first := launchAgent(t, nil, "-f", config(t, file...))
	first.await("ready in")
	second := launchAgent(t, nil, "-f", config(t, file...))
	second.end(exitCantCreate)
	second.await(`ERROR +The channel cannot be opened, so nothing is started channel=c1 err=`)
	first.signal(syscall.SIGTERM)
	first.end(exitOK)
}

func TestMonitoring(t *testing.T) {
	p := launchAgent(t, nil, "-f", config(t, "a1.sinks.k1.type = logger"),
		"-Dflume.monitoring.type=http", "-Dflume.monitoring.port=0", "-Dflume.monitoring.host=127.0.0.1")
	url := p.await(`Metrics at (http://127\.0\.0\.1:\d+)/metrics$`)
	addr := p.await(sourceAt)
	p.await("ready in")
	if text := p.text(); strings.Index(text, "Metrics at") > strings.Index(text, "r1 ") {
		t.Errorf("the line about metrics stands behind those of the flow:\n%s", text)
	}
	send(t, addr, "one", "two", "three", "four")
	p.await(`four }$`)

	var got, flume map[string]map[string]string
	committed := func() bool { // the last event is logged before, and a page is not of one moment
		return got["SINK.k1"]["EventDrainSuccessCount"] == "4" && got["CHANNEL.c1"]["EventTakeSuccessCount"] == "4" && got["CHANNEL.c1"]["ChannelSize"] == "0"
	}
	for deadline := time.Now().Add(patience); !committed() && time.Now().Before(deadline); {
		_, body := get(t, url+"/metrics")
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
	}
	golden, err := os.ReadFile("../../agent/admin/testdata/flume-metrics-netcat-memory-logger.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(golden, &flume); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(flume["CHANNEL.c1"])), slices.Sorted(maps.Keys(got["CHANNEL.c1"]))); diff != "" {
		t.Errorf("attributes of CHANNEL.c1 (-Flume +ours):\n%s", diff)
	}
	for _, name := range []string{"ChannelCapacity", "ChannelSize", "ChannelFillPercentage", "EventPutAttemptCount", "EventPutSuccessCount", "EventTakeSuccessCount", "StopTime", "Type"} {
		if got["CHANNEL.c1"][name] != flume["CHANNEL.c1"][name] {
			t.Errorf("CHANNEL.c1 %s: %s, Flume has %s", name, got["CHANNEL.c1"][name], flume["CHANNEL.c1"][name])
		}
	}
	if s := got["SOURCE.r1"]; s["EventReceivedCount"] != "4" || s["EventAcceptedCount"] != "4" {
		t.Errorf("SOURCE.r1: %v, want 4 received and accepted", s)
	}
	if s := got["SINK.k1"]; s["EventDrainSuccessCount"] != "4" {
		t.Errorf("SINK.k1: %v, want 4 drained", s)
	}
	if code, body := get(t, url+"/readyz?sinks=1"); code != 200 {
		t.Errorf("readyz: %d %s", code, body)
	}
	if _, body := get(t, url+"/metrics/prometheus"); !strings.Contains(body, `flume_sink_events_total{agent="a1",outcome="delivered",sink="k1",type="logger"} 4`) {
		t.Errorf("Prometheus text lacks the 4 events of k1:\n%s", body)
	}
	p.signal(syscall.SIGTERM)
	p.end(exitOK)
}

func TestAdminListener(t *testing.T) {
	p := launchAgent(t, nil, "-f", config(t, "a1.sinks.k1.type = null"), "--admin", "127.0.0.1:0")
	addr := p.await(`Admin interface at (127\.0\.0\.1:\d+)$`)
	source := p.await(sourceAt)
	p.await("ready in")
	if code, body := get(t, "http://"+addr+"/api/v1/status"); code != 200 || !strings.Contains(body, `"state": "RUNNING"`) {
		t.Errorf("status: %d %s", code, body)
	}
	for _, args := range [][]string{{"health", "--admin", addr}, {"health", "--ready", "--admin", addr}} {
		if out, err := exec.Command("agent", args...).CombinedOutput(); err != nil || string(out) != "ok\n" {
			t.Errorf("agent %v: %v %q", args, err, out)
		}
	}
	if out, err := exec.Command("agent", "health", "--verbose", "--admin", addr).CombinedOutput(); err != nil || !strings.Contains(string(out), "[+]channel c1 RUNNING\n") {
		t.Errorf("agent health --verbose: %v %q", err, out)
	}
	want := regexp.MustCompile(`^agent a1: ready, up \d+s, generation 1 loaded .*\n(?s:.*)source +r1 +netcat +RUNNING for \d+s +1 accepted *\n`)
	channel := regexp.MustCompile(`(?m)^channel +c1 +memory +RUNNING for \d+s +\d+ queued of 1000 *$`)
	send(t, source, "one")
	if out, err := exec.Command("agent", "status", "--admin", addr).CombinedOutput(); err != nil || !want.Match(out) || !channel.Match(out) {
		t.Errorf("agent status: %v %s", err, out)
	}
	if out, err := exec.Command("agent", "status", "--admin", addr, "--format", "json").Output(); err != nil || !json.Valid(out) {
		t.Errorf("agent status --format json: %v %s", err, out)
	}
	p.signal(syscall.SIGTERM)
	p.end(exitOK)
	var none *exec.ExitError
	if out, err := exec.Command("agent", "status", "--admin", addr).CombinedOutput(); !errors.As(err, &none) || none.ExitCode() != exitUnavailable {
		t.Errorf("agent status of no agent: %v %s", err, out)
	}
	open := launchAgent(t, nil, "-f", config(t, "a1.sinks.k1.type = null"), "--admin", "0.0.0.0:41415")
	open.end(exitUsage)
	open.await("only loopback is allowed")
}

func TestWaitsForAConfigurationWhenCalledFromAService(t *testing.T) {
	file := filepath.Join(t.TempDir(), "flume.conf")
	p := launchAgent(t, nil, "-f", file, "-Dflume.called.from.service=true")
	p.await(`WARN +The configuration is not there yet and is waited for`)
	writeConfig(t, file, "a1.sinks.k1.type = null")
	p.await("ready in")
	p.signal(syscall.SIGTERM)
	p.end(exitOK)
}
