package machine

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatIsFoundIsKept(t *testing.T) {
	calls := 0
	n := names{lookUp: func(string) (string, error) { calls++; return "h1", nil }}
	for range 3 {
		if s, err := n.name(Host); s != "h1" || err != nil {
			t.Errorf("%q, %v, want h1", s, err)
		}
	}
	if calls != 1 {
		t.Errorf("%d look-ups, want 1", calls)
	}
}

func TestAFailureIsNotLookedUpForEveryEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, away := 0, errors.New("no such host")
		n := names{lookUp: func(string) (string, error) { calls++; return "h1", away }}
		for range 3 {
			if s, err := n.name(Full); s != "" || !errors.Is(err, away) {
				t.Errorf("%q, %v, want the failure", s, err)
			}
		}
		if calls != 1 {
			t.Errorf("%d look-ups within a minute, want 1", calls)
		}
		away = nil
		time.Sleep(again)
		if s, err := n.name(Full); s != "h1" || err != nil {
			t.Errorf("%q, %v a minute later, want h1", s, err)
		}
	})
}

func TestTheMachineHasAName(t *testing.T) {
	if s, err := Name(Host); s == "" || err != nil {
		t.Errorf("%q, %v, want the host's name", s, err)
	}
}
