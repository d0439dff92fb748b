package selector

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"goflume/conf"
	"goflume/event"
	"goflume/internal/registry"
)

func init() {
	registry.Add(Registry, "multiplexing", []string{"org.apache.flume.channel.MultiplexingChannelSelector"},
		MultiplexingSettings{Header: "flume.selector.header"}, NewMultiplexing)
}

// MultiplexingSettings of the multiplexing selector, which routes by the value of a header.
type MultiplexingSettings struct {
	// Header whose value picks the channels.
	Header string `conf:"header"`
	// Channels by header value, as in `mapping.CZ = c1 c2`. A value is compared as it is, case and all.
	Mapping map[string]string `conf:"mapping.*"`
	// Channels by header value that get the event if they can, beside those that must.
	Optional map[string]string `conf:"optional.*"`
	// Channels of events without the header or with a value that no mapping names. Without it they are dropped, and counted.
	Default []string `conf:"default"`
}

// Multiplexing routes by a header's value.
type Multiplexing struct {
	header   string
	routes   map[string]route
	fallback route // of values that have none
}

// route is where events of one value go.
type route struct{ required, optional Set }

// NewMultiplexing returns a selector of Env.Peers. The error names channels that are none of them.
func NewMultiplexing(env registry.Env, s MultiplexingSettings) (Selector, error) {
	var errs []error
	set := func(key string, names []string) (set Set) {
		for _, name := range names {
			if i := slices.Index(env.Peers, name); i >= 0 {
				set |= 1 << i
			} else {
				errs = append(errs, conf.Errorf(key, "%s is not a channel of this source; its channels are %s", name, strings.Join(env.Peers, ", ")))
			}
		}
		return set
	}
	m := Multiplexing{header: s.Header, routes: map[string]route{}, fallback: route{required: set("default", s.Default)}}
	for _, value := range slices.Sorted(maps.Keys(s.Mapping)) {
		m.routes[value] = route{required: set("mapping."+value, strings.Fields(s.Mapping[value]))}
	}
	for _, value := range slices.Sorted(maps.Keys(s.Optional)) {
		r, ok := m.routes[value]
		if !ok {
			r = m.fallback
		}
		// A channel that is required and optional is required.
		r.optional = set("optional."+value, strings.Fields(s.Optional[value])) &^ r.required
		m.routes[value] = r
	}
	return m, errors.Join(errs...)
}

// Select implements Selector. A blank value is no value, as in Flume.
func (m Multiplexing) Select(e *event.Event) (required, optional Set) {
	value, ok := e.Header(m.header)
	if !ok || strings.TrimSpace(value) == "" {
		return m.fallback.required, 0
	}
	if r, ok := m.routes[value]; ok {
		return r.required, r.optional
	}
	return m.fallback.required, 0
}
