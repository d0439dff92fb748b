package processor

import (
	"errors"
	"testing"
	"time"

	"goflume/internal/registry"
)

func TestDefaultAlwaysPicksItsOneSink(t *testing.T) {
	p, err := NewDefault(registry.Env{Peers: []string{"k1"}}, DefaultSettings{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if sink, wait := p.Pick(time.Time{}); sink != 0 || wait != 0 {
			t.Errorf("Pick gives %d after %v, want 0 at once", sink, wait)
		}
		p.Done(0, errors.New("down"), time.Time{})
	}
}

func TestDefaultRefusesSeveralSinks(t *testing.T) {
	if _, err := NewDefault(registry.Env{Peers: []string{"k1", "k2"}}, DefaultSettings{}); err == nil {
		t.Error("two sinks: no error")
	}
}
