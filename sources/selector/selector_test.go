package selector

import (
	"strings"
	"testing"

	"goflume/event"
	"goflume/internal/registry"
)

var env = registry.Env{Peers: []string{"c1", "c2", "c3"}}

func TestMultiplexingRoutesByValue(t *testing.T) {
	m, err := NewMultiplexing(env, MultiplexingSettings{
		Header:   "state",
		Mapping:  map[string]string{"CZ": "c1", "US": "c2  c3", "a.b": "c3"},
		Optional: map[string]string{"CZ": "c1 c3", "DE": "c2", "US": "c1"},
		Default:  []string{"c2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		value              string
		required, optional Set
	}{
		{"CZ", 1, 4}, {"US", 6, 1}, {"a.b", 4, 0}, {"DE", 2, 0}, {"cz", 2, 0}, {"", 2, 0}, {" ", 2, 0}, {"-", 2, 0},
	} {
		e := event.Event{}
		if c.value != "-" {
			e.Headers = []event.Header{{Key: "state", Value: c.value}}
		}
		if r, o := m.Select(&e); r != c.required || o != c.optional {
			t.Errorf("%q: required %b optional %b, want %b and %b", c.value, r, o, c.required, c.optional)
		}
	}
}

func TestWithoutADefaultNothingIsPicked(t *testing.T) {
	m, err := NewMultiplexing(env, MultiplexingSettings{Header: "h", Mapping: map[string]string{"x": "c1"}})
	if err != nil {
		t.Fatal(err)
	}
	if r, o := m.Select(&event.Event{}); r != 0 || o != 0 {
		t.Errorf("%b, %b, want none", r, o)
	}
}

func TestUnknownChannelsAreAllNamed(t *testing.T) {
	_, err := NewMultiplexing(env, MultiplexingSettings{Mapping: map[string]string{"x": "c1 c9"}, Optional: map[string]string{"y": "c8"}, Default: []string{"c7"}})
	for _, want := range []string{"c9", "c8", "c7", "mapping.x", "optional.y", "default"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %s in it", err, want)
		}
	}
}

func TestLoadBalancingSpreadsTheEventsOfABatch(t *testing.T) {
	l, err := NewLoadBalancing(env, LoadBalancingSettings{Policy: "round_robin"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		if r, _ := l.Select(nil); r != 1<<(i%3) {
			t.Errorf("event %d: %b", i, r)
		}
	}
	l, err = NewLoadBalancing(env, LoadBalancingSettings{Policy: "random"})
	if err != nil {
		t.Fatal(err)
	}
	count := map[Set]int{}
	for range 3000 {
		r, _ := l.Select(nil)
		count[r]++
	}
	for _, s := range []Set{1, 2, 4} {
		if count[s] < 800 {
			t.Errorf("channel %b got %d of 3000", s, count[s])
		}
	}
}
