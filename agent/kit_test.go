package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goflume/channels"
	_ "goflume/channels/file"
	_ "goflume/channels/memory"
	"goflume/conf"
	"goflume/event"
	"goflume/internal/registry"
	"goflume/sinks"
	"goflume/sources"
	_ "goflume/sources/netcat"
)

// The tests' own component types: `probe` sources and sinks, which a test steers and looks at through the stage of that
// name, and `probe` channels that only note when they are opened and closed.

// stage is what a test shares with the probes of one name.
type stage struct {
	mu      sync.Mutex
	notes   []string            // what happened, in order
	bodies  map[string][]string // by sink
	trouble map[string]error    // by component: what its calls answer, errPanic for a panic
	gates   map[string]chan struct{}
	feeds   map[string]chan []string // by source: batches to send
	hung    chan struct{}            // closed at the test's end
	busy    map[string]int           // calls under way, by component
	opens   int                      // of a vault
}

// What trouble may be beside an ordinary error.
var (
	errPanic = errors.New("a panic that the test asked for")
	errHang  = errors.New("a call that hangs until the test ends")
)

var (
	stagesMu sync.Mutex
	stages   = map[string]*stage{}
)

// newStage returns the test's stage; its name is the test's.
func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{bodies: map[string][]string{}, trouble: map[string]error{}, gates: map[string]chan struct{}{}, feeds: map[string]chan []string{}, hung: make(chan struct{})}
	stagesMu.Lock()
	defer stagesMu.Unlock()
	stages[t.Name()] = s
	t.Cleanup(func() {
		close(s.hung)
		stagesMu.Lock()
		defer stagesMu.Unlock()
		delete(stages, t.Name())
	})
	return s
}

func stageOf(name string) *stage {
	stagesMu.Lock()
	defer stagesMu.Unlock()
	return stages[name]
}

func (s *stage) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

func (s *stage) noted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.notes)
}

// has tells whether that was noted.
func (s *stage) has(note string) bool { return slices.Contains(s.noted(), note) }

// in returns what the sink has written so far.
func (s *stage) in(sink string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bodies[sink])
}

// alone notes where the component is called a second time before the first call has ended.
func (s *stage) alone(component string) (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy == nil {
		s.busy = map[string]int{}
	}
	if s.busy[component]++; s.busy[component] > 1 {
		s.notes = append(s.notes, "two at once in "+component)
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.busy[component]--
	}
}

// calling is the number of calls of the component under way.
func (s *stage) calling(component string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy[component]
}

// trip has the component's calls answer err from now on; nil ends that.
func (s *stage) trip(component string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble[component] = err
}

func (s *stage) check(component string) error {
	s.mu.Lock()
	err := s.trouble[component]
	s.mu.Unlock()
	switch err {
	case errPanic:
		panic("probe")
	case errHang:
		<-s.hung
	}
	return err
}

// shut has the sink's writes wait until the function returned is called.
func (s *stage) shut(sink string) (open func()) {
	gate := make(chan struct{})
	s.mu.Lock()
	s.gates[sink] = gate
	s.mu.Unlock()
	return sync.OnceFunc(func() { close(gate) })
}

// feed is where the source takes its batches from.
func (s *stage) feed(source string) chan []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.feeds[source] == nil {
		s.feeds[source] = make(chan []string)
	}
	return s.feeds[source]
}

type probeSettings struct {
	// The test.
	Stage string `conf:"stage,required"`
	// Anything, for a change.
	Mark string `conf:"mark"`
	// Most events of a write.
	BatchSize int `conf:"batchSize,batch" min:"1"`
	// Properties of the component's own.
	More *conf.Node `conf:"more.*"`
}

func init() {
	defaults := probeSettings{BatchSize: 10}
	registry.Add(sources.Registry, "probe", nil, defaults, func(env registry.Env, s probeSettings) (sources.Source, error) {
		return &spy{env.Name, s, env}, nil
	})
	registry.Add(sinks.Registry, "probe", nil, defaults, func(env registry.Env, s probeSettings) (sinks.Sink, error) {
		return probeSink{&spy{env.Name, s, env}}, nil
	})
	registry.Add(channels.Registry, "probe", nil, defaults, func(env registry.Env, s probeSettings) (channels.Channel, error) {
		return newProbeChannel(&spy{env.Name, s, env})
	})
}

type spy struct {
	name     string
	settings probeSettings
	env      registry.Env
}

func (p *spy) stage() *stage { return stageOf(p.settings.Stage) }

// Run sends what the test feeds it.
func (p *spy) Run(ctx context.Context, out sources.Output) error {
	st := p.stage()
	st.note("run %s", p.name)
	defer st.note("end %s", p.name)
	if err := st.check(p.name); err != nil {
		return err
	}
	p.env.Health(nil)
	for {
		select {
		case <-ctx.Done():
			return st.check(p.name + " at its end")
		case bodies := <-st.feed(p.name):
			b := lent(bodies)
			if sources.Deliver(ctx, out, b, p.env.Health) != nil {
				st.note("unsent %s", bodies[0])
			}
			b.Reset()
		}
	}
}

// lent returns a batch of the texts in memory that is overwritten as soon as nobody holds it.
func lent(texts []string) *event.Batch {
	chunk := event.NewChunk([]byte(strings.Join(texts, "")), func(c *event.Chunk) { clear(c.Bytes) })
	defer chunk.Release()
	b := new(event.Batch)
	b.Borrow(chunk)
	at := 0
	for _, text := range texts {
		b.Adopt(chunk.Bytes[at : at+len(text)])
		at += len(text)
	}
	return b
}

type probeSink struct{ *spy }

func (p probeSink) Open(context.Context) error {
	p.stage().note("open %s", p.name)
	return p.stage().check(p.name)
}

func (p probeSink) Write(ctx context.Context, events []event.Event) error {
	st := p.stage()
	defer st.alone(p.name)()
	st.mu.Lock()
	gate := st.gates[p.name]
	st.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := st.check(p.name); err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, e := range events {
		st.bodies[p.name] = append(st.bodies[p.name], string(e.Body))
	}
	return nil
}

func (p probeSink) BatchSize() int { return p.settings.BatchSize }

func (p probeSink) Close(context.Context) error {
	p.stage().note("close %s", p.name)
	return nil
}

// probeChannel is a memory channel with notes.
type probeChannel struct {
	channels.Channel
	*spy
}

func newProbeChannel(p *spy) (channels.Channel, error) {
	e := channels.Registry.Lookup("memory")
	inner, err := registry.Plan[channels.Channel]{Entry: e, Settings: e.Defaults}.Build(p.env)
	return &probeChannel{inner, p}, err
}

func (c *probeChannel) Open(ctx context.Context) error {
	c.stage().note("open %s", c.name)
	return errors.Join(c.stage().check(c.name), c.Channel.Open(ctx))
}

// Healthy implements channels.Healthy.
func (c *probeChannel) Healthy() error { return c.stage().check(c.name + " within") }

func (c *probeChannel) Close() error {
	st := c.stage()
	st.note("close %s", c.name)
	st.mu.Lock()
	gate := st.gates[c.name+" at its end"]
	st.mu.Unlock()
	if gate != nil {
		<-gate
	}
	return errors.Join(c.stage().check(c.name+" at its end"), c.Channel.Close())
}

// plan makes a plan of configuration lines for agent a1. STAGE stands for the test's stage.
func plan(t *testing.T, lines ...string) *Plan {
	t.Helper()
	p, issues := tryPlan(t, false, lines...)
	if p == nil {
		t.Fatalf("configuration: %v", issues)
	}
	return p
}

func tryPlan(t *testing.T, lenient bool, lines ...string) (*Plan, []conf.Issue) {
	t.Helper()
	text := strings.ReplaceAll(strings.Join(lines, "\n")+"\n", "STAGE", t.Name())
	set, issues := conf.Parse(t.Context(), conf.Env{}, conf.Input{Name: "test.conf", Data: []byte(text)})
	if set == nil {
		t.Fatalf("configuration: %v", issues)
	}
	a, is := set.Pick("a1")
	if is != nil {
		t.Fatalf("configuration: %v", is)
	}
	p, more := Check(a, issues, lenient)
	return p, append(issues, more...)
}

// simple is r1 -> c1 -> k1 of probes over a memory channel, with more lines behind.
func simple(more ...string) []string {
	return append([]string{
		"a1.sources = r1", "a1.channels = c1", "a1.sinks = k1",
		"a1.sources.r1.type = probe", "a1.sources.r1.stage = STAGE", "a1.sources.r1.channels = c1",
		"a1.channels.c1.type = memory",
		"a1.sinks.k1.type = probe", "a1.sinks.k1.stage = STAGE", "a1.sinks.k1.channel = c1",
	}, more...)
}

// start runs the lines until the end of the test.
func start(t *testing.T, lines ...string) *Agent {
	t.Helper()
	a := New(Settings{StateDir: t.TempDir(), DrainTimeout: time.Minute, Log: slog.New(slog.DiscardHandler)})
	if err := a.Start(t.Context(), plan(t, lines...)); err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() {
		hard, cancel := context.WithCancel(context.Background())
		cancel()
		if !a.isDraining() {
			a.Stop(hard)
		}
	})
	return a
}

func reload(t *testing.T, a *Agent, lines ...string) []string {
	t.Helper()
	changes, err := a.Reload(t.Context(), plan(t, lines...))
	if err != nil {
		t.Fatalf("reload: %v", err)
	}
	return changes
}

// until waits for a condition that other goroutines bring about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
		<-tick.C
	}
}

// numbered returns from ... to-1 as bodies.
func numbered(from, to int) []string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

// address waits until the source listens: a start does not wait for one that is slow to.
func address(t *testing.T, a *Agent, source string) string {
	t.Helper()
	until(t, source+" listening", func() bool { return len(component(t, a, source).Addresses) > 0 })
	return component(t, a, source).Addresses[0]
}

func component(t *testing.T, a *Agent, name string) ComponentStatus {
	t.Helper()
	for _, c := range a.Status().Components {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("status has no component %s: %v", name, a.Status().Components)
	return ComponentStatus{}
}
