package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"goflume/internal/retry"
)

// zkSession is how long ZooKeeper keeps the session of an agent that is away.
const zkSession = 10 * time.Second

// zkNode is a configuration in ZooKeeper, as Flume reads it: the text is the data of the node BASE/AGENT. A copy of it lies
// in a file of this machine, which is what is read and watched.
type zkNode struct {
	servers []string
	node    string
	file    string // of the copy

	mu      sync.Mutex // one look at a time
	conn    zkConn
	changed <-chan zk.Event // of the node since the last look, nil where nothing watches it
}

var _ origin = (*zkNode)(nil)

// zkConn is what is used of a zk.Conn.
type zkConn interface {
	Get(path string) ([]byte, *zk.Stat, error)
	GetW(path string) ([]byte, *zk.Stat, <-chan zk.Event, error)
	Close()
}

// newZKNode reads what --zkConnString says: host:port,host:port and perhaps a path that all nodes are below.
func newZKNode(connect, base, agent, file string) (*zkNode, error) {
	hosts, root, _ := strings.Cut(connect, "/")
	if agent == "" {
		return nil, errors.New("say --name: the configuration is in the node of that name")
	}
	z := &zkNode{node: path.Join("/", root, base, agent), file: file}
	for host := range strings.SplitSeq(hosts, ",") {
		if host = strings.TrimSpace(host); host == "" {
			return nil, fmt.Errorf("%q is not host:port,host:port", connect)
		}
		z.servers = append(z.servers, host)
	}
	return z, nil
}

// zkSilent leaves the library's chatter out: what matters is an error here.
type zkSilent struct{}

func (zkSilent) Printf(string, ...any) {}

// fetch renews the copy if the node has another text, and watches the node from then on.
func (z *zkNode) fetch(ctx context.Context) (changed bool, err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	text, watch, err := z.look(ctx)
	switch {
	case errors.Is(err, zk.ErrNoNode):
		return false, fmt.Errorf("ZooKeeper at %s has no node %s", strings.Join(z.servers, ","), z.node)
	case ctx.Err() != nil && err != nil:
		z.disconnect()
		return false, fmt.Errorf("ZooKeeper at %s does not answer: %w", strings.Join(z.servers, ","), ctx.Err())
	case err != nil:
		z.disconnect()
		return false, fmt.Errorf("ZooKeeper at %s, node %s: %w", strings.Join(z.servers, ","), z.node, err)
	}
	z.changed = watch
	if old, err := os.ReadFile(z.file); err == nil && bytes.Equal(old, text) {
		return false, nil
	}
	return true, writeCopy(z.file, text)
}

// look reads the node. The library waits for names and servers as long as it takes, so both are done aside.
func (z *zkNode) look(ctx context.Context) (text []byte, watch <-chan zk.Event, err error) {
	if z.conn == nil {
		type made struct {
			conn *zk.Conn
			err  error
		}
		got := make(chan made, 1)
		go func() {
			conn, _, err := zk.Connect(z.servers, zkSession, zk.WithLogger(zkSilent{}), zk.WithLogInfo(false))
			got <- made{conn, err}
		}()
		select {
		case m := <-got:
			if m.err != nil {
				return nil, nil, m.err
			}
			z.conn = m.conn
		case <-ctx.Done():
			go func() {
				if m := <-got; m.err == nil {
					m.conn.Close()
				}
			}()
			return nil, nil, ctx.Err()
		}
	}
	stop := context.AfterFunc(ctx, z.conn.Close) // ends the call below
	defer stop()
	if z.changed != nil { // the library keeps every watch until the node changes: one is enough
		text, _, err = z.conn.Get(z.node)
		return text, z.changed, err
	}
	text, _, watch, err = z.conn.GetW(z.node)
	return text, watch, err
}

func (z *zkNode) disconnect() {
	if z.conn != nil {
		z.conn.Close()
	}
	z.conn, z.changed = nil, nil
}

// follow renews the copy whenever the node changes, and looks every so often by itself, until ctx ends.
func (z *zkNode) follow(ctx context.Context, every time.Duration, log *slog.Logger) {
	wait := retry.Default()
	for said := false; ; {
		z.mu.Lock()
		changed := z.changed
		z.mu.Unlock()
		pause := every
		if changed == nil { // the last look failed
			pause = min(every, wait.Next())
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-changed:
			timer.Stop()
			z.mu.Lock()
			if z.changed == changed { // it tells once
				z.changed = nil
			}
			z.mu.Unlock()
		case <-timer.C:
		}
		_, err := z.fetch(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			z.mu.Lock()
			z.changed = nil
			z.mu.Unlock()
			if !said {
				log.Warn("The configuration cannot be fetched, the last one is kept", "err", err)
			}
		default:
			wait.Reset()
		}
		said = err != nil
	}
}

func (z *zkNode) close() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.disconnect()
}
