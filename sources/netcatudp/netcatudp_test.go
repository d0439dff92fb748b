package netcatudp

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listening is a log that tells where the source listens.
type listening struct {
	slog.Handler
	addr chan string
}

func (l listening) Enabled(context.Context, slog.Level) bool { return true }

func (l listening) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "address" {
			l.addr <- a.Value.Any().(net.Addr).String()
		}
		return true
	})
	return nil
}

func source(t *testing.T, s Settings) (*Source, chan string) {
	t.Helper()
	addr := make(chan string, 1)
	src, err := New(registry.Env{
		Log:     slog.New(listening{slog.DiscardHandler, addr}),
		Metrics: metric.NewSet(metric.Source, "a1", "r1", "netcatudp"),
	}, s)
	if err != nil {
		t.Fatal(err)
	}
	return src.(*Source), addr
}

func run(t *testing.T, s Settings, out sources.Output) (src *Source, conn net.Conn, stop func()) {
	t.Helper()
	src, addr := source(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- src.Run(ctx, out) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return src, dial(t, <-addr), stop
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func send(t *testing.T, conn net.Conn, datagrams ...string) {
	t.Helper()
	for _, d := range datagrams {
		if _, err := conn.Write([]byte(d)); err != nil {
			t.Fatal(err)
		}
	}
}

func wait(t *testing.T, out *flowtest.Recorder, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out.Wait(ctx, t, n)
}

var local = Settings{Bind: "127.0.0.1"}

func TestTheFirstLineOfADatagramIsAnEvent(t *testing.T) {
	out := &flowtest.Recorder{}
	_, conn, _ := run(t, local, out)
	send(t, conn, "one", "two\n", "three\nfour", "", "\n", strings.Repeat("x", 3000))
	wait(t, out, 6)
	want := []string{"one", "two", "three", "", "", strings.Repeat("x", 2048)}
	if got := out.Bodies(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := out.Events()[0].Headers; len(got) != 0 {
		t.Errorf("headers %v, want none", got)
	}
}

func TestTheSendersAddressIsAHeader(t *testing.T) {
	out, s := &flowtest.Recorder{}, local
	s.RemoteAddress = "from"
	_, conn, _ := run(t, s, out)
	send(t, conn, "x")
	wait(t, out, 1)
	if got, want := out.Events()[0].Headers, []event.Header{{Key: "from", Value: "/" + conn.LocalAddr().String()}}; !slices.Equal(got, want) {
		t.Errorf("headers %v, want %v", got, want)
	}
}

func TestWhatIsRefusedIsCounted(t *testing.T) {
	refused := make(chan struct{})
	out := &flowtest.Recorder{OnSend: func(context.Context, *event.Batch) error {
		select {
		case <-refused:
			return nil
		default:
			close(refused)
			return event.ErrFull
		}
	}}
	src, conn, stop := run(t, local, out)
	send(t, conn, "lost")
	<-refused
	send(t, conn, "held")
	wait(t, out, 1)
	stop()
	if got := src.lost.Value(); got != 1 {
		t.Errorf("%d datagrams counted as lost, want 1", got)
	}
}

// told is a source whose address is known as long as it runs.
type told struct {
	*Source
	addr chan string
}

func (s told) Run(ctx context.Context, out sources.Output) error {
	err := s.Source.Run(ctx, out)
	select {
	case <-s.addr:
	default:
	}
	return err
}

func TestSource(t *testing.T) {
	said := 0
	flowtest.Source(t, flowtest.SourceCase{
		New: func(t *testing.T) sources.Source {
			src, addr := source(t, local)
			return told{src, addr}
		},
		Feed: func(t *testing.T, s sources.Source, n int) (bodies []string) {
			addr := <-s.(told).addr
			s.(told).addr <- addr
			conn := dial(t, addr)
			for range n {
				said++
				bodies = append(bodies, fmt.Sprint(said))
				send(t, conn, bodies[len(bodies)-1])
			}
			return bodies
		},
	})
}

func TestTellsThatItRuns(t *testing.T) {
	flowtest.TellsThatItRuns(t, func(health func(error)) sources.Source {
		s, _ := source(t, Settings{Bind: "127.0.0.1"})
		s.health = health
		return s
	})
}
