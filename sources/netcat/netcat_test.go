package netcat

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"goflume/event"
	"goflume/internal/charset"
	"goflume/internal/flowtest"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is an Output that holds so many events and refuses more.
type store struct {
	capacity, max int

	mu      sync.Mutex
	bodies  []string
	batches []int
}

const fullText = "Space for commit to queue couldn't be acquired. Sinks are likely not keeping up with sources, or the buffer size is too tight"

func (s *store) Send(_ context.Context, b *event.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bodies)+len(b.Events) > s.capacity {
		return &event.Refused{Kind: event.ErrFull, Text: fullText}
	}
	for _, e := range b.Events {
		s.bodies = append(s.bodies, string(e.Body))
	}
	s.batches = append(s.batches, len(b.Events))
	return nil
}

func (s *store) Limits() (most, room int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.max, s.capacity - len(s.bodies)
}

// taken returns what was sent since the last call.
func (s *store) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.bodies
	s.bodies = nil
	return taken
}

var defaults = Settings{Bind: "127.0.0.1", AckEveryEvent: true, MaxLineLength: 512, Encoding: charset.UTF8}

// listener tells its address as long as it is open.
type listener struct {
	net.Listener
	addr chan string
}

func (l listener) Close() error {
	<-l.addr
	return l.Listener.Close()
}

func environment(addr chan string) registry.Env {
	return registry.Env{
		Log:     slog.New(slog.DiscardHandler),
		Metrics: metric.NewSet(metric.Source, "a1", "r1", "netcat"),
		Listen: func(ctx context.Context, network, at string) (net.Listener, error) {
			l, err := new(net.ListenConfig).Listen(ctx, network, at)
			if err != nil {
				return nil, err
			}
			addr <- l.Addr().String()
			return listener{l, addr}, nil
		},
	}
}

// address waits until the source listens.
func address(addr chan string) string {
	at := <-addr
	addr <- at
	return at
}

// run starts a source and returns its address and a function that stops it.
func run(t *testing.T, s Settings, out sources.Output) (addr string, counters metric.SourceCounters, stop func() error) {
	t.Helper()
	listening := make(chan string, 1)
	env := environment(listening)
	src, err := New(env, s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- src.Run(ctx, out) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { stop() })
	return address(listening), metric.NewSource(env.Metrics), stop
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(conn, got)
	if err != nil || string(got) != want {
		t.Fatalf("answer %q, error %v, want %q", got[:n], err, want)
	}
}

// receiveEnd fails if there is a further answer, or the source does not end the connection.
func receiveEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	if got, err := io.ReadAll(conn); len(got) > 0 || err != nil {
		t.Errorf("further answer %q, error %v, want the end", got, err)
	}
}

func TestSource(t *testing.T) {
	addrs := map[sources.Source]chan string{}
	said := 0
	flowtest.Source(t, flowtest.SourceCase{
		New: func(t *testing.T) sources.Source {
			addr := make(chan string, 1)
			src, err := New(environment(addr), defaults)
			if err != nil {
				t.Fatal(err)
			}
			addrs[src] = addr
			return src
		},
		Feed: func(t *testing.T, s sources.Source, n int) (bodies []string) {
			conn := dial(t, address(addrs[s]))
			for range n {
				said++
				bodies = append(bodies, fmt.Sprint(said))
			}
			send(t, conn, strings.Join(bodies, "\n")+"\n")
			return bodies
		},
	})
}

// flumeCase is a connection to Flume's source, as it was recorded.
type flumeCase struct {
	Case, Source, Reply string
	Writes              []string `json:"writes_hex"`
	Bodies              []string `json:"event_bodies_hex"`
	Closed              bool     `json:"server_closed_before_client"`
}

// better are the cases in which bytes that are no UTF-8 had Flume drop the read's lines and the connection: they pass.
var better = map[string]flumeCase{
	"bad_utf8":                 {Reply: "OK\n", Bodies: []string{"fffe"}},
	"good_then_bad_one_write":  {Reply: "OK\nOK\nOK\n", Bodies: []string{"676f6f64", "626164ff", "6166746572"}},
	"good_then_bad_two_writes": {Reply: "OK\nOK\nOK\n", Bodies: []string{"676f6f64", "626164ff", "6166746572"}},
	"surrogate_bytes":          {Reply: "OK\n", Bodies: []string{"eda080"}},
	"ackfalse_bad":             {Reply: "", Bodies: []string{"ff"}},
	"full_4th":                 {Reply: "OK\nOK\nOK\nFAILED: " + fullText + "\n", Bodies: []string{"31", "32", "33"}}, // the recording ended before
}

func TestAnswersAreFlumes(t *testing.T) {
	text, err := os.ReadFile("testdata/flume.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct{ Cases []flumeCase }
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	with := func(change func(*Settings)) Settings {
		s := defaults
		change(&s)
		return s
	}
	settings := map[string]Settings{
		"default":  defaults,
		"full3":    defaults,
		"ackfalse": with(func(s *Settings) { s.AckEveryEvent = false }),
		"max20":    with(func(s *Settings) { s.MaxLineLength = 20 }),
		"latin1":   with(func(s *Settings) { s.Encoding.Name = "ISO-8859-1" }),
		"utf16":    with(func(s *Settings) { s.Encoding.Name = "UTF-16BE" }),
	}
	stores, addrs := map[string]*store{}, map[string]string{}
	for name, s := range settings {
		stores[name] = &store{capacity: 100, max: 100}
		addrs[name], _, _ = run(t, s, stores[name])
	}
	stores["full3"].capacity = 3
	for _, c := range golden.Cases {
		t.Run(c.Case, func(t *testing.T) {
			if b, ok := better[c.Case]; ok {
				c.Reply, c.Bodies, c.Closed = b.Reply, b.Bodies, b.Closed
			}
			if c.Case == "full_again" {
				stores["full3"].capacity = 0
			}
			conn := dial(t, addrs[c.Source])
			for _, w := range c.Writes {
				b, err := hex.DecodeString(w)
				if err != nil {
					t.Fatal(err)
				}
				send(t, conn, string(b))
			}
			receive(t, conn, c.Reply)
			if !c.Closed {
				conn.CloseWrite()
			}
			receiveEnd(t, conn)
			var bodies []string
			for _, b := range stores[c.Source].taken() {
				bodies = append(bodies, hex.EncodeToString([]byte(b)))
			}
			if !slices.Equal(bodies, c.Bodies) {
				t.Errorf("bodies %q, want %q", bodies, c.Bodies)
			}
		})
	}
	if len(golden.Cases) != 36 {
		t.Errorf("%d connections recorded, want 36", len(golden.Cases))
	}
}

func TestLinesOfOneReadAreFewTransactions(t *testing.T) {
	out := &store{capacity: 25, max: 10}
	addr, _, _ := run(t, defaults, out)
	conn := dial(t, addr)
	send(t, conn, strings.Repeat("x\n", 27))
	receive(t, conn, strings.Repeat("OK\n", 25)+strings.Repeat("FAILED: "+fullText+"\n", 2))
	out.mu.Lock()
	defer out.mu.Unlock()
	if fewest := 3; len(out.batches) < fewest || slices.Max(out.batches) > 10 {
		t.Errorf("transactions of %v lines, want at least %d of at most 10", out.batches, fewest)
	}
}

// broken is an Output that fails for a reason of its own.
type broken struct{}

func (broken) Send(context.Context, *event.Batch) error {
	return errors.Join(errors.New("disk gone"), errors.New("disk two gone"))
}
func (broken) Limits() (most, room int) { return 0, -1 }

func TestAnyFailureIsOneLine(t *testing.T) {
	addr, _, _ := run(t, defaults, broken{})
	conn := dial(t, addr)
	send(t, conn, "a\n")
	receive(t, conn, "FAILED: disk gone disk two gone\n")
}

func TestTooLongALineIsCountedAndAnsweredThoughMoreIsSent(t *testing.T) {
	addr, counters, _ := run(t, defaults, &store{capacity: 1})
	conn := dial(t, addr)
	send(t, conn, strings.Repeat("é", 511)+strings.Repeat("x", 100_000)+"\nmore\n")
	receive(t, conn, "FAILED: Event exceeds the maximum length (512 chars, including newline)\n")
	receiveEnd(t, conn)
	conn.Close()
	if got := counters.ReadFail.Value(); got != 1 {
		t.Errorf("EventReadFail %d, want 1", got)
	}
}

func TestAnUnfinishedCharacterIsNotCounted(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"ab\xe2\x98", "ab"}, {"ab\xe2\x98\x83", "ab☃"}, {"ab\xff", "ab\xff"}, {"\xf0\x9f\x98", ""}, {"", ""}, {"\x83\x83", "\x83\x83"},
	} {
		if got := string(whole([]byte(c.text))); got != c.want {
			t.Errorf("whole(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

func TestStopAnswersWhatWasReadAndClosesTheSocket(t *testing.T) {
	out := &store{capacity: 10}
	addr, counters, stop := run(t, defaults, out)
	conn := dial(t, addr)
	send(t, conn, "a\nb")
	receive(t, conn, "OK\n")
	if got := counters.OpenConnections.Value(); got != 1 {
		t.Errorf("OpenConnectionCount %v, want 1", got)
	}
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	receiveEnd(t, conn)
	if got := out.taken(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("taken %q, want only the whole line a", got)
	}
	if got := counters.OpenConnections.Value(); got != 0 {
		t.Errorf("OpenConnectionCount %v after the stop, want 0", got)
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Errorf("%s still takes connections", addr)
	}
}

func TestATakenPortEndsRun(t *testing.T) {
	addr, _, _ := run(t, defaults, &store{})
	src, _ := New(registry.Env{
		Log:     slog.New(slog.DiscardHandler),
		Metrics: metric.NewSet(metric.Source, "a1", "r2", "netcat"),
		Listen: func(ctx context.Context, network, _ string) (net.Listener, error) {
			return new(net.ListenConfig).Listen(ctx, network, addr)
		},
	}, defaults)
	if err := src.Run(t.Context(), &store{}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("Run: %v, want that the address is in use", err)
	}
}

// endless is a connection that gives the same text in every read and takes every answer.
type endless struct {
	net.Conn
	text []byte
}

func (e endless) Read(p []byte) (int, error)  { return copy(p, e.text), nil }
func (e endless) Write(p []byte) (int, error) { return len(p), nil }

// hole is an Output that takes everything.
type hole struct{ events int }

func (h *hole) Send(_ context.Context, b *event.Batch) error { h.events += len(b.Events); return nil }
func (h *hole) Limits() (most, room int)                     { return 100, -1 }

func TestLinesCostNoAllocation(t *testing.T) {
	var out hole
	conn := endless{text: bytes.Repeat([]byte(strings.Repeat("x", 211)+"\n"), 100)}
	c := newClient(&Source{settings: defaults}, conn, &out)
	turn := func() {
		c.lines.Fill()
		if err := errors.Join(c.deliver(t.Context()), c.answer()); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		turn()
	}
	out.events = 0
	perTurn := testing.AllocsPerRun(1000, turn)
	if perEvent := perTurn * 1001 / float64(out.events); perEvent > 0.002 { // a chunk in a thousand
		t.Errorf("%v allocations per event", perEvent)
	}
}

func BenchmarkLines(b *testing.B) {
	for _, size := range []int{100, 212} {
		b.Run(fmt.Sprint("bytes=", size), func(b *testing.B) {
			var out hole
			conn := endless{text: bytes.Repeat([]byte(strings.Repeat("x", size-1)+"\n"), 64<<10/size)}
			c := newClient(&Source{settings: defaults}, conn, &out)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for out.events < b.N {
				c.lines.Fill()
				c.deliver(b.Context())
				c.answer()
			}
		})
	}
}
