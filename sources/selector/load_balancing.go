package selector

import (
	"math/rand/v2"
	"sync/atomic"

	"goflume/event"
	"goflume/internal/registry"
)

func init() {
	registry.Add(Registry, "load_balancing", []string{"org.apache.flume.channel.LoadBalancingChannelSelector"},
		LoadBalancingSettings{Policy: "round_robin"}, NewLoadBalancing)
}

// LoadBalancingSettings of the load_balancing selector, which sends each event to one of the source's channels.
type LoadBalancingSettings struct {
	// How the channel of an event is picked.
	Policy string `conf:"policy" enum:"round_robin|random"`
}

// LoadBalancing sends each event to one channel.
type LoadBalancing struct {
	channels uint64
	random   bool
	next     *atomic.Uint64
}

// NewLoadBalancing returns a selector of Env.Peers.
func NewLoadBalancing(env registry.Env, s LoadBalancingSettings) (Selector, error) {
	return LoadBalancing{uint64(max(len(env.Peers), 1)), s.Policy == "random", new(atomic.Uint64)}, nil
}

// Select implements Selector.
func (l LoadBalancing) Select(*event.Event) (required, optional Set) {
	if l.random {
		return 1 << rand.Uint64N(l.channels), 0
	}
	return 1 << ((l.next.Add(1) - 1) % l.channels), 0
}
