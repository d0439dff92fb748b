package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"goflume/conf"
	"goflume/internal/metric"
	"goflume/internal/probe"
	"goflume/internal/safe"
)

// Probed is what a component found of what it needs outside of the process.
type Probed struct {
	Node  *conf.Node
	Type  string
	Found string
	Err   error // why it could not work now; nil where it could
}

// Probe asks every component of the plan that needs something whether it is there, all at once, for at most limit. It
// changes nothing. What needs nothing is left out.
func (p *Plan) Probe(ctx context.Context, limit time.Duration) []Probed {
	var all []Probed
	var probers []probe.Prober
	add := func(n *conf.Node, typ string, component any, err error) {
		if pr, ok := component.(probe.Prober); ok && err == nil {
			all = append(all, Probed{Node: n, Type: typ})
			probers = append(probers, pr)
		}
	}
	for _, s := range p.Sources {
		c, err := s.Build(dryEnv(metric.Source, s.Node))
		add(s.Node, s.Entry.Name, c, err)
	}
	for _, s := range p.Channels {
		c, err := s.Plan.Build(dryEnv(metric.Channel, s.Node))
		add(s.Node, s.Entry.Name, c, err)
	}
	for _, g := range p.Groups {
		for _, s := range g.Sinks {
			c, err := s.Build(dryEnv(metric.Sink, s.Node))
			add(s.Node, s.Entry.Name, c, err)
		}
	}
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() { all[i].Found, all[i].Err = ask(ctx, probers[i], limit) })
	}
	wg.Wait()
	return all
}

// probeGrace is how much longer than its limit a probe may take to end.
const probeGrace = time.Second

// ask probes for at most limit. A probe that does not end then is left behind, for the end of the process.
func ask(ctx context.Context, p probe.Prober, limit time.Duration) (found string, err error) {
	late := fmt.Errorf("no answer within %v", limit)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, late)
	defer cancel()
	type result struct {
		found string
		err   error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		if err := safe.Call(func() error {
			r.found, r.err = p.Probe(ctx)
			return nil
		}); err != nil {
			r = result{"", err}
		}
		done <- r
	}()
	timer := time.NewTimer(limit + probeGrace)
	defer timer.Stop()
	select {
	case r := <-done:
		if errors.Is(r.err, context.DeadlineExceeded) {
			return "", late
		}
		var op *net.OpError
		if errors.As(r.err, &op) && errors.Is(r.err, syscall.EADDRINUSE) && op.Addr != nil {
			taken := &PortError{Network: op.Net, Addr: op.Addr.String(), Err: r.err}
			taken.Explain()
			return "", taken
		}
		return r.found, r.err
	case <-timer.C:
		return "", late
	}
}
