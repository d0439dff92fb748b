// Package netcat is the source that listens on a TCP port and takes every line it is sent as an event. It answers OK to
// each, or FAILED with a reason, as Flume's NetcatSource does.
package netcat

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"goflume/internal/charset"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/retry"
	"goflume/internal/safe"
	"goflume/sources"
)

// Settings of the netcat source.
type Settings struct {
	// Host name or address to listen on.
	Bind string `conf:"bind,required"`
	// TCP port to listen on; 0 picks a free one.
	Port int `conf:"port,required" min:"0" max:"65535"`
	// Whether each event that the channels hold is answered with OK. One that they refuse is always answered with FAILED.
	AckEveryEvent bool `conf:"ack-every-event"`
	// Most characters of a line, with its newline. A longer line is answered with FAILED and ends the connection.
	MaxLineLength int `conf:"max-line-length" min:"1"`
	// Character set of the lines and the answers. Bodies are UTF-8 whatever it is. With UTF-8, bytes that are no valid
	// text pass as they are; in other sets they become U+FFFD.
	Encoding charset.Charset `conf:"encoding"`
}

func init() {
	registry.Add(sources.Registry, "netcat", []string{"org.apache.flume.source.NetcatSource"}, Settings{
		AckEveryEvent: true,
		MaxLineLength: 512,
		Encoding:      charset.UTF8,
	}, New)
}

// grace is how long a stop waits for lines that were read to find room, for answers to be written, and for the client to
// read why its connection ends.
const grace = time.Second

// Source listens for lines.
type Source struct {
	settings Settings
	log      *slog.Logger
	counters metric.SourceCounters
	listen   func(ctx context.Context, network, addr string) (net.Listener, error)
}

// New returns a netcat source.
func New(env registry.Env, s Settings) (sources.Source, error) {
	return &Source{settings: s, log: env.Log, counters: metric.NewSource(env.Metrics), listen: env.Listen}, nil
}

// Run accepts connections until ctx is cancelled and returns once the last one is closed. Every connection has a
// goroutine of its own.
func (s *Source) Run(ctx context.Context, out sources.Output) error {
	l, err := s.listen(ctx, "tcp", net.JoinHostPort(s.settings.Bind, strconv.Itoa(s.settings.Port)))
	if err != nil {
		return err
	}
	var conns sync.WaitGroup
	defer conns.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(ctx, func() { l.Close() })
	sending := sources.Outlast(ctx, grace)
	for wait := retry.Default(); ; {
		conn, err := l.Accept()
		switch {
		case err == nil:
			wait.Reset()
			conns.Go(func() { s.serve(ctx, sending, conn, out) })
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default: // out of descriptors, or a client that left
			s.log.Warn("Accepting a connection", "err", err)
			retry.Sleep(ctx, wait.Next())
		}
	}
}

func (s *Source) serve(ctx, sending context.Context, conn net.Conn, out sources.Output) {
	s.counters.OpenConnections.Add(1)
	defer s.counters.OpenConnections.Add(-1)
	defer conn.Close()
	defer context.AfterFunc(ctx, func() {
		conn.SetReadDeadline(time.Now())
		conn.SetWriteDeadline(time.Now().Add(grace))
	})()
	safe.Go(func() error { return newClient(s, conn, out).serve(sending) }, func(err error) {
		var bug *safe.Panic
		switch {
		case errors.As(err, &bug):
			s.log.Error("Connection ended by a bug", "client", conn.RemoteAddr(), "err", err, "stack", string(bug.Stack))
		case ctx.Err() == nil:
			s.log.Debug("Connection ended", "client", conn.RemoteAddr(), "err", err)
		}
	})
}
