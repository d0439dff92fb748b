package test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"goflume/test/service"
)

// outcome is how a run of the program ended.
type outcome struct {
	code int
	text string // standard output and error
}

// runAgent runs the program to its end, which has to come by itself.
func runAgent(t *testing.T, attr *syscall.SysProcAttr, args ...string) outcome {
	t.Helper()
	binary, err := service.AgentBinary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.SysProcAttr = attr
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("the agent still runs after four minutes; it printed\n%s", out.Bytes())
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String()}
}

const smallConf = `a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = 0
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = logger
a1.sinks.k1.channel = c1
`

func TestRealBadFilesEndWithTheirCode(t *testing.T) {
	service.Require(t)
	if _, err := service.AgentBinary(); err != nil {
		t.Fatal(err) // the first case's time is its own
	}
	noise := make([]byte, 64<<10)
	rand.Read(noise)
	huge := append([]byte(smallConf), bytes.Repeat([]byte("a1.sources.r1.unknown = value\n"), 100<<20/30)...)
	for name, test := range map[string]struct {
		make func(file string) error // nil: there is nothing
		args []string
		want int
		say  string
	}{
		"no file":              {nil, nil, 66, "flume.conf"},
		"empty":                {func(f string) error { return os.WriteFile(f, nil, 0o644) }, nil, 78, "flume.conf"},
		"blank lines":          {func(f string) error { return os.WriteFile(f, []byte("\n# nothing\n"), 0o644) }, nil, 78, "flume.conf"},
		"folder without files": {func(f string) error { return os.Mkdir(f, 0o755) }, nil, 66, "flume.conf"},
		"binary":               {func(f string) error { return os.WriteFile(f, noise, 0o644) }, nil, 78, "flume.conf"},
		"100 MB":               {func(f string) error { return os.WriteFile(f, huge, 0o644) }, nil, 78, "flume.conf"},
		"no such agent":        {func(f string) error { return os.WriteFile(f, []byte(smallConf), 0o644) }, []string{"--name", "a2"}, 78, "a1"},
		"misspelt type": {func(f string) error {
			return os.WriteFile(f, []byte(strings.Replace(smallConf, "logger", "loger", 1)), 0o644)
		}, nil, 78, "logger"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "flume.conf")
			if test.make != nil {
				if err := test.make(file); err != nil {
					t.Fatal(err)
				}
			}
			got := runAgent(t, nil, append([]string{"run", "--conf-file", file}, test.args...)...)
			if got.code != test.want {
				t.Errorf("exit code %d, want %d; it printed\n%.2000s", got.code, test.want, got.text)
			}
			if !strings.Contains(got.text, test.say) {
				t.Errorf("the output does not say %q:\n%.2000s", test.say, got.text)
			}
			if len(got.text) > 64<<10 {
				t.Errorf("%d bytes of output for one bad file", len(got.text))
			}
		})
	}
}

func TestRealUnreadableFileEndsWith66(t *testing.T) {
	service.Require(t)
	dir, err := os.MkdirTemp("", "unreadable-") // t.TempDir is not for other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	file := filepath.Join(dir, "flume.conf")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(file, []byte(smallConf), 0o000)); err != nil {
		t.Fatal(err)
	}
	var attr *syscall.SysProcAttr
	if os.Getuid() == 0 { // root reads everything
		const nobody = 65534
		binary, err := service.AgentBinary()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Dir(binary), 0o755); err != nil {
			t.Fatal(err)
		}
		attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	got := runAgent(t, attr, "run", "--conf-file", file)
	if got.code != 66 || !strings.Contains(got.text, "permission denied") {
		t.Errorf("exit code %d, want 66 and a word about permission; it printed\n%s", got.code, got.text)
	}
}

func TestRealTakenPortIsRetriedAndSaidByName(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
	a := service.Start(t, service.Agent{Conf: strings.Replace(smallConf, "port = 0", "port = "+port, 1), Unready: true})
	awaitUnready(t, a, "/readyz", "source r1 BACKOFF", "address already in use")
	ln.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if err := a.AwaitReady(ctx); err != nil {
		t.Errorf("after the port was given up: %v", err)
	}
}

// awaitUnready waits until a path answers 503 with all of the words in it.
func awaitUnready(t *testing.T, a *service.AgentServer, path string, words ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	err := service.Await(ctx, path+" with its reasons", func(ctx context.Context) error {
		status, body, err := a.Get(ctx, path)
		if err != nil {
			return err
		}
		for _, word := range words {
			if status != 503 || !strings.Contains(body, word) {
				return fmt.Errorf("%d: %s; want 503 and %q", status, body, word)
			}
		}
		return nil
	}, a.Process)
	if err != nil {
		t.Error(err)
	}
}

func TestRealUnwritablePathIsRetriedAndSaid(t *testing.T) {
	a := service.Start(t, service.Agent{Conf: strings.Replace(netcatToFiles(100, 100_000), "file://${dir}/out", "file:///proc/nowhere", 1)})
	if answer := netcatLine(t, a.Addr("netcat"), "hello"); answer != "OK" {
		t.Errorf("netcat answers %q, want OK", answer)
	}
	awaitUnready(t, a, "/readyz?sinks=1", "sink k1 BACKOFF", "/proc/nowhere")
}

// TestRealAbsentNamenode and what follows: a sink that cannot deliver says so, keeps its events and delivers them once
// the destination is well again.
func TestRealAbsentNamenode(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 1})
	h.Namenode.Kill()
	a := service.Start(t, service.Agent{Conf: eachLineIntoHDFS(h.URL() + "/absent")})
	sendWhileAway(t, a)
	awaitUnready(t, a, "/readyz?sinks=1", "sink k1 BACKOFF", "connection refused")
	if err := h.Namenode.Restart(); err != nil {
		t.Fatal(err)
	}
	awaitHDFSReady(t, h)
	awaitLine(t, h, "/absent")
}

func TestRealFrozenNamenode(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 1})
	a := service.Start(t, service.Agent{Conf: eachLineIntoHDFS(h.URL() + "/frozen")})
	h.Namenode.Freeze()
	defer h.Namenode.Thaw()
	sendWhileAway(t, a)
	awaitUnready(t, a, "/readyz?sinks=1", "sink k1 BACKOFF")
	h.Namenode.Thaw()
	awaitHDFSReady(t, h)
	awaitLine(t, h, "/frozen")
}

func TestRealNamenodeInSafeMode(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 1})
	if err := h.SafeMode(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	a := service.Start(t, service.Agent{Conf: eachLineIntoHDFS(h.URL() + "/safe")})
	sendWhileAway(t, a)
	awaitUnready(t, a, "/readyz?sinks=1", "sink k1 BACKOFF", "safe mode")
	if err := h.SafeMode(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	awaitLine(t, h, "/safe")
}

func TestRealFrozenDatanode(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 1})
	a := service.Start(t, service.Agent{Conf: eachLineIntoHDFS(h.URL() + "/datanode-frozen")})
	h.Datanodes[0].Freeze()
	defer h.Datanodes[0].Thaw()
	sendWhileAway(t, a)
	awaitUnready(t, a, "/readyz?sinks=1", "sink k1 BACKOFF")
	h.Datanodes[0].Thaw()
	awaitHDFSReady(t, h)
	awaitLine(t, h, "/datanode-frozen")
}

// eachLineIntoHDFS closes a file after each line and gives up a call after 3 s.
func eachLineIntoHDFS(path string) string {
	return strings.NewReplacer("rollCount = 0", "rollCount = 1", "rollInterval = 0", "rollInterval = 1").
		Replace(netcatToHDFS("memory", path)) + "a1.sinks.k1.hdfs.callTimeout = 3000\n"
}

// sendWhileAway sends a line that cannot be delivered yet and is promised all the same.
func sendWhileAway(t *testing.T, a *service.AgentServer) {
	t.Helper()
	if answer := netcatLine(t, a.Addr("netcat"), "kept"); answer != "OK" {
		t.Errorf("netcat answers %q, want OK", answer)
	}
}

func awaitHDFSReady(t *testing.T, h *service.HDFSServer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if err := h.AwaitDatanodes(ctx, len(h.Datanodes)); err != nil {
		t.Fatal(err)
	}
}

// awaitLine waits until the line of sendWhileAway is in a finished file.
func awaitLine(t *testing.T, h *service.HDFSServer, dir string) {
	t.Helper()
	client := dialHDFS(t, h)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	err := service.Await(ctx, "the line in "+dir, func(context.Context) error {
		text, err := readDir(client, dir)
		if err == nil && !strings.Contains(text, "kept\n") {
			err = fmt.Errorf("the files hold %q", text)
		}
		return err
	}, h.Namenode)
	if err != nil {
		t.Error(err)
	}
}
