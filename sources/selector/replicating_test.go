package selector

import (
	"errors"
	"strings"
	"testing"

	"goflume/conf"
	"goflume/event"
	"goflume/internal/registry"
)

func TestReplicatingRequiresAllChannelsButTheOptionalOnes(t *testing.T) {
	var many []string
	for range 64 {
		many = append(many, "c")
	}
	for _, c := range []struct {
		peers                  []string
		optional               []string
		required, optionalWant Set
	}{
		{[]string{"c1"}, nil, 1, 0},
		{[]string{"c1", "c2", "c3"}, nil, 7, 0},
		{[]string{"c1", "c2", "c3"}, []string{"c2"}, 5, 2},
		{[]string{"c1"}, []string{"c1", "c1"}, 0, 1},
		{many, nil, ^Set(0), 0},
	} {
		s, err := NewReplicating(registry.Env{Peers: c.peers}, ReplicatingSettings{Optional: c.optional})
		if err != nil {
			t.Fatal(err)
		}
		if req, opt := s.Select(&event.Event{}); req != c.required || opt != c.optionalWant {
			t.Errorf("%v optional %v: Select gives %b and %b, want %b and %b", c.peers, c.optional, req, opt, c.required, c.optionalWant)
		}
		if req, opt := s.(Uniform).Uniform(); req != c.required || opt != c.optionalWant {
			t.Errorf("%v optional %v: Uniform gives %b and %b, want %b and %b", c.peers, c.optional, req, opt, c.required, c.optionalWant)
		}
	}
}

func TestReplicatingRefusesAnUnknownOptionalChannel(t *testing.T) {
	_, err := NewReplicating(registry.Env{Peers: []string{"c1", "c2"}}, ReplicatingSettings{Optional: []string{"c3"}})
	var blamed *conf.KeyError
	if !errors.As(err, &blamed) || blamed.Key != "optional" || !strings.Contains(err.Error(), "c1, c2") {
		t.Errorf("error is %v, want one that blames optional and names the channels", err)
	}
}

func TestReplicatingIsFoundByFlumesNames(t *testing.T) {
	for _, name := range []string{"replicating", "REPLICATING", "org.apache.flume.channel.ReplicatingChannelSelector"} {
		if e := Registry.Lookup(name); e == nil || e.Name != "replicating" {
			t.Errorf("no type %s", name)
		}
	}
}
