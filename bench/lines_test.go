package bench

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"goflume/agent/flow"
	"goflume/event"
	"goflume/internal/charset"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/sinks"
	"goflume/sinks/fileroll"
	"goflume/sinks/serializer"
	"goflume/sources"
	"goflume/sources/netcat"
)

const (
	lineBytes = 212
	lineCount = 2_000_000
)

// BenchmarkTCPLines sends lines over one connection into a file: netcat, memory channel and file_roll against a program
// that does nothing but copy lines. Default means the batch sizes and capacities that Flume has where nothing is set.
func BenchmarkTCPLines(b *testing.B) {
	for _, c := range []struct {
		name            string
		acks            bool
		capacity, batch int
		floor           float64
	}{
		{"acks=off/tuned", false, 100_000, 1000, 0.85},
		{"acks=on/tuned", true, 100_000, 1000, 0.85},
		{"acks=off/default", false, 100, 100, 0},
		{"acks=on/default", true, 100, 100, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				our, their := pairs(7,
					func() time.Duration { return agentCopies(b, c.acks, c.capacity, c.batch) },
					func() time.Duration { return copierCopies(b, c.acks) })
				report(b, lineCount, our, their, c.floor)
			}
		})
	}
}

func feed(b *testing.B, addr string, acks bool) {
	if err := sendLines(addr, acks); err != nil {
		b.Error(err)
	}
}

func copierCopies(b *testing.B, acks bool) time.Duration {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	name := filepath.Join(b.TempDir(), "out")
	defer os.Remove(name)
	var feeder sync.WaitGroup
	began := time.Now()
	feeder.Go(func() { feed(b, l.Addr().String(), acks) })
	conn, err := l.Accept()
	if err == nil {
		err = copyLines(conn, name, acks)
	}
	if err != nil {
		b.Fatal(err)
	}
	took := time.Since(began)
	feeder.Wait()
	return took
}

// copyLines is the bare copier: the lines that a read completed are written at one go, and then answered.
func copyLines(conn net.Conn, name string, acks bool) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return eachRead(conn, acks, func(block []byte) error {
		_, err := f.Write(block)
		return err
	})
}

// eachRead calls write with the lines of each read, answers them if it is to, and closes the connection at its end.
func eachRead(conn net.Conn, acks bool, write func(block []byte) error) error {
	defer conn.Close()
	in := make([]byte, 256<<10)
	var block, answers []byte
	for rest := 0; ; {
		n, err := conn.Read(in[rest:])
		text := in[:rest+n]
		block, answers = block[:0], answers[:0]
		for at := bytes.IndexByte(text, '\n'); at >= 0; at = bytes.IndexByte(text, '\n') {
			block = append(block, text[:at+1]...)
			text = text[at+1:]
			if acks {
				answers = append(answers, "OK\n"...)
			}
		}
		rest = copy(in, text)
		if len(block) > 0 {
			if err := write(block); err != nil {
				return err
			}
		}
		if len(answers) > 0 {
			if _, err := conn.Write(answers); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// counting tells when the sink has written all lines.
type counting struct {
	sinks.Sink
	left int
	done chan struct{}
}

func (c *counting) Write(ctx context.Context, events []event.Event) error {
	err := c.Sink.Write(ctx, events)
	if c.left -= len(events); err == nil && c.left == 0 {
		close(c.done)
	}
	return err
}

func agentCopies(b *testing.B, acks bool, capacity, batch int) time.Duration {
	env, source, addr := listening(b, acks)
	return intoFile(b, env, source, lineCount, capacity, batch, func() { feed(b, <-addr, acks) })
}

// listening returns a netcat source with its environment, and where it tells its address once it runs.
func listening(b *testing.B, acks bool) (env registry.Env, source sources.Source, addr <-chan string) {
	told := make(chan string, 1)
	env = environment(metric.Source, "r1", "netcat")
	env.Listen = func(ctx context.Context, network, at string) (net.Listener, error) {
		l, err := new(net.ListenConfig).Listen(ctx, network, at)
		if err == nil {
			told <- l.Addr().String()
		}
		return l, err
	}
	source, err := netcat.New(env, netcat.Settings{Bind: "127.0.0.1", AckEveryEvent: acks, MaxLineLength: 512, Encoding: charset.UTF8})
	if err != nil {
		b.Fatal(err)
	}
	return env, source, told
}

func environment(kind metric.Kind, name, typ string) registry.Env {
	return registry.Env{Name: name, Log: slog.New(slog.DiscardHandler), Metrics: metric.NewSet(kind, "a1", name, typ)}
}

// intoFile runs the source over a memory channel into file_roll until so many lines are written.
func intoFile(b *testing.B, env registry.Env, source sources.Source, lines, capacity, batch int, feed func()) time.Duration {
	dir := b.TempDir()
	defer os.RemoveAll(dir)
	channel := flow.ChannelRef{Name: "c1", Channel: openMemory(b, capacity, batch),
		Metrics: metric.NewChannel(metric.NewSet(metric.Channel, "a1", "c1", "memory"))}
	sinkEnv := environment(metric.Sink, "k1", "file_roll")
	roll, err := fileroll.New(sinkEnv, fileroll.Settings{Directory: dir, BatchSize: batch,
		Serializer: serializer.Registry.Default("TEXT"), PathManager: "DEFAULT", Sync: "none"})
	if err != nil {
		b.Fatal(err)
	}
	count := &counting{roll, lines, make(chan struct{})}
	sink := flow.NewSink("k1", count, sinkEnv.Metrics, sinkEnv.Log)
	outlet := flow.NewOutlet("k1", sinkEnv.Log)
	outlet.Rewire(&flow.OutletWiring{Sinks: []flow.SinkLink{{Sink: sink, Channel: channel}}})
	inlet := flow.NewInlet("r1", env.Metrics, env.Log)
	inlet.Rewire(&flow.InletWiring{Channels: []flow.ChannelRef{channel}})

	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { outlet.Run(ctx, ctx) })
	began := time.Now()
	running.Go(func() { source.Run(ctx, inlet) })
	running.Go(feed)
	select {
	case <-count.done:
	case <-time.After(time.Minute):
		b.Error("lines are missing after a minute")
	}
	took := time.Since(began)
	stop()
	running.Wait()
	sink.Close(context.Background())
	return took
}
