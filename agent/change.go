package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"goflume/agent/flow"
	"goflume/channels"
	"goflume/internal/metric"
)

const (
	// stopping is how long a source that is exchanged may take to send what it holds.
	stopping = 10 * time.Second
	// look is how often a channel that is drained is looked at.
	look = 20 * time.Millisecond
)

// change is the way from one generation to the next. Up to commit it can be taken back; from there on whatever fails is
// a matter of the component that fails.
type change struct {
	a         *Agent
	ctx       context.Context
	old, next generation
	exchanges []*exchange
	opened    []*channel // new ones, to be closed where the change is taken back
	inlets    map[string]*flow.InletWiring
}

// change makes the plan the running generation. An error leaves the old one as it was.
func (a *Agent) change(ctx context.Context, p *Plan) ([]string, error) {
	c := &change{a: a, ctx: ctx, old: a.now, next: generation{plan: p}, inlets: map[string]*flow.InletWiring{}}
	if err := c.prepare(); err != nil {
		c.takeBack()
		return nil, err
	}
	what := c.describe()
	c.commit()
	return what, nil
}

// prepare builds what is new, opens new channels and fills those that take another's place.
func (c *change) prepare() error {
	if err := c.build(); err != nil {
		return err
	}
	if err := c.openChannels(); err != nil {
		return err
	}
	for name, n := range c.next.channels {
		if o := c.old.channels[name]; o != nil && o != n {
			c.exchanges = append(c.exchanges, &exchange{change: c, old: o, next: n})
		}
	}
	// Those that can be taken back without a trace go first.
	slices.SortFunc(c.exchanges, func(x, y *exchange) int { return compareBool(x.old.durable(), y.old.durable()) })
	if err := c.hold(); err != nil {
		return err
	}
	for _, x := range c.exchanges {
		if err := x.prepare(); err != nil {
			return err
		}
	}
	return c.wire()
}

func compareBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case y:
		return -1
	}
	return 1
}

// build makes the units of the next generation: the old ones where type and settings are the same.
func (c *change) build() error {
	g := &c.next
	g.channels, g.sources = map[string]*channel{}, map[string]*source{}
	g.sinks, g.outlets = map[string]*sink{}, map[string]*outlet{}
	for _, p := range g.plan.Channels {
		name := p.Node.Name
		if o := c.old.channels[name]; o != nil && o.plan.Equal(p.Plan) && !o.failed() {
			g.channels[name] = o
			continue
		}
		n, err := c.a.newChannel(p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Node.Label(), err)
		}
		g.channels[name] = n
	}
	for _, p := range g.plan.Sources {
		name := p.Node.Name
		if o := c.old.sources[name]; o != nil && o.plan.Equal(p.Plan) && !o.failed() {
			g.sources[name] = o
			continue
		}
		n, err := c.a.newSource(p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Node.Label(), err)
		}
		g.sources[name] = n
	}
	for _, grp := range g.plan.Groups {
		for _, p := range grp.Sinks {
			name, durable := p.Node.Name, g.channels[p.Channel].durable()
			if o := c.old.sinks[name]; o != nil && o.plan.Equal(p.Plan) && o.durable == durable && !o.failed() {
				g.sinks[name] = o
				continue
			}
			n, err := c.a.newSink(p, durable)
			if err != nil {
				return fmt.Errorf("%s: %w", p.Node.Label(), err)
			}
			g.sinks[name] = n
		}
	}
	return nil
}

func (c *channel) durable() bool { return channels.IsDurable(c.channel) }

// What has failed for good is built anew by a reload, also where its settings are the same.

func (c *channel) failed() bool { return c.health.is(Failed) }
func (s *source) failed() bool  { return s.health.is(Failed) }
func (k *sink) failed() bool    { return k.sink.Status().State == flow.Failed }

// openChannels opens the channels of new names, all at once: a replay takes time.
func (c *change) openChannels() error {
	var mu sync.Mutex
	var errs []error
	fresh := maps.Clone(c.next.channels)
	maps.DeleteFunc(fresh, func(name string, _ *channel) bool { return c.old.channels[name] != nil })
	each(fresh, func(ch *channel) {
		err := ch.open(c.ctx)
		mu.Lock()
		defer mu.Unlock()
		c.opened = append(c.opened, ch) // Close is due whether or not Open succeeded
		if err != nil {
			errs = append(errs, &ChannelError{ch.name(), err})
		}
	})
	return errors.Join(errs...)
}

// hold stops what flows into and out of the channels that are exchanged, between two batches.
func (c *change) hold() error {
	changed := map[string]bool{}
	for _, x := range c.exchanges {
		changed[x.old.name()] = true
	}
	if len(changed) == 0 {
		return nil
	}
	settled := map[string]func(context.Context) error{}
	for _, p := range c.old.plan.Sources {
		if slices.ContainsFunc(p.Channels, func(ch string) bool { return changed[ch] }) {
			settled[p.Node.Label()] = c.old.sources[p.Node.Name].inlet.Rewire(nil)
		}
	}
	for label, o := range c.old.outlets {
		if slices.ContainsFunc(o.links, func(l flow.SinkLink) bool { return changed[l.Channel.Name] }) {
			settled[label] = o.outlet.Rewire(nil)
		}
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.a.settings.DrainTimeout)
	defer cancel()
	for label, wait := range settled {
		if wait(ctx) != nil {
			return fmt.Errorf("%s has not finished its batch within %v, so its channel cannot be exchanged", label, c.a.settings.DrainTimeout)
		}
	}
	return nil
}

// wire makes the wiring of the sources that are new or connected to something new.
func (c *change) wire() error {
	for _, p := range c.next.plan.Sources {
		s := c.next.sources[p.Node.Name]
		if s == c.old.sources[p.Node.Name] && c.sameInlet(p) {
			continue
		}
		w, err := c.a.inletWiring(p, s, c.next.channels)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Node.Label(), err)
		}
		c.inlets[p.Node.Name] = w
	}
	for _, g := range c.next.plan.Groups {
		if _, err := c.a.outletWiring(g, c.next.channels, c.next.sinks); err != nil {
			return fmt.Errorf("%s: %w", g.label(), err)
		}
	}
	return nil
}

// sameInlet tells whether a source that stays is connected to the same channels in the same way.
func (c *change) sameInlet(p SourcePlan) bool {
	i := slices.IndexFunc(c.old.plan.Sources, func(q SourcePlan) bool { return q.Node.Name == p.Node.Name })
	return i >= 0 && sameWiring(c.old.plan.Sources[i], p) &&
		!slices.ContainsFunc(p.Channels, func(ch string) bool { return c.old.channels[ch] != c.next.channels[ch] })
}

// takeBack has the old generation go on.
func (c *change) takeBack() {
	for _, x := range slices.Backward(c.exchanges) {
		x.takeBack()
	}
	for _, ch := range c.opened {
		ch.close(c.a.hard)
	}
	if len(c.exchanges) == 0 {
		return
	}
	for _, p := range c.old.plan.Sources {
		s := c.old.sources[p.Node.Name]
		if w, err := c.a.inletWiring(p, s, c.old.channels); err == nil { // it was built once before
			s.inlet.Rewire(w)
		}
	}
	for _, g := range c.old.plan.Groups {
		if w, err := c.a.outletWiring(g, c.old.channels, c.old.sinks); err == nil {
			c.old.outlets[g.label()].wire(w)
		}
	}
}

// commit makes the next generation the running one.
func (c *change) commit() {
	a := c.a
	for _, x := range c.exchanges {
		x.commit()
	}
	var settled []func(context.Context) error
	for name, w := range c.inlets {
		settled = append(settled, c.next.sources[name].inlet.Rewire(w))
	}
	c.register() // who sees the new generation sends into its channels
	ended := c.endedSources()
	ctx, cancel := context.WithTimeout(c.a.hard, min(stopping, c.a.settings.DrainTimeout))
	each(ended, func(s *source) { s.stop(ctx) })
	for _, s := range ended {
		settled = append(settled, s.inlet.Shut())
	}
	removed := c.removedChannels()
	if len(removed) > 0 {
		for _, wait := range settled {
			wait(ctx) // a batch on its way into a removed channel counts there; who takes longer has it refused
		}
	}
	cancel()
	late := c.drains(removed)
	c.moveSinks(func(label string) bool { return !late[label] })
	c.startSources()
	if len(late) > 0 {
		c.drain(removed)
		c.moveSinks(func(label string) bool { return late[label] })
	}
	for _, ch := range removed {
		c.leave(ch)
	}
	for _, x := range c.exchanges {
		x.finish()
	}
	a.sockets.sweep(nil)
	for name, s := range ended {
		if c.next.sources[name] == nil {
			a.metrics.Remove(s.set)
		}
		a.mu.Lock()
		a.gone.Received += metric.NewSource(s.set).Received.Value()
		a.mu.Unlock()
	}
}

// endedSources are those of the old generation that are no more. They end by sending what they hold: where their channel
// was exchanged, into the one that took its place.
func (c *change) endedSources() map[string]*source {
	among := maps.Clone(c.next.channels)
	for name, ch := range c.old.channels {
		if among[name] == nil {
			among[name] = ch
		}
	}
	ended := map[string]*source{}
	for _, p := range c.old.plan.Sources {
		s := c.old.sources[p.Node.Name]
		if c.next.sources[p.Node.Name] == s {
			continue
		}
		ended[p.Node.Name] = s
		if len(c.exchanges) == 0 {
			continue
		}
		if w, err := c.a.inletWiring(p, s, among); err == nil { // it was built once before
			s.inlet.Rewire(w)
		}
	}
	return ended
}

// register shows the next generation to Status and to the metrics.
func (c *change) register() {
	a := c.a
	for name, ch := range c.next.channels {
		if c.old.channels[name] != ch {
			a.metrics.Add(ch.set)
		}
	}
	for name, s := range c.next.sources {
		if c.old.sources[name] != s {
			a.metrics.Add(s.set)
		}
	}
	for name, k := range c.next.sinks {
		if c.old.sinks[name] != k {
			a.metrics.Add(k.set)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now = c.next
	a.number++
	a.loaded = time.Now()
}

// startSources starts the sources that are new and waits until each has settled.
func (c *change) startSources() {
	for _, p := range c.next.plan.Sources {
		s := c.next.sources[p.Node.Name]
		s.node.Store(p.Node)
		if c.old.sources[p.Node.Name] != s {
			s.start()
		}
	}
	for _, s := range c.next.sources {
		<-s.settled // within grace of its start
	}
}

// describe lists what the change does.
func (c *change) describe() []string {
	var all []string
	add := func(label string, had, has, same bool) {
		switch {
		case had && has && !same:
			all = append(all, label+" changed")
		case had && !has:
			all = append(all, label+" removed")
		case has && !had:
			all = append(all, label+" added")
		}
	}
	for _, name := range both(c.old.sources, c.next.sources) {
		o, n := c.old.sources[name], c.next.sources[name]
		add("source "+name, o != nil, n != nil, o == n)
		if o == n && c.inlets[name] != nil {
			all = append(all, "source "+name+" connected anew")
		}
	}
	for _, name := range both(c.old.channels, c.next.channels) {
		o, n := c.old.channels[name], c.next.channels[name]
		add("channel "+name, o != nil, n != nil, o == n)
	}
	for _, name := range both(c.old.sinks, c.next.sinks) {
		o, n := c.old.sinks[name], c.next.sinks[name]
		add("sink "+name, o != nil, n != nil, o == n)
	}
	return all
}

// both returns the names in either map, sorted.
func both[T any](x, y map[string]T) []string {
	all := maps.Clone(x)
	if all == nil {
		all = map[string]T{}
	}
	maps.Copy(all, y)
	return slices.Sorted(maps.Keys(all))
}
