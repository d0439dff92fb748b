// Package netcatudp is the source that takes the first line of every datagram as an event, as Flume's NetcatUdpSource
// does. Nobody is told what becomes of a datagram: what the channels refuse is lost, counted and said.
package netcatudp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/sources"
)

// Settings of the netcatudp source.
type Settings struct {
	// Host name or address to listen on; without one on all.
	Bind string `conf:"bind"`
	// UDP port to listen on; 0 picks a free one.
	Port int `conf:"port,required" min:"0" max:"65535"`
	// Name of a header that gets the sender's address, such as /127.0.0.1:5140; without a name there is none.
	RemoteAddress string `conf:"remoteAddress" was:"remoteAddressHeader"`
}

func init() {
	registry.Add(sources.Registry, "netcatudp", []string{"org.apache.flume.source.NetcatUdpSource"}, Settings{}, New)
}

const (
	// maxDatagram is how much of a datagram is read, in bytes, as in Flume.
	maxDatagram = 2048
	// maxBatch is the most datagrams sent at once, where the channels have no smaller limit.
	maxBatch = 1000
	// logEvery bounds the lines about lost datagrams.
	logEvery = 10 * time.Second
)

// Source listens for datagrams.
type Source struct {
	settings Settings
	log      *slog.Logger
	health   func(error)
	lost     *metric.Counter
}

// New returns a netcatudp source.
func New(env registry.Env, s Settings) (sources.Source, error) {
	return &Source{settings: s, log: env.Log, health: env.Report,
		lost: env.Metrics.Counter("", "flume_source_events_total", "Events by outcome.", "outcome", "lost")}, nil
}

// Run takes datagrams until ctx is cancelled. What has arrived by then and was not read is lost.
func (s *Source) Run(ctx context.Context, out sources.Output) error {
	at := net.JoinHostPort(s.settings.Bind, strconv.Itoa(s.settings.Port))
	packets, err := new(net.ListenConfig).ListenPacket(ctx, "udp", at)
	if err != nil {
		return err
	}
	defer packets.Close()
	s.log.Info("Listening", "address", packets.LocalAddr())
	s.health(nil)
	raw, err := packets.(*net.UDPConn).SyscallConn()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { packets.SetReadDeadline(time.Now()) })()
	r := receiver{Source: s, out: out}
	for ctx.Err() == nil {
		if err := r.receive(raw); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		r.send(ctx)
	}
	return nil
}

// receiver makes batches of what has arrived.
type receiver struct {
	*Source
	out      sources.Output
	batch    event.Batch
	datagram [maxDatagram]byte

	unsaid int // lost since the last line in the log
	said   time.Time
}

// receive waits for a datagram and takes all that are there.
func (r *receiver) receive(conn syscall.RawConn) (err error) {
	most, _ := r.out.Limits()
	if most == 0 || most > maxBatch {
		most = maxBatch
	}
	failed := conn.Read(func(fd uintptr) bool {
		for len(r.batch.Events) < most {
			var n int
			var from syscall.Sockaddr
			n, from, err = syscall.Recvfrom(int(fd), r.datagram[:], 0)
			switch {
			case err == nil:
				r.add(r.datagram[:n], from)
			case errors.Is(err, syscall.EINTR):
			case errors.Is(err, syscall.EAGAIN):
				err = nil
				return len(r.batch.Events) > 0
			default:
				return true
			}
		}
		return true
	})
	return errors.Join(err, failed)
}

func (r *receiver) add(datagram []byte, from syscall.Sockaddr) {
	line, _, _ := bytes.Cut(datagram, []byte{'\n'})
	e := r.batch.Add(line)
	if r.settings.RemoteAddress != "" {
		r.batch.SetHeader(e, r.settings.RemoteAddress, address(from))
	}
}

// address gives a socket's address as Java prints it.
func address(from syscall.Sockaddr) string {
	switch from := from.(type) {
	case *syscall.SockaddrInet4:
		return "/" + netip.AddrPortFrom(netip.AddrFrom4(from.Addr), uint16(from.Port)).String()
	case *syscall.SockaddrInet6:
		return "/" + netip.AddrPortFrom(netip.AddrFrom16(from.Addr).Unmap(), uint16(from.Port)).String()
	}
	return "/"
}

func (r *receiver) send(ctx context.Context) {
	n := len(r.batch.Events)
	if n == 0 {
		return
	}
	if err := r.out.Send(ctx, &r.batch); err != nil {
		r.lost.Add(n)
		r.unsaid += n
		if now := time.Now(); now.Sub(r.said) >= logEvery {
			r.log.Error("Datagrams are lost, the channels refuse them", "events", r.unsaid, "err", err)
			r.unsaid, r.said = 0, now
		}
	}
	r.batch.Reset()
}
