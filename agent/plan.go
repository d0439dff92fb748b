package agent

import (
	"log/slog"
	"slices"

	"goflume/channels"
	"goflume/conf"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/sinks"
	"goflume/sinks/processor"
	"goflume/sources"
	"goflume/sources/interceptor"
	"goflume/sources/selector"
)

// Plan is an agent whose configuration was decoded and found to be without errors: all that is needed to build it, and
// what two generations are compared by.
type Plan struct {
	Agent    string
	Channels []ChannelPlan
	Sources  []SourcePlan
	Groups   []GroupPlan
	Rejected []ComponentStatus // left out for their errors, only when that was asked for
}

// ChannelPlan is one channel.
type ChannelPlan struct {
	Node *conf.Node
	registry.Plan[channels.Channel]
}

// SourcePlan is one source with its wiring.
type SourcePlan struct {
	Node *conf.Node
	registry.Plan[sources.Source]
	Channels     []string
	Selector     registry.Plan[selector.Selector]
	Interceptors []InterceptorPlan
}

// InterceptorPlan is one interceptor of a source.
type InterceptorPlan struct {
	Node *conf.Node
	registry.Plan[interceptor.Interceptor]
}

// GroupPlan is a sink group, or a sink by itself.
type GroupPlan struct {
	Node      *conf.Node // nil for a sink by itself
	Processor registry.Plan[processor.Processor]
	Sinks     []SinkPlan
}

// SinkPlan is one sink with its wiring.
type SinkPlan struct {
	Node *conf.Node
	registry.Plan[sinks.Sink]
	Channel string
}

// label tells groups and sinks of the same name apart.
func (g GroupPlan) label() string {
	if g.Node == nil {
		return g.Sinks[0].Node.Label()
	}
	return g.Node.Label()
}

// checker decodes one agent.
type checker struct {
	agent    *conf.Agent
	plan     *Plan
	issues   []conf.Issue
	channels map[string]conf.Part
	upstream map[string][]conf.Part // by channel: the sources and interceptors that its events come from
}

// Check decodes every component of the agent, builds each once without any I/O, and returns the plan with all issues that
// only the component types know. found are the issues of reading the configuration. The plan is nil where any of both is
// an error; with lenient the components that have errors are left out instead, as Flume does, and it is nil only where
// nothing is left to run.
func Check(a *conf.Agent, found []conf.Issue, lenient bool) (*Plan, []conf.Issue) {
	c := &checker{agent: a, plan: &Plan{Agent: a.Name}, channels: map[string]conf.Part{}, upstream: map[string][]conf.Part{}}
	c.decodeChannels()
	c.decodeSources()
	c.decodeGroups()
	c.build()
	all := conf.Of(a.Name, slices.Concat(found, c.issues))
	if !conf.HasErrors(all) {
		return c.plan, c.issues
	}
	if !lenient || !c.reject(all) {
		return nil, c.issues
	}
	return c.plan, c.issues
}

func decode[T any](c *checker, r *registry.Registry[T], n *conf.Node) registry.Plan[T] {
	p, issues := r.Decode(n)
	c.issues = append(c.issues, issues...)
	return p
}

// withType returns the part of n below prefix; where it has no type it gets the default one.
func withType(n *conf.Node, prefix, typ string) *conf.Node {
	s := n.Sub(prefix)
	if _, ok := s.Get("type"); !ok {
		s.Props = append(s.Props, conf.Property{Key: "type", Value: typ})
	}
	return s
}

func (c *checker) decodeChannels() {
	for _, n := range c.agent.Channels {
		p := ChannelPlan{n, decode(c, channels.Registry, n)}
		c.channels[n.Name] = conf.Part{Node: n, Settings: p.Settings}
		if c.attached(n.Name) { // else conf has warned of it
			c.plan.Channels = append(c.plan.Channels, p)
		}
	}
}

// attached tells whether a source or a sink names the channel.
func (c *checker) attached(channel string) bool {
	return slices.ContainsFunc(c.agent.Sources, func(n *conf.Node) bool { return slices.Contains(names(n, "channels"), channel) }) ||
		slices.ContainsFunc(c.agent.Sinks, func(n *conf.Node) bool { return n.Value("channel") == channel })
}

func names(n *conf.Node, key string) []string {
	var all []string
	for _, item := range n.Items(key) {
		all = append(all, item.Name)
	}
	return all
}

func (c *checker) decodeSources() {
	var earlier []conf.Part
	for _, n := range c.agent.Sources {
		p := SourcePlan{Node: n, Plan: decode(c, sources.Registry, n), Channels: names(n, "channels")}
		p.Selector = decode(c, selector.Registry, withType(n, "selector", "replicating"))
		up := []conf.Part{{Node: n, Settings: p.Settings}}
		if is, bad := conf.CheckPositions(earlier, up[0]); bad {
			c.issues = append(c.issues, is)
		}
		earlier = append(earlier, up[0])
		for _, name := range names(n, "interceptors") {
			i := n.Sub("interceptors." + name)
			p.Interceptors = append(p.Interceptors, InterceptorPlan{i, decode(c, interceptor.Registry, i)})
			up = append(up, conf.Part{Node: i, Settings: p.Interceptors[len(p.Interceptors)-1].Settings})
		}
		for _, ch := range p.Channels {
			c.upstream[ch] = append(c.upstream[ch], up...)
			c.checkBatch(up[0], ch)
		}
		c.plan.Sources = append(c.plan.Sources, p)
	}
}

func (c *checker) checkBatch(user conf.Part, channel string) {
	if part, ok := c.channels[channel]; ok {
		if is, bad := conf.CheckBatch(user, part); bad {
			c.issues = append(c.issues, is)
		}
	}
}

func (c *checker) decodeGroups() {
	all := map[string]SinkPlan{}
	for _, n := range c.agent.Sinks {
		p := SinkPlan{n, decode(c, sinks.Registry, n), n.Value("channel")}
		part := conf.Part{Node: n, Settings: p.Settings}
		c.checkBatch(part, p.Channel)
		if is, bad := conf.CheckTimestamp(part, c.upstream[p.Channel]); bad {
			c.issues = append(c.issues, is)
		}
		all[n.Name] = p
	}
	for _, n := range c.agent.Groups {
		g := GroupPlan{Node: n, Processor: decode(c, processor.Registry, withType(n, "processor", "default"))}
		for _, name := range names(n, "sinks") {
			if p, ok := all[name]; ok {
				g.Sinks = append(g.Sinks, p)
				delete(all, name)
			}
		}
		if len(g.Sinks) > 0 {
			c.plan.Groups = append(c.plan.Groups, g)
		}
	}
	for _, n := range c.agent.Sinks {
		if p, ok := all[n.Name]; ok {
			c.plan.Groups = append(c.plan.Groups, GroupPlan{Sinks: []SinkPlan{p}})
		}
	}
}

// build makes every component once, for the errors of its constructor.
func (c *checker) build() {
	for _, p := range c.plan.Channels {
		try(c, p.Node, p.Plan, dryEnv(metric.Channel, p.Node))
	}
	for _, p := range c.plan.Sources {
		e := dryEnv(metric.Source, p.Node)
		try(c, p.Node, p.Plan, e)
		e.Peers = p.Channels
		try(c, p.Node.Sub("selector"), p.Selector, e)
		for _, i := range p.Interceptors {
			try(c, i.Node, i.Plan, e)
		}
	}
	for _, g := range c.plan.Groups {
		for _, p := range g.Sinks {
			try(c, p.Node, p.Plan, dryEnv(metric.Sink, p.Node))
		}
		if g.Node != nil {
			e := dryEnv(metric.Sink, g.Node)
			e.Peers = g.peers()
			try(c, g.Node.Sub("processor"), g.Processor, e)
		}
	}
}

// dryEnv is the environment of a component that is built to see whether it can be.
func dryEnv(kind metric.Kind, n *conf.Node) registry.Env {
	return registry.Env{Agent: n.Agent, Name: n.Name, Log: slog.New(slog.DiscardHandler),
		Metrics: metric.NewSet(kind, n.Agent, n.Name, n.Value("type")), Health: func(error) {}}
}

func (g GroupPlan) peers() []string {
	var all []string
	for _, p := range g.Sinks {
		all = append(all, p.Node.Name)
	}
	return all
}

// try builds what could be decoded without errors.
func try[T any](c *checker, n *conf.Node, p registry.Plan[T], env registry.Env) {
	if p.Entry == nil || c.failed(n.Label()) {
		return
	}
	if _, err := p.Build(env); err != nil {
		c.issues = append(c.issues, conf.BuildIssues(n, err)...)
	}
}

func (c *checker) failed(component string) bool {
	return slices.ContainsFunc(c.issues, func(is conf.Issue) bool {
		return is.Severity == conf.Error && is.Component == component
	})
}

// reject leaves out what Flume would drop: every component that the errors name, sinks and sources that are left without a
// channel, groups without a sink. It tells whether anything is left to run.
func (c *checker) reject(issues []conf.Issue) bool {
	why := map[string]string{}
	for _, is := range issues {
		if is.Severity == conf.Error && is.Component != "" && why[is.Component] == "" {
			why[is.Component] = is.Code + ": " + is.Message
		}
	}
	drop := func(kind metric.Kind, n *conf.Node, reason string) bool {
		if reason != "" {
			c.plan.Rejected = append(c.plan.Rejected, ComponentStatus{Kind: kind, Name: n.Name, Type: n.Value("type"), State: Rejected, LastError: reason})
		}
		return reason != ""
	}
	p := c.plan
	p.Channels = slices.DeleteFunc(p.Channels, func(ch ChannelPlan) bool { return drop(metric.Channel, ch.Node, why[ch.Node.Label()]) })
	gone := func(name string) bool {
		return !slices.ContainsFunc(p.Channels, func(ch ChannelPlan) bool { return ch.Node.Name == name })
	}
	p.Sources = slices.DeleteFunc(p.Sources, func(s SourcePlan) bool {
		return drop(metric.Source, s.Node, why[s.Node.Label()])
	})
	p.Sources = slices.DeleteFunc(p.Sources, func(s SourcePlan) bool {
		if slices.ContainsFunc(s.Channels, func(ch string) bool { return !gone(ch) }) {
			return false
		}
		return drop(metric.Source, s.Node, "none of its channels runs")
	})
	for i := range p.Sources {
		p.Sources[i].Channels = slices.DeleteFunc(p.Sources[i].Channels, gone)
	}
	p.Sources = slices.DeleteFunc(p.Sources, func(s SourcePlan) bool {
		env := dryEnv(metric.Source, s.Node)
		env.Peers = s.Channels
		if _, err := s.Selector.Build(env); err != nil { // a rule for a channel that is left out
			return drop(metric.Source, s.Node, err.Error())
		}
		return false
	})
	var groups []GroupPlan
	for _, g := range p.Groups {
		broken := g.Node != nil && why[g.Node.Label()] != ""
		g.Sinks = slices.DeleteFunc(g.Sinks, func(s SinkPlan) bool {
			reason := why[s.Node.Label()]
			switch {
			case reason == "" && broken:
				reason = "its group is not in order: " + why[g.Node.Label()]
			case reason == "" && gone(s.Channel):
				reason = "its channel does not run"
			}
			return drop(metric.Sink, s.Node, reason)
		})
		if len(g.Sinks) > 0 {
			groups = append(groups, g)
		}
	}
	p.Groups = groups
	p.Channels = slices.DeleteFunc(p.Channels, func(ch ChannelPlan) bool {
		used := slices.ContainsFunc(p.Sources, func(s SourcePlan) bool { return slices.Contains(s.Channels, ch.Node.Name) }) ||
			slices.ContainsFunc(p.Groups, func(g GroupPlan) bool {
				return slices.ContainsFunc(g.Sinks, func(s SinkPlan) bool { return s.Channel == ch.Node.Name })
			})
		return !used && drop(metric.Channel, ch.Node, "nothing that runs is connected to it")
	})
	return len(p.Sources)+len(p.Groups) > 0
}
