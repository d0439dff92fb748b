package bench

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"goflume/agent/flow"
	"goflume/channels/file"
	"goflume/internal/metric"
	"goflume/internal/vfs"
	"goflume/sinks/fileroll"
	"goflume/sinks/serializer"
)

// BenchmarkTCPLinesDurable sends lines over one connection: netcat, file channel and file_roll, which answer and commit
// after fdatasync, against a program that reads lines, appends and syncs them to one file, and answers. The channel is one
// that has been in use: its log files were written before.
func BenchmarkTCPLinesDurable(b *testing.B) {
	f := startFeeder(b)
	for range b.N {
		c, set := openFile(b, b.TempDir(), func(s *file.Settings) { s.Capacity = 1_000_000 })
		channel := flow.ChannelRef{Name: "c1", Channel: c, Metrics: metric.NewChannel(set)}
		durableAgent(b, f, channel)
		durableAgent(b, f, channel)
		our, their, ratio := inTurns(9,
			func() time.Duration { return durableAgent(b, f, channel) },
			func() time.Duration { return syncingCopier(b, f) })
		reportRatio(b, lineCount, our, their, ratio, 0)
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func durableAgent(b *testing.B, f *feeder, channel flow.ChannelRef) time.Duration {
	dir := b.TempDir()
	defer os.RemoveAll(dir)
	sinkEnv := environment(metric.Sink, "k1", "file_roll")
	sinkEnv.Durable = true
	roll, err := fileroll.New(sinkEnv, fileroll.Settings{Directory: filepath.Join(dir, "out"), BatchSize: 5000,
		Serializer: serializer.Registry.Default("TEXT"), PathManager: "DEFAULT", Sync: "auto"})
	if err != nil {
		b.Fatal(err)
	}
	count := &counting{roll, lineCount, make(chan struct{})}
	sink := flow.NewSink("k1", count, sinkEnv.Metrics, sinkEnv.Log)
	outlet := flow.NewOutlet("k1", sinkEnv.Log)
	outlet.Rewire(&flow.OutletWiring{Sinks: []flow.SinkLink{{Sink: sink, Channel: channel}}})

	sourceEnv, source, addr := listening(b, true)
	inlet := flow.NewInlet("r1", sourceEnv.Metrics, sourceEnv.Log)
	inlet.Rewire(&flow.InletWiring{Channels: []flow.ChannelRef{channel}})

	ctx, stop := context.WithCancel(context.Background())
	var running, feeding sync.WaitGroup
	running.Go(func() { outlet.Run(ctx, ctx) })
	running.Go(func() { source.Run(ctx, inlet) })
	began := time.Now()
	feeding.Go(func() { f.feed(b, <-addr) })
	feeding.Wait() // every line was answered
	took := time.Since(began)
	select {
	case <-count.done:
	case <-time.After(time.Minute):
		b.Errorf("%d lines are missing after a minute", count.left)
	}
	b.ReportMetric(float64(lineCount)/time.Since(began).Seconds(), "delivered/s")
	stop()
	running.Wait()
	sink.Close(context.Background())
	return took
}

func syncingCopier(b *testing.B, f *feeder) time.Duration {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	name := filepath.Join(b.TempDir(), "out")
	defer os.Remove(name)
	var feeding sync.WaitGroup
	began := time.Now()
	feeding.Go(func() {
		defer l.Close() // who waits for a feeder that failed waits no longer
		f.feed(b, l.Addr().String())
	})
	conn, err := l.Accept()
	if err == nil {
		err = syncLines(conn, name)
	}
	if err != nil {
		b.Fatal(err)
	}
	feeding.Wait()
	return time.Since(began)
}

// syncLines appends a read's worth of lines, syncs them and answers them all.
func syncLines(conn net.Conn, name string) error {
	f, err := vfs.OS{}.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var off int64
	return eachRead(conn, true, func(block []byte) error {
		if _, err := f.WriteAt(block, off); err != nil {
			return err
		}
		off += int64(len(block))
		return f.Datasync()
	})
}
