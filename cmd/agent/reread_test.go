package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// shell starts the agent by a shell, which makes a pipe of <(...).
func TestConfigurationThroughAPipeRunsAndStays(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash, whose <(...) this is about")
	}
	file := config(t, "a1.sinks.k1.type = logger")
	p := launchCommand(t, exec.Command("bash", "-c", `exec agent -f <(cat "$1") -n a1`, "bash", file))
	addr := p.await(sourceAt)
	p.await("ready in")
	p.signal(syscall.SIGHUP)
	p.await(`INFO +What came through a pipe cannot be read again and is taken as it was file=/dev/fd/\d+$`)
	p.await(`INFO +reload of /dev/fd/\d+: generation 2: no component changed$`)
	send(t, addr, "hello")
	p.await("hello }$")
	p.signal(syscall.SIGTERM)
	p.end(exitOK)
	if strings.Contains(p.text(), "ERROR") {
		t.Errorf("the log has errors:\n%s", p.text())
	}
}

func TestConfigurationOnStandardInputStays(t *testing.T) {
	text, err := os.Open(config(t, "a1.sinks.k1.type = logger"))
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	cmd := exec.Command("agent", "run", "-f", "-")
	cmd.Stdin = text
	p := launchCommand(t, cmd)
	p.await("ready in")
	p.signal(syscall.SIGHUP)
	p.await(`generation 2: no component changed$`)
	p.signal(syscall.SIGTERM)
	p.end(exitOK)
}

// site is a web server with a configuration that the test changes and breaks.
type site struct {
	mu     sync.Mutex
	text   string
	status int
}

func (s *site) set(status int, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.text = status, text
}

func (s *site) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.WriteHeader(s.status)
	fmt.Fprint(w, s.text)
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSignalFetchesAConfigurationOnAWebServerAgain(t *testing.T) {
	s := &site{}
	srv := httptest.NewServer(s)
	defer srv.Close()
	s.set(200, read(t, config(t, "a1.sinks.k1.type = logger")))
	p := launchAgent(t, nil, "--conf-uri", srv.URL+"/flume.conf", "--no-reload-conf")
	addr := p.await(sourceAt)
	p.await("ready in")
	s.set(200, read(t, config(t, "a1.sinks.k1.type = logger", "a1.sinks.k1.maxBytesToLog = 4")))
	p.signal(syscall.SIGHUP)
	p.await(`generation 2: sink k1 changed$`)
	s.set(503, "")
	p.signal(syscall.SIGHUP)
	p.await(`ERROR +reload of \S+ refused: it cannot be fetched: \S+ answers 503 Service Unavailable; still running generation 2`)
	srv.CloseClientConnections()
	srv.Close()
	p.signal(syscall.SIGHUP)
	p.await(`refused: it cannot be fetched: .*connection refused; still running generation 2`)
	send(t, addr, "hello")
	p.await("hell }$")
	p.signal(syscall.SIGTERM)
	p.end(exitOK)
}

func TestCopyOfTheLastConfigurationStandsIn(t *testing.T) {
	dir := t.TempDir() + "/backup"
	file := config(t, "a1.sinks.k1.type = logger", "a1.sinks.k1.x.password = ${env:SESAME}")
	sesame := []string{"SESAME=open"}
	first := launchAgent(t, sesame, "-f", file, "--backup-directory", dir)
	first.await("ready in")
	first.signal(syscall.SIGTERM)
	first.end(exitOK)
	info, err := os.Stat(filepath.Join(dir, ".a1.properties"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the copy: %v, %v; want one that only its owner reads", info, err)
	}
	if text := read(t, dir+"/.a1.properties"); !strings.Contains(text, "${env:SESAME}") {
		t.Errorf("the copy has values in place of look-ups:\n%s", text)
	}
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	second := launchAgent(t, sesame, "-f", file, "--backup-directory", dir)
	second.await(`WARN +The configuration cannot be had; the copy of the last one runs until it can .*copy=\S+/backup/.a1.properties$`)
	second.await("ready in")
	writeConfig(t, file, "a1.sinks.k1.type = null") // it is back
	second.await(`generation 2: sink k1 changed$`)
	second.signal(syscall.SIGTERM)
	second.end(exitOK)
	if text := read(t, dir+"/.a1.properties"); !strings.Contains(text, "k1.type = null") {
		t.Errorf("the copy is not the last configuration:\n%s", text)
	}

	web := launchAgent(t, nil, "--conf-uri", "http://127.0.0.1:1/flume.conf", "-n", "a1", "--backup-directory", dir)
	web.await("the copy of the last one runs")
	web.await("ready in")
	web.signal(syscall.SIGTERM)
	web.end(exitOK)

	broken := launchAgent(t, nil, "-f", config(t, "a1.sinks.k1.type = loger"), "--backup-directory", dir)
	broken.end(exitConfig) // it is there, and has a mistake
}
