package service

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Agent is our own program, built once for the test binary and run as users run it.
type Agent struct {
	// Conf is the configuration file. ${port:NAME} stands for a free port on which a source listens, ${dir} for
	// a directory that is gone after the test.
	Conf string
	// Agent is the agent's name, a1 when empty.
	Agent string
	// Args come after those that Start sets: --conf-file, --name and the monitoring port.
	Args []string
	// Env is added to the environment, KEY=value.
	Env []string
	// Under is put in front of the program, such as nsenter and what it needs.
	Under []string
	// Far, if set, is the network in which the agent runs; sources have to listen on its address.
	Far *FarServer
	// Unready lets Start return once the monitoring port answers, whatever /readyz says.
	Unready bool
}

// AgentServer is a running agent.
type AgentServer struct {
	*Process
	// Dir is what ${dir} stands for.
	Dir string

	conf    string // file
	host    string // where its ports are
	ports   map[string]int
	monitor int
}

var _ Config[*AgentServer] = Agent{}

// Name is agent.
func (Agent) Name() string { return "agent" }

// Needs is nothing: Go builds it.
func (Agent) Needs() []Set { return nil }

// builtAgent is where the program lies that was built for this test binary.
var builtAgent = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "goflume-agent-")
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "agent")
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "goflume").Output() // bench/kafka is another module
	if err != nil {
		os.RemoveAll(dir)
		return "", fmt.Errorf("look for the module: %w", err)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-o", name, "goflume/cmd/agent")
	cmd.Dir = strings.TrimSpace(string(root))
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		return "", fmt.Errorf("build cmd/agent: %w\n%s", err, bytes.TrimSpace(out))
	}
	agentDir = dir
	return name, nil
})

// agentDir is what builtAgent made and Main removes.
var agentDir string

// AgentBinary builds the program, once, and returns where it lies.
func AgentBinary() (string, error) { return builtAgent() }

// Start writes the configuration, starts the agent and waits until it is ready.
func (c Agent) Start(ctx context.Context, r *Run) (*AgentServer, error) {
	binary, err := AgentBinary()
	if err != nil {
		return nil, err
	}
	a := &AgentServer{Dir: r.Dir, host: "127.0.0.1", monitor: r.Port(), ports: map[string]int{}}
	if c.Far != nil {
		a.host = c.Far.Addr()
	}
	if a.conf, err = r.WriteFile("conf/flume.conf", expandConf(r, a.ports, c.Conf)); err != nil {
		return nil, err
	}
	name := c.Agent
	if name == "" {
		name = "a1"
	}
	argv := slices.Clone(c.Under)
	if c.Far != nil {
		argv = append(c.Far.Within(), argv...)
	}
	argv = append(argv, binary, "run", "--conf-file", a.conf, "--name", name, "-Dflume.monitoring.type=http",
		"-Dflume.monitoring.host="+a.host, "-Dflume.monitoring.port="+strconv.Itoa(a.monitor))
	argv = append(argv, c.Args...)
	a.Process, err = r.Start(Command{Name: "agent", Argv: argv, Env: append([]string{
		"STATE_DIRECTORY=" + filepath.Join(r.Dir, "state", "goflume"), "XDG_RUNTIME_DIR=" + filepath.Join(r.Dir, "tmp"),
	}, c.Env...)})
	if err != nil {
		return nil, err
	}
	if c.Unready {
		return a, awaitAddr(ctx, net.JoinHostPort(a.host, strconv.Itoa(a.monitor)), a.Process)
	}
	return a, a.AwaitReady(ctx)
}

// AwaitReady waits, after Restart too, until /readyz says yes.
func (a *AgentServer) AwaitReady(ctx context.Context) error {
	return Await(ctx, "the agent", func(ctx context.Context) error {
		status, body, err := a.Get(ctx, "/readyz")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("/readyz says %d: %s", status, body)
		}
		return err
	}, a.Process)
}

// Get asks the monitoring port for a path.
func (a *AgentServer) Get(ctx context.Context, path string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d%s", a.host, a.monitor, path), nil)
	if err != nil {
		return 0, "", err
	}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, strings.TrimSpace(string(text)), err
}

// Metric returns the value of one line of /metrics/prometheus, named with its labels as it is printed there.
func (a *AgentServer) Metric(ctx context.Context, series string) (float64, error) {
	_, text, err := a.Get(ctx, "/metrics/prometheus")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("/metrics/prometheus has no %s", series)
}

// FlumeMetric returns one value of /metrics, as Flume names them: "CHANNEL.c1", "ChannelSize".
func (a *AgentServer) FlumeMetric(ctx context.Context, component, name string) (string, error) {
	_, text, err := a.Get(ctx, "/metrics")
	if err != nil {
		return "", err
	}
	var all map[string]map[string]string
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return "", fmt.Errorf("/metrics: %w", err)
	}
	value, ok := all[component][name]
	if !ok {
		return "", fmt.Errorf("/metrics has no %s of %s", name, component)
	}
	return value, nil
}

// AwaitEmpty waits until a channel has nothing left, neither queued nor taken.
func (a *AgentServer) AwaitEmpty(ctx context.Context, channel string) error {
	return Await(ctx, "an empty channel "+channel, func(ctx context.Context) error {
		size, err := a.FlumeMetric(ctx, "CHANNEL."+channel, "ChannelSize")
		if err == nil && size != "0" {
			err = fmt.Errorf("it holds %s events", size)
		}
		return err
	}, a.Process)
}

// Addr is the host:port that ${port:NAME} stands for.
func (a *AgentServer) Addr(name string) string { return portAddr(a.host, a.ports, name) }

// Reload writes another configuration over the file, whole, and sends SIGHUP. It does not wait.
func (a *AgentServer) Reload(conf string) error {
	for name, port := range a.ports {
		conf = strings.ReplaceAll(conf, "${port:"+name+"}", strconv.Itoa(port))
	}
	next := a.conf + ".next"
	if err := os.WriteFile(next, []byte(strings.ReplaceAll(conf, "${dir}", a.Dir)), 0o644); err != nil {
		return err
	}
	if err := os.Rename(next, a.conf); err != nil {
		return err
	}
	return a.Signal(syscall.SIGHUP)
}

// AwaitLog waits until the log of the agent's lives contains text.
func (a *AgentServer) AwaitLog(ctx context.Context, text string) error {
	return awaitLog(ctx, a.Process, text)
}
