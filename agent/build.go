package agent

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"time"

	"goflume/agent/flow"
	"goflume/channels"
	"goflume/conf"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/safe"
	"goflume/sinks"
)

// channel is one channel of a generation.
type channel struct {
	plan    ChannelPlan
	channel channels.Channel
	set     *metric.Set
	count   metric.ChannelCounters
	health  *health
	log     *slog.Logger
}

// sink is one sink of a generation.
type sink struct {
	plan    registry.Plan[sinks.Sink]
	name    string
	durable bool // what it was built for
	set     *metric.Set
	sink    *flow.Sink
	health  *health // what it tells by itself
}

// outlet is a running outlet of a group or of a sink by itself.
type outlet struct {
	outlet *flow.Outlet
	links  []flow.SinkLink // as it is wired
	stop   context.CancelFunc
	hard   context.CancelFunc
	done   chan struct{}
}

// env is what every component gets.
func (a *Agent) env(kind metric.Kind, n *conf.Node, typ string) registry.Env {
	return registry.Env{
		Agent: n.Agent, Name: n.Name,
		Log:      a.log.With("component", n.Name),
		Metrics:  metric.NewSet(kind, n.Agent, n.Name, typ),
		StateDir: filepath.Join(a.settings.StateDir, n.Agent, n.Family, n.Name),
		Health:   func(error) {},
	}
}

func (a *Agent) newChannel(p ChannelPlan) (*channel, error) {
	env := a.env(metric.Channel, p.Node, p.Entry.Name)
	c := &channel{plan: p, set: env.Metrics, count: metric.NewChannel(env.Metrics), health: &health{state: Starting, since: time.Now()}, log: env.Log}
	env.Health = func(err error) {
		if err == nil {
			c.health.set(Running)
		} else if c.health.fail(Backoff, err) {
			c.log.Warn("Channel waits and will try again", "err", err)
		}
	}
	ch, err := p.Build(env)
	if err != nil {
		return nil, err
	}
	c.channel = ch
	c.showStats()
	return c, nil
}

func (c *channel) name() string { return c.plan.Node.Name }

// ref is the channel as the flow knows it.
func (c *channel) ref() flow.ChannelRef {
	return flow.ChannelRef{Name: c.name(), Channel: c.channel, Metrics: c.count}
}

// open opens the channel; ctx ends a replay.
func (c *channel) open(ctx context.Context) error {
	if err := safe.Call(func() error { return c.channel.Open(ctx) }); err != nil {
		c.health.fail(Failed, err)
		return err
	}
	c.health.turn(Starting, Running)
	c.set.Start(time.Now())
	return nil
}

// How long a channel may take to close, and how much longer when all is cut short.
const (
	sealing  = 30 * time.Second
	patience = 5 * time.Second
)

var errNotClosed = errors.New("it has not returned after it was told to close")

// close closes the channel and tells whether it did, in time; how it went is logged, as nobody can do more. A disk or a
// server that does not answer keeps nobody waiting for ever.
func (c *channel) close(hard context.Context) bool {
	done := make(chan error, 1)
	go func() { done <- safe.Call(c.channel.Close) }()
	ctx, cancel := context.WithTimeout(hard, sealing)
	defer cancel()
	defer func() { c.set.Stop(time.Now()) }()
	select {
	case err := <-done:
		return c.ended(err)
	case <-ctx.Done():
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-done:
		return c.ended(err)
	case <-timer.C:
		c.health.fail(Failed, errNotClosed)
		c.log.Error("The channel does not close and is left as it is", "err", errNotClosed)
		return false
	}
}

func (c *channel) ended(err error) bool {
	if err != nil {
		c.log.Error("Closing the channel failed", failure(err)...)
	}
	c.health.set(Stopped)
	return true
}

// size returns the events that it holds, those in transactions included, 0 where nobody knows.
func (c *channel) size() int {
	s, err := safe.Value(c.channel.Stats)
	if err != nil {
		c.log.Error("The channel does not tell how many events it holds", failure(err)...)
	}
	return max(s.Size, 0) + s.Held
}

// showStats declares what is read from the channel when it is asked for. Flume's memory channel leaves out of its size
// what a sink has taken and not yet committed; its file channel does not.
func (c *channel) showStats() {
	durable := channels.IsDurable(c.channel)
	size := func() float64 {
		s := c.channel.Stats()
		n := max(s.Size, 0)
		if durable {
			n += s.Held
		}
		return float64(n)
	}
	capacity := func() float64 { return float64(c.channel.Stats().Capacity) }
	c.set.Func("ChannelSize", "flume_channel_events", "Events in the channel.", size)
	c.set.Func("ChannelCapacity", "flume_channel_capacity_events", "Most events that the channel holds, 0 for no limit.", capacity)
	c.set.Func("ChannelFillPercentage", "", "", func() float64 {
		if capacity() == 0 {
			return math.MaxFloat64 // as Flume shows it
		}
		return size() / capacity() * 100
	})
	c.set.Func("", "flume_channel_fill_ratio", "Share of the capacity in use, 0 for no limit.", func() float64 {
		if capacity() == 0 {
			return 0
		}
		return size() / capacity()
	})
	c.set.Func("", "flume_channel_bytes", "Bytes of the bodies in the channel.", func() float64 { return float64(c.channel.Stats().Bytes) })
}

func (a *Agent) newSource(p SourcePlan) (*source, error) {
	env := a.env(metric.Source, p.Node, p.Entry.Name)
	s := &source{tenant: tenant{p.Node.Name}, plan: p.Plan, set: env.Metrics, log: env.Log, sockets: &a.sockets,
		inlet:   flow.NewInlet(p.Node.Name, env.Metrics, env.Log),
		health:  health{state: Starting, since: time.Now()},
		settled: make(chan struct{}), done: make(chan struct{})}
	s.node.Store(p.Node)
	env.Health, env.Listen = s.report, s.listen
	src, err := p.Build(env)
	s.source = src
	return s, err
}

func (a *Agent) newSink(p SinkPlan, durable bool) (*sink, error) {
	env := a.env(metric.Sink, p.Node, p.Entry.Name)
	env.Durable = durable
	k := &sink{name: p.Node.Name, plan: p.Plan, durable: durable, set: env.Metrics, health: &health{state: Running}}
	env.Health = func(err error) {
		if err == nil {
			k.health.set(Running)
		} else if k.health.fail(Backoff, err) {
			env.Log.Warn("Sink waits and will try again", "err", err)
		}
	}
	s, err := p.Build(env)
	if err != nil {
		return nil, err
	}
	k.sink = flow.NewSink(k.name, s, env.Metrics, env.Log)
	return k, nil
}

// inletWiring makes the wiring of a source among the channels.
func (a *Agent) inletWiring(p SourcePlan, s *source, among map[string]*channel) (*flow.InletWiring, error) {
	w := &flow.InletWiring{}
	for _, name := range p.Channels {
		w.Channels = append(w.Channels, among[name].ref())
	}
	env := a.env(metric.Source, p.Node, p.Entry.Name)
	env.Metrics, env.Peers = s.set, p.Channels
	var errs []error
	for _, i := range p.Interceptors {
		built, err := i.Build(env)
		w.Interceptors = append(w.Interceptors, built)
		errs = append(errs, err)
	}
	built, err := p.Selector.Build(env)
	w.Selector = built
	return w, errors.Join(append(errs, err)...)
}

// sameWiring tells whether two sources are connected alike, by names.
func sameWiring(p, q SourcePlan) bool {
	return slices.Equal(p.Channels, q.Channels) && p.Selector.Equal(q.Selector) &&
		slices.EqualFunc(p.Interceptors, q.Interceptors, func(i, j InterceptorPlan) bool { return i.Plan.Equal(j.Plan) })
}

// outletWiring makes the wiring of a group. Only a channel whose events would be lost is drained at the end.
func (a *Agent) outletWiring(g GroupPlan, among map[string]*channel, sinks map[string]*sink) (*flow.OutletWiring, error) {
	w := &flow.OutletWiring{}
	for _, p := range g.Sinks {
		c := among[p.Channel]
		w.Sinks = append(w.Sinks, flow.SinkLink{Sink: sinks[p.Node.Name].sink, Channel: c.ref(), Drain: !channels.IsDurable(c.channel)})
	}
	if g.Node == nil {
		return w, nil
	}
	env := a.env(metric.Sink, g.Node, g.Processor.Entry.Name)
	env.Peers = g.peers()
	built, err := g.Processor.Build(env)
	w.Processor = built
	return w, err
}

// newOutlet returns an outlet that runs and is wired to nothing.
func (a *Agent) newOutlet(label string) *outlet {
	stop, cancelStop := context.WithCancel(context.Background())
	hard, cancelHard := context.WithCancel(context.Background())
	o := &outlet{outlet: flow.NewOutlet(label, a.log), stop: cancelStop, hard: cancelHard, done: make(chan struct{})}
	go func() {
		defer close(o.done)
		if err := o.outlet.Run(stop, hard); err != nil {
			a.log.Error("Outlet ended with an error", failure(err)...)
		}
		cancelStop()
		cancelHard()
	}()
	return o
}

// wire connects the outlet; nil has it rest. The function returned is Rewire's.
func (o *outlet) wire(w *flow.OutletWiring) (settled func(context.Context) error) {
	o.links = nil
	if w != nil {
		o.links = w.Sinks
	}
	return o.outlet.Rewire(w)
}
