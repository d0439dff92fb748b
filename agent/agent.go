// Package agent runs one agent of a configuration: it builds the components of a plan, starts and supervises them,
// exchanges what a reload changed while the rest goes on, and ends everything in an order that loses nothing.
//
// Order is everything here. Start: channels, sinks, sources. Stop: sources first, then the channels whose events would be
// lost are drained, then what is in flight is cut short, then sinks and channels are closed.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"goflume/channels"
	"goflume/internal/metric"
	"goflume/internal/safe"
)

// Settings of a run, from the command line.
type Settings struct {
	Version      string
	Revision     string
	StateDir     string        // folder for what components keep
	DrainTimeout time.Duration // for the events of memory channels at the end
	Log          *slog.Logger
}

// Agent runs the components of one agent.
type Agent struct {
	settings Settings
	log      *slog.Logger
	metrics  metric.Registry
	sockets  sockets
	started  time.Time

	hard     context.Context // ends when everything is cut short
	cut      context.CancelFunc
	ending   context.Context // ends when the agent is told to stop
	end      context.CancelFunc
	changing sync.Mutex // one change of the components at a time; before mu

	mu       sync.Mutex
	now      generation
	number   int // of generations
	loaded   time.Time
	refused  error // why the last reload was
	ready    bool
	draining bool
	gone     Traffic // of sources and sinks that are gone
	left     End     // what a change that the stop fell into has left behind
}

// generation is what runs at one time. Its maps are by name, outlets by label; they are not written to once it runs.
type generation struct {
	plan     *Plan
	channels map[string]*channel
	sources  map[string]*source
	sinks    map[string]*sink
	outlets  map[string]*outlet
}

// New returns an agent that runs nothing yet.
func New(s Settings) *Agent {
	hard, cut := context.WithCancel(context.Background())
	ending, end := context.WithCancel(hard)
	return &Agent{settings: s, log: s.Log, started: time.Now(), hard: hard, cut: cut, ending: ending, end: end, now: generation{plan: &Plan{}},
		left: End{Lost: map[string]int{}, Kept: map[string]int{}}}
}

// Metrics returns the counters of all components.
func (a *Agent) Metrics() *metric.Registry { return &a.metrics }

// ChannelError says that a channel could not be opened: what was promised of it cannot be kept, so nothing is started.
type ChannelError struct {
	Channel string
	Err     error
}

func (e *ChannelError) Error() string { return "channel " + e.Channel + ": " + e.Err.Error() }

// Unwrap returns what the channel said.
func (e *ChannelError) Unwrap() error { return e.Err }

// Damaged tells whether the channel's files cannot be read or have lost something, unlike ones that it may not use.
func (e *ChannelError) Damaged() bool {
	return errors.Is(e.Err, channels.ErrDamaged) || errors.Is(e.Err, syscall.EIO)
}

// Start runs the plan. It returns once every component has settled: sources listen or have told why not. A *ChannelError
// means that nothing runs. ctx ends the opening of channels. After Stop, which may come at any time, it starts nothing.
func (a *Agent) Start(ctx context.Context, p *Plan) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	if a.isDraining() {
		return errors.New("the agent is draining")
	}
	if _, err := a.change(ctx, p); err != nil {
		return err
	}
	a.mu.Lock()
	a.ready = true
	a.mu.Unlock()
	return nil
}

// Reload goes on with the plan: components whose type and settings are as before keep running, the others are exchanged,
// events in memory channels are kept. An error means that all runs on as before. It returns what was changed, such as
// "sink k1 changed". ctx ends a reload that has not come to the point of no return.
func (a *Agent) Reload(ctx context.Context, p *Plan) (changes []string, err error) {
	a.changing.Lock()
	defer a.changing.Unlock()
	if a.isDraining() {
		return nil, errors.New("the agent is draining")
	}
	changes, err = a.change(ctx, p)
	a.Refused(err)
	return changes, err
}

// Refused notes why a reload was refused, also by those who read the configuration; nil if it was not.
func (a *Agent) Refused(err error) {
	a.mu.Lock()
	a.refused = err
	a.mu.Unlock()
}

func (a *Agent) isDraining() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.draining
}

// End is what was left when the agent stopped.
type End struct {
	Traffic
	Lost map[string]int // events in memory channels, by channel; only those that had any
	Kept map[string]int // events in durable channels, by channel
	Took time.Duration
}

// Traffic is what has moved since the start of the process, in events.
type Traffic struct {
	Received, Delivered int64
	Dropped             int64 // by sinks, or filed, as their onError says
}

// add counts a sink.
func (t *Traffic) add(s metric.SinkCounters) {
	t.Delivered += s.DrainSuccess.Value()
	t.Dropped += s.Dropped.Value()
}

// Stop ends the sources, drains the memory channels for at most the drain timeout, and closes everything. When hard ends
// it cuts everything short. A reload under way is waited for. It returns what is left.
func (a *Agent) Stop(hard context.Context) End {
	began := time.Now()
	defer context.AfterFunc(hard, a.cut)()
	a.mu.Lock()
	a.draining = true
	a.mu.Unlock()
	a.end()
	a.changing.Lock()
	defer a.changing.Unlock()
	g := a.now
	drain, cancel := context.WithTimeout(a.hard, a.settings.DrainTimeout)
	defer cancel()

	ending, cancel := context.WithTimeout(drain, a.settings.DrainTimeout/2) // the rest is for the sinks
	defer cancel()
	each(g.sources, func(s *source) {
		s.stop(ending)
		s.inlet.Shut()(ending)
	})
	a.sockets.sweep(nil) // rather refused than left waiting
	each(g.outlets, func(o *outlet) {
		defer context.AfterFunc(drain, o.hard)()
		o.stop()
		<-o.done
	})
	ctx, cancel := context.WithTimeout(a.hard, closing)
	defer cancel()
	each(g.sinks, func(k *sink) { a.closeSink(ctx, k) })
	each(g.channels, func(c *channel) { c.close(a.hard) })
	end := a.left
	for _, c := range g.channels { // closed, they take nothing more
		end.count(c)
	}
	a.sockets.close()
	a.cut()
	end.Traffic = a.totals()
	end.Took = time.Since(began)
	return end
}

// count notes what the channel still holds.
func (e *End) count(c *channel) {
	switch n := c.size(); {
	case n == 0:
	case c.durable():
		e.Kept[c.name()] += n
	default:
		e.Lost[c.name()] += n
	}
}

// closing is how long sinks may take to close their files and connections.
const closing = 10 * time.Second

// each calls f for all the values at once and waits.
func each[T any](all map[string]T, f func(T)) {
	var wg sync.WaitGroup
	for _, v := range all {
		wg.Go(func() { f(v) })
	}
	wg.Wait()
}

// Status returns how the agent and its components fare.
func (a *Agent) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := Status{
		Agent: a.now.plan.Agent, Version: a.settings.Version, Revision: a.settings.Revision, Started: a.started,
		Ready: a.ready, Draining: a.draining, Generation: a.number, Loaded: a.loaded, ReloadOK: a.refused == nil,
		Rejected: len(a.now.plan.Rejected),
	}
	if a.refused != nil {
		s.ReloadErr = a.refused.Error()
	}
	for _, p := range a.now.plan.Sources {
		s.Components = append(s.Components, a.now.sources[p.Node.Name].status())
	}
	for _, p := range a.now.plan.Channels {
		s.Components = append(s.Components, a.now.channels[p.Node.Name].status())
	}
	for _, g := range a.now.plan.Groups {
		for _, p := range g.Sinks {
			s.Components = append(s.Components, a.now.sinks[p.Node.Name].status())
		}
	}
	s.Components = append(s.Components, a.now.plan.Rejected...)
	return s
}

func (s *source) status() ComponentStatus {
	c := ComponentStatus{Kind: metric.Source, Name: s.name, Type: s.plan.Entry.Name, Addresses: s.sockets.addresses(&s.tenant)}
	s.health.into(&c)
	return c
}

func (c *channel) status() ComponentStatus {
	cs := ComponentStatus{Kind: metric.Channel, Name: c.name(), Type: c.plan.Entry.Name}
	c.health.into(&cs)
	h, ok := c.channel.(channels.Healthy)
	if !ok || cs.State == Stopped {
		return cs
	}
	if err := safe.Call(h.Healthy); err != nil {
		cs.Sick, cs.LastError = true, err.Error()
		if cs.State == Running {
			cs.State = Backoff
		}
	}
	return cs
}

// status is the flow's view of the sink, but for trouble that only the sink itself tells of.
func (k *sink) status() ComponentStatus {
	c := ComponentStatus{Kind: metric.Sink, Name: k.name, Type: k.plan.Entry.Name}
	k.health.into(&c)
	f := k.sink.Status()
	c.Delivered, c.Dropped = f.Delivered, metric.NewSink(k.set).Dropped.Value()
	if c.State == Running || State(f.State) != Running {
		c.State, c.Since = State(f.State), f.Since
	}
	c.Errors += f.Errors
	if f.Err != nil && f.ErrAt.After(c.ErrorAt) {
		c.LastError, c.ErrorAt = f.Err.Error(), f.ErrAt
	}
	return c
}

// totals is what has moved since the start, also by components that are gone.
func (a *Agent) totals() Traffic {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.gone
	for _, s := range a.now.sources {
		t.Received += metric.NewSource(s.set).Received.Value()
	}
	for _, k := range a.now.sinks {
		t.add(metric.NewSink(k.set))
	}
	return t
}

// DefaultStateDir is where components keep what they need to remember: the folder that systemd made, /var/lib/goflume for
// root, or below the user's home.
func DefaultStateDir() string {
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" {
		return dir
	}
	if os.Geteuid() == 0 {
		return "/var/lib/goflume"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return dir + "/goflume"
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return fmt.Sprintf("%s/goflume-%d", os.TempDir(), os.Geteuid())
	}
	return home + "/.local/state/goflume"
}
