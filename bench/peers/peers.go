package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"goflume/test/service"
)

//go:embed conf/*.conf
var confs embed.FS

// peer is a program that is measured.
type peer struct {
	name    string
	version func(ctx context.Context) string
	answers bool // lines with OK
	start   func(ctx context.Context, j job) (*server, error)
}

var peers []peer

func init() {
	peers = []peer{
		{"copier", func(context.Context) string { return "bare line copier, " + goVersion() }, true, startCopier},
		{"agent", agentVersion, true, startAgent},
		{"rsyslog", rsyslog.version, false, rsyslog.starter("rsyslog")},
		{"rsyslog-assisted", rsyslog.version, false, rsyslog.starter("rsyslog-assisted")},
		{"syslog-ng", syslogNG.version, false, syslogNG.starter("syslog-ng")},
		{"flume", func(context.Context) string { return "Apache Flume 1.11.0" }, true, startFlume},
	}
}

// choosePeers returns the peers of that list, or all.
func choosePeers(list string) ([]peer, error) {
	return choose(peers, list, "peer", func(p peer) string { return p.name })
}

func peerNames() (names []string) {
	for _, p := range peers {
		names = append(names, p.name)
	}
	return names
}

// server is a peer that runs a job.
type server struct {
	work    string // directory with in, out and what the server keeps
	run     *service.Run
	process *service.Process
	address string // where it listens
	answers bool
	in      input
	out     output
	sent    int // lines so far
}

// newServer makes the directories of a server and returns its configuration.
func newServer(j job, name string, answers bool) (*server, string, error) {
	conf, err := confs.ReadFile("conf/" + j.name + "." + name + ".conf")
	if err != nil && name != "copier" {
		return nil, "", err
	}
	work, err := os.MkdirTemp("", "peers-"+name+"-")
	if err != nil {
		return nil, "", err
	}
	for _, dir := range []string{"in", "out", "queue"} {
		if err := os.Mkdir(filepath.Join(work, dir), 0o755); err != nil {
			return nil, "", err
		}
	}
	s := &server{work: work, answers: answers, in: input{dir: filepath.Join(work, "in")},
		out: output{dir: filepath.Join(work, "out"), checked: map[string]int64{}}}
	return s, strings.ReplaceAll(string(conf), "${work}", work), nil
}

func startAgent(ctx context.Context, j job) (*server, error) {
	s, conf, err := newServer(j, "agent", true)
	if err != nil {
		return nil, err
	}
	a, run, err := service.Launch(ctx, service.Agent{Conf: conf})
	if err != nil {
		s.end()
		return nil, err
	}
	s.run, s.process = run, a.Process
	if j.from == "tcp" {
		s.address = a.Addr("in")
	}
	return s, nil
}

// removeAgent removes the program that was built for the measurement.
func removeAgent() {
	if binary, err := service.AgentBinary(); err == nil {
		os.RemoveAll(filepath.Dir(binary))
	}
}

func startFlume(ctx context.Context, j job) (*server, error) {
	s, conf, err := newServer(j, "flume", true)
	if err != nil {
		return nil, err
	}
	f, run, err := service.Launch(ctx, service.Flume{Conf: conf, HeapMB: 1024})
	if err != nil {
		s.end()
		return nil, err
	}
	s.run, s.process = run, f.Process
	if j.from == "tcp" {
		s.address = f.Addr("in")
	}
	return s, nil
}

// daemon is a server of one process with a configuration file.
type daemon struct {
	name string
	text string
	argv func(file string, r *service.Run) []string
	env  []string
}

// daemonServer is a running daemon.
type daemonServer struct {
	process *service.Process
	address string
}

var _ service.Config[*daemonServer] = daemon{}

// Name is the peer's.
func (d daemon) Name() string { return d.name }

// Needs is nothing that Maven has.
func (daemon) Needs() []service.Set { return nil }

// Start starts the daemon and waits until it listens, if it is to.
func (d daemon) Start(ctx context.Context, r *service.Run) (*daemonServer, error) {
	s := &daemonServer{}
	text := d.text
	if strings.Contains(text, "${port:in}") {
		port := r.Port()
		s.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		text = strings.ReplaceAll(text, "${port:in}", strconv.Itoa(port))
	}
	file, err := r.WriteFile("conf/"+d.name+".conf", text)
	if err != nil {
		return nil, err
	}
	if s.process, err = r.Start(service.Command{Name: d.name, Argv: d.argv(file, r), Env: d.env}); err != nil {
		return nil, err
	}
	return s, service.Await(ctx, d.name, func(context.Context) error {
		if s.address == "" {
			return nil
		}
		conn, err := net.DialTimeout("tcp", s.address, time.Second)
		if err == nil {
			conn.Close()
		}
		return err
	}, s.process)
}

// launch starts a daemon as the server of its directories.
func (s *server) launch(ctx context.Context, d daemon) (*server, error) {
	started, run, err := service.Launch(ctx, d)
	if err != nil {
		s.end()
		return nil, err
	}
	s.run, s.process, s.address = run, started.process, started.address
	return s, nil
}

// end stops the server and removes what it wrote.
func (s *server) end() {
	if s.run != nil {
		s.run.End(false)
	}
	os.RemoveAll(s.work)
}

// ticks is how many of the clock ticks that Linux counts processor time in make a second.
const ticks = 100

// cpu returns the processor time that the server has used.
func (s *server) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.process.Pid()))
	if err != nil {
		return 0, errors.New("the process has ended: " + err.Error())
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var sum int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks, nil
}

// peak returns the most memory that the server has had, in bytes, 0 where that is not known.
func (s *server) peak() int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Pid()))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "kB")), 10, 64)
			return n << 10
		}
	}
	return 0
}
