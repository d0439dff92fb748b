package agent

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"goflume/agent/flow"
	"goflume/internal/metric"
)

// removedChannels are those of the old generation whose name is no more.
func (c *change) removedChannels() []*channel {
	var all []*channel
	for name, ch := range c.old.channels {
		if c.next.channels[name] == nil {
			all = append(all, ch)
		}
	}
	return all
}

// drains names the outlets that are moved only after the removed channels were drained: those of the old generation that
// take from them, those of the next one that take over a sink from these, and so on: an outlet that is not moved yet holds
// on to the sinks that it is to give away.
func (c *change) drains(removed []*channel) map[string]bool {
	late := map[string]bool{}
	busy := map[string]bool{} // sinks
	for label, o := range c.old.outlets {
		for _, l := range o.links {
			if slices.ContainsFunc(removed, func(ch *channel) bool { return ch.name() == l.Channel.Name && ch.size() > 0 }) {
				late[label] = true
			}
		}
	}
	for before := -1; before < len(late); {
		before = len(late)
		for label := range late {
			if o := c.old.outlets[label]; o != nil {
				for _, l := range o.links {
					busy[l.Sink.Name()] = true
				}
			}
		}
		for _, g := range c.next.plan.Groups {
			if slices.ContainsFunc(g.peers(), func(sink string) bool { return busy[sink] }) {
				late[g.label()] = true
			}
		}
	}
	return late
}

// drain waits until the channels are empty, no longer than the drain timeout.
func (c *change) drain(removed []*channel) {
	ctx, cancel := context.WithTimeout(c.a.hard, c.a.settings.DrainTimeout)
	defer cancel()
	left := func() (n int) {
		for _, ch := range removed {
			n += ch.size()
		}
		return n
	}
	c.a.log.Info("Draining channels that were removed", "events", left())
	tick := time.NewTicker(look)
	defer tick.Stop()
	for left() > 0 && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// leave closes a channel that is no more and tells what it still held.
func (c *change) leave(ch *channel) {
	ch.close(c.a.hard) // first: what comes after the count would be neither refused nor told of
	if c.a.isDraining() {
		c.a.left.count(ch)
	}
	switch n := ch.size(); {
	case n == 0:
	case ch.durable():
		c.a.log.Warn("Channel was removed with events in it; they stay where it keeps them", "channel", ch.name(), "events", n)
	default:
		c.a.log.Error("Channel was removed with events in it; they are lost", "channel", ch.name(), "events", n)
	}
	c.a.metrics.Remove(ch.set)
}

// moveSinks goes from the old outlets to the next ones, of those that pick accepts: what changes rests first, then sinks
// that are no more are closed, then all is wired as the plan says.
func (c *change) moveSinks(pick func(label string) bool) {
	groups := map[string]GroupPlan{}
	for _, g := range c.next.plan.Groups {
		if pick(g.label()) {
			groups[g.label()] = g
		}
	}
	var moving []*outlet
	var gone []*sink
	var settled []func(context.Context) error
	for label, o := range c.old.outlets {
		if !pick(label) {
			continue
		}
		if g, stays := groups[label]; stays {
			c.next.outlets[label] = o
			if c.sameOutlet(o, g) {
				delete(groups, label)
				continue
			}
		}
		for _, l := range o.links {
			if k := c.old.sinks[l.Sink.Name()]; c.next.sinks[k.name] != k {
				gone = append(gone, k)
			}
		}
		moving, settled = append(moving, o), append(settled, o.wire(nil))
	}
	c.settle(moving, settled)
	c.closeSinks(gone)
	for label, g := range groups {
		o := c.next.outlets[label]
		if o == nil || o.ended() {
			o = c.a.newOutlet(label)
			c.next.outlets[label] = o
		}
		w, err := c.a.outletWiring(g, c.next.channels, c.next.sinks)
		if err != nil {
			panic("agent: a processor that was built before cannot be built again: " + err.Error())
		}
		for _, p := range g.Sinks {
			if k := c.next.sinks[p.Node.Name]; c.old.sinks[k.name] != k {
				k.set.Start(time.Now())
			}
		}
		o.wire(w)
	}
	for _, o := range moving {
		if !slices.Contains(slices.Collect(maps.Values(c.next.outlets)), o) {
			o.stop()
			<-o.done
		}
	}
}

// sameOutlet tells whether an outlet needs no new wiring for the group.
func (c *change) sameOutlet(o *outlet, g GroupPlan) bool {
	i := slices.IndexFunc(c.old.plan.Groups, func(h GroupPlan) bool { return h.label() == g.label() })
	if i < 0 || (g.Node != nil && !c.old.plan.Groups[i].Processor.Equal(g.Processor)) || o.ended() {
		return false
	}
	return slices.EqualFunc(o.links, g.Sinks, func(l flow.SinkLink, p SinkPlan) bool {
		return l.Sink == c.next.sinks[p.Node.Name].sink && l.Channel.Channel == c.next.channels[p.Channel].channel
	})
}

func (o *outlet) ended() bool {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}

// settle waits until the outlets have finished what is in flight. One that does not is cut short and ends.
func (c *change) settle(outlets []*outlet, settled []func(context.Context) error) {
	ctx, cancel := context.WithTimeout(c.a.hard, c.a.settings.DrainTimeout)
	defer cancel()
	for i, wait := range settled {
		if wait(ctx) != nil {
			outlets[i].stop()
			outlets[i].hard()
			<-outlets[i].done
		}
	}
}

// closeSinks closes the sinks, which no outlet uses any more.
func (c *change) closeSinks(gone []*sink) {
	ctx, cancel := context.WithTimeout(c.a.hard, closing)
	defer cancel()
	var wg sync.WaitGroup
	for _, k := range gone {
		wg.Go(func() { c.a.closeSink(ctx, k) })
	}
	wg.Wait()
	for _, k := range gone {
		if c.next.sinks[k.name] == nil {
			c.a.metrics.Remove(k.set)
		}
		c.a.mu.Lock()
		c.a.gone.add(metric.NewSink(k.set))
		c.a.mu.Unlock()
	}
}

// closeSink closes the sink; how it went is logged, as nobody can do more.
func (a *Agent) closeSink(ctx context.Context, k *sink) {
	if err := k.sink.Close(ctx); err != nil {
		a.log.Error("Sink is not closed as it should be", failure(err, "sink", k.name)...)
	}
	k.set.Stop(time.Now())
}
