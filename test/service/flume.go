package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Flume is Apache Flume 1.11 itself, the other side of our tests: taildir, Kafka and http components and the
// hdfs sink are there. Start it with Start: two tests never want the same one.
type Flume struct {
	// Conf is the configuration file. ${port:NAME} stands for a free port on which a source listens, ${dir} for
	// a directory that is gone after the test.
	Conf string
	// Agent is the agent's name, a1 when empty.
	Agent string
	// ConfDir holds core-site.xml and hdfs-site.xml, where there are any.
	ConfDir string
	// HeapMB is the heap, 256 when zero.
	HeapMB int
}

// FlumeAgent is a running Flume.
type FlumeAgent struct {
	*Process
	// Dir is what ${dir} stands for.
	Dir string

	ports map[string]int
}

var _ Config[*FlumeAgent] = Flume{}

// Name is flume.
func (Flume) Name() string { return "flume" }

// Needs is Flume.
func (Flume) Needs() []Set { return []Set{"flume"} }

const flumeLog4j = `<Configuration status="WARN">
  <Appenders><Console name="C" target="SYSTEM_OUT"><PatternLayout pattern="%d %p %c{1} [%t] %m%n"/></Console></Appenders>
  <Loggers><Root level="INFO"><AppenderRef ref="C"/></Root></Loggers>
</Configuration>
`

var confPort = regexp.MustCompile(`\$\{port:([A-Za-z0-9_-]+)\}`)

// Start writes the configuration, starts the agent and waits until it has started its sources and every port
// is open.
func (c Flume) Start(ctx context.Context, r *Run) (*FlumeAgent, error) {
	f := &FlumeAgent{Dir: r.Dir, ports: map[string]int{}}
	file, err := r.WriteFile("conf/flume.conf", expandConf(r, f.ports, c.Conf))
	if err != nil {
		return nil, err
	}
	if _, err := r.WriteFile("conf/log4j2.xml", flumeLog4j); err != nil {
		return nil, err
	}
	heap, agent := c.HeapMB, c.Agent
	if heap == 0 {
		heap = 256
	}
	if agent == "" {
		agent = "a1"
	}
	argv, err := r.java("flume", heap, "org.apache.flume.node.Application", "--conf-file", file, "--name", agent, "--no-reload-conf")
	if err != nil {
		return nil, err
	}
	if c.ConfDir != "" {
		argv = addClassPath(argv, c.ConfDir)
	}
	if f.Process, err = r.Start(Command{Name: "flume", Argv: argv}); err != nil {
		return nil, err
	}
	return f, f.AwaitReady(ctx)
}

// expandConf puts ports and the directory into a flume.conf. Ports that are not in ports yet are picked.
func expandConf(r *Run, ports map[string]int, conf string) string {
	conf = confPort.ReplaceAllStringFunc(conf, func(s string) string {
		name := confPort.FindStringSubmatch(s)[1]
		if ports[name] == 0 {
			ports[name] = r.Port()
		}
		return strconv.Itoa(ports[name])
	})
	return strings.ReplaceAll(conf, "${dir}", r.Dir)
}

// addClassPath puts a directory at the end of a Java command's class path.
func addClassPath(argv []string, dir string) []string {
	for i, a := range argv {
		if a == "-cp" {
			argv[i+1] += ":" + dir
		}
	}
	return argv
}

// Addr is the host:port that ${port:NAME} stands for.
func (f *FlumeAgent) Addr(name string) string { return portAddr("127.0.0.1", f.ports, name) }

func portAddr(host string, ports map[string]int, name string) string {
	port := ports[name]
	if port == 0 {
		panic("service: the configuration has no ${port:" + name + "}")
	}
	return host + ":" + strconv.Itoa(port)
}

// AwaitReady waits, after Restart too, until every port is open and the sources have been started. A component that
// Flume leaves out for its settings is an error.
func (f *FlumeAgent) AwaitReady(ctx context.Context) error {
	if err := f.AwaitLog(ctx, "Starting new configuration"); err != nil {
		return err
	}
	log, err := os.ReadFile(f.Log())
	if err != nil {
		return err
	}
	if strings.Contains(string(log), "has been removed due to an error") {
		return fmt.Errorf("flume left a component out and runs on; its log ends with\n%s", f.tail(25))
	}
	if err := f.AwaitLog(ctx, "Starting Source"); err != nil {
		return err
	}
	return Await(ctx, "flume's ports", func(ctx context.Context) error {
		for name := range f.ports {
			conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp4", f.Addr(name))
			if err != nil {
				return err
			}
			conn.Close()
		}
		return nil
	}, f.Process)
}

// AwaitLog waits until the log of the agent's lives contains text.
func (f *FlumeAgent) AwaitLog(ctx context.Context, text string) error {
	return awaitLog(ctx, f.Process, text)
}

func awaitLog(ctx context.Context, p *Process, text string) error {
	return Await(ctx, fmt.Sprintf("%q in the log", text), func(context.Context) error {
		log, err := os.ReadFile(p.Log())
		if err != nil {
			return err
		}
		if !strings.Contains(string(log), text) {
			return errors.New("it is not there")
		}
		return nil
	}, p)
}
