package processor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"goflume/internal/registry"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	bad   = errors.New("down")
)

func at(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }

func picks(t *testing.T, p Processor, now time.Time, want int, wantWait time.Duration) {
	t.Helper()
	if sink, wait := p.Pick(now); sink != want || sink < 0 && wait != wantWait {
		t.Errorf("after %v: sink %d (wait %v), want %d (wait %v)", now.Sub(start), sink, wait, want, wantWait)
	}
}

func failover(t *testing.T) Processor {
	t.Helper()
	p, err := NewFailover(registry.Env{Peers: []string{"k1", "k2", "k3"}}, FailoverSettings{
		Priority: map[string]string{"k1": "5", "k2": "10"}, MaxPenalty: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFailoverUsesTheBestThatWorks(t *testing.T) {
	p := failover(t)
	picks(t, p, at(0), 1, 0)
	p.Done(1, bad, at(0))
	picks(t, p, at(0), 0, 0)
	p.Done(0, bad, at(0.5))
	picks(t, p, at(1), 2, 0)
	p.Done(2, nil, at(1))
	picks(t, p, at(2), 1, 0) // its 2 s are over
	p.Done(1, bad, at(2))
	picks(t, p, at(2.4), 2, 0)
	picks(t, p, at(2.5), 0, 0)
	p.Done(0, nil, at(2.5))
	picks(t, p, at(5.9), 0, 0)
	picks(t, p, at(6), 1, 0) // 4 s for the second failure
	p.Done(1, nil, at(6))
	picks(t, p, at(6.1), 1, 0)
}

func TestFailoverPenaltyGrowsToItsLimit(t *testing.T) {
	p := failover(t)
	now := start
	for i, want := range []time.Duration{2, 4, 8, 10, 10} {
		p.Done(1, bad, now)
		f := p.(*Failover)
		if got := f.state[1].until.Sub(now); got != want*time.Second {
			t.Errorf("failure %d: %v, want %v", i+1, got, want*time.Second)
		}
		now = now.Add(20 * time.Second)
	}
	for range 100 {
		p.Done(1, bad, now)
	}
	if got := p.(*Failover).state[1].until.Sub(now); got != 10*time.Second {
		t.Errorf("after many failures: %v, want 10s (Flume overflows and tries at once)", got)
	}
}

func TestFailoverWaitsWhenAllHaveFailed(t *testing.T) {
	p := failover(t)
	p.Done(0, bad, at(0))
	p.Done(1, bad, at(1))
	p.Done(2, bad, at(1.5))
	picks(t, p, at(1.5), -1, 500*time.Millisecond)
	picks(t, p, at(2), 0, 0)
}

func TestFailoverNamesWhatIsWrong(t *testing.T) {
	_, err := NewFailover(registry.Env{Peers: []string{"k1"}}, FailoverSettings{Priority: map[string]string{"k9": "1"}})
	if err == nil || !strings.Contains(err.Error(), "k9") {
		t.Errorf("%v, want k9 named", err)
	}
	if err := (FailoverSettings{Priority: map[string]string{"k1": "high"}}).Validate(); err == nil || !strings.Contains(err.Error(), "priority.k1") {
		t.Errorf("%v, want priority.k1 blamed", err)
	}
}

func balance(t *testing.T, s LoadBalanceSettings) Processor {
	t.Helper()
	p, err := NewLoadBalance(registry.Env{Peers: []string{"k1", "k2", "k3"}}, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRoundRobinTakesTurns(t *testing.T) {
	p := balance(t, LoadBalanceSettings{Selector: "round_robin"})
	for i := range 7 {
		picks(t, p, at(0), i%3, 0)
	}
	p.Done(1, bad, at(0)) // without backoff it keeps its turn
	picks(t, p, at(0), 1, 0)
}

func TestBackoffLeavesAFailedSinkAside(t *testing.T) {
	p := balance(t, LoadBalanceSettings{Selector: "round_robin", Backoff: true, MaxTimeOut: 5 * time.Second})
	picks(t, p, at(0), 0, 0)
	p.Done(0, bad, at(0))
	picks(t, p, at(0), 1, 0)
	picks(t, p, at(0), 2, 0)
	picks(t, p, at(1), 1, 0)
	picks(t, p, at(2), 2, 0)
	picks(t, p, at(2), 0, 0)
	p.Done(0, bad, at(2)) // 4 s, as the success of others does not count
	picks(t, p, at(5.9), 1, 0)
	picks(t, p, at(5.9), 2, 0)
	picks(t, p, at(6), 0, 0)
	p.Done(0, bad, at(6)) // 5 s, the limit
	p.Done(1, bad, at(6))
	p.Done(2, bad, at(6))
	picks(t, p, at(6), -1, 2*time.Second)
	p.Done(0, bad, at(6+5+3601)) // an hour later the row is forgotten
	if got := p.(*LoadBalance).state[0].until.Sub(at(6 + 5 + 3601)); got != 2*time.Second {
		t.Errorf("time out after an hour of peace: %v, want 2s", got)
	}
}

func TestRandomPicksAllThatAreNotLeftAside(t *testing.T) {
	p := balance(t, LoadBalanceSettings{Selector: "random", Backoff: true, MaxTimeOut: time.Hour})
	p.Done(1, bad, at(0))
	count := map[int]int{}
	for range 2000 {
		sink, _ := p.Pick(at(1))
		count[sink]++
	}
	if count[1] != 0 || count[0] < 800 || count[2] < 800 {
		t.Errorf("%v, want about 1000 of k1 and k3 each", count)
	}
	p.Done(0, bad, at(1))
	p.Done(2, bad, at(1))
	picks(t, p, at(1), -1, time.Second) // Flume throws here
}

func TestALoadBalanceOfOneIsRefused(t *testing.T) {
	if _, err := NewLoadBalance(registry.Env{Peers: []string{"k1"}}, LoadBalanceSettings{}); err == nil {
		t.Error("one sink is accepted")
	}
}
