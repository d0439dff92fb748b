package service

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ZooKeeper is one server of ZooKeeper 3.8, without users.
type ZooKeeper struct{}

// ZooKeeperServer is a running ZooKeeper.
type ZooKeeperServer struct {
	*Process

	port int
}

var _ Config[*ZooKeeperServer] = ZooKeeper{}

// Name is zookeeper.
func (ZooKeeper) Name() string { return "zookeeper" }

// Needs is ZooKeeper.
func (ZooKeeper) Needs() []Set { return []Set{"zookeeper"} }

// Start starts the server and waits until it serves.
func (ZooKeeper) Start(ctx context.Context, r *Run) (*ZooKeeperServer, error) {
	z := &ZooKeeperServer{port: r.Port()}
	conf, err := r.WriteFile("conf/zoo.cfg", fmt.Sprintf(`tickTime=500
dataDir=%s
clientPortAddress=127.0.0.1
clientPort=%d
maxClientCnxns=0
admin.enableServer=false
forceSync=no
4lw.commands.whitelist=srvr,dump
`, filepath.Join(r.Dir, "data"), z.port))
	if err != nil {
		return nil, err
	}
	const logback = `<configuration>
  <appender name="C" class="ch.qos.logback.core.ConsoleAppender"><encoder><pattern>%d %p %c{1} %m%n</pattern></encoder></appender>
  <root level="INFO"><appender-ref ref="C"/></root>
</configuration>
`
	if _, err := r.WriteFile("conf/logback.xml", logback); err != nil {
		return nil, err
	}
	argv, err := r.java("zookeeper", 128, "org.apache.zookeeper.server.ZooKeeperServerMain", conf)
	if err != nil {
		return nil, err
	}
	if z.Process, err = r.Start(Command{Name: "zookeeper", Argv: argv}); err != nil {
		return nil, err
	}
	return z, z.AwaitReady(ctx)
}

// Addr is the server's host:port.
func (z *ZooKeeperServer) Addr() string { return "127.0.0.1:" + strconv.Itoa(z.port) }

// AwaitReady waits, after Restart too, until the server serves.
func (z *ZooKeeperServer) AwaitReady(ctx context.Context) error {
	return Await(ctx, "zookeeper", func(ctx context.Context) error {
		answer, err := z.Command(ctx, "srvr") // ruok is answered before it serves
		if err == nil && !strings.Contains(answer, "Mode: ") {
			err = fmt.Errorf("it answers %q", answer)
		}
		return err
	}, z.Process)
}

// Command sends a four-letter word and returns the answer.
func (z *ZooKeeperServer) Command(ctx context.Context, word string) (string, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", z.Addr())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := io.WriteString(conn, word); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	return string(answer), err
}
