package selector

import (
	"slices"
	"strings"

	"goflume/conf"
	"goflume/event"
	"goflume/internal/registry"
)

// ReplicatingSettings of the replicating selector, which sends each event to all of the source's channels.
type ReplicatingSettings struct {
	// Channels of the source, separated by blanks, that get each event if they can: without waiting for room, and without
	// a failure there being the source's.
	Optional []string `conf:"optional"`
}

func init() {
	registry.Add(Registry, "replicating", []string{"org.apache.flume.channel.ReplicatingChannelSelector"},
		ReplicatingSettings{}, NewReplicating)
}

// Uniform is what a selector adds whose answer is the same for every event: the flow then asks it once.
type Uniform interface {
	Uniform() (required, optional Set)
}

// Replicating sends every event to every channel of the source.
type Replicating struct{ required, optional Set }

var _ Uniform = Replicating{}

// NewReplicating returns a selector of Env.Peers. The error is a name that is none of them.
func NewReplicating(env registry.Env, s ReplicatingSettings) (Selector, error) {
	r := Replicating{required: Set(1)<<len(env.Peers) - 1}
	for _, name := range s.Optional {
		i := slices.Index(env.Peers, name)
		if i < 0 {
			return nil, conf.Errorf("optional", "%s is not a channel of this source; its channels are %s", name, strings.Join(env.Peers, ", "))
		}
		r.required &^= 1 << i
		r.optional |= 1 << i
	}
	return r, nil
}

// Select implements Selector.
func (r Replicating) Select(*event.Event) (required, optional Set) { return r.required, r.optional }

// Uniform implements the interface of that name.
func (r Replicating) Uniform() (required, optional Set) { return r.required, r.optional }
