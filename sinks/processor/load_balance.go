package processor

import (
	"errors"
	"math/rand/v2"
	"time"

	"goflume/internal/registry"
	"goflume/internal/retry"
)

func init() {
	registry.Add(Registry, "load_balance", []string{"org.apache.flume.sink.LoadBalancingSinkProcessor"},
		LoadBalanceSettings{Selector: "round_robin", MaxTimeOut: 30 * time.Second}, NewLoadBalance)
}

// LoadBalanceSettings of the load_balance processor, which has the sinks take turns, batch by batch.
type LoadBalanceSettings struct {
	// How the sink of a batch is picked.
	Selector string `conf:"selector" enum:"round_robin|random"`
	// Leave a sink aside for a while after it failed.
	Backoff bool `conf:"backoff"`
	// Longest time that a failed sink is left aside; 0 stands for 30 s.
	MaxTimeOut time.Duration `conf:"selector.maxTimeOut" unit:"ms" min:"0"`
}

// What Flume's selectors use: failures within an hour of the last time out count as one row, of which 16 count.
const (
	forget      = time.Hour
	mostDoubled = 16
)

// LoadBalance has the sinks take turns.
type LoadBalance struct {
	random  bool
	backoff bool
	max     time.Duration
	next    int
	state   []timeout
}

// timeout of a sink.
type timeout struct {
	failures int
	until    time.Time // it is left aside
	row      time.Time // a failure before this is one more in the row
}

// NewLoadBalance returns a processor of Env.Peers; fewer than two are an error.
func NewLoadBalance(env registry.Env, s LoadBalanceSettings) (Processor, error) {
	if len(env.Peers) < 2 {
		return nil, errors.New("the load_balance sink processor cannot be used for a single sink; list more sinks in the group, or leave the group out")
	}
	if s.MaxTimeOut == 0 {
		s.MaxTimeOut = 30 * time.Second
	}
	return &LoadBalance{random: s.Selector == "random", backoff: s.Backoff, max: s.MaxTimeOut, state: make([]timeout, len(env.Peers))}, nil
}

// Pick implements Processor: the next in turn, or any, of those that are not left aside; none while all are.
func (l *LoadBalance) Pick(now time.Time) (sink int, wait time.Duration) {
	n := len(l.state)
	start := l.next
	if l.random {
		start = rand.IntN(n)
	}
	wait = l.max
	for i := range n {
		at := (start + i) % n
		if left := l.state[at].until.Sub(now); left > 0 {
			wait = min(wait, left)
			continue
		}
		if l.random && i > 0 { // the draw fell on one that is left aside: its share goes to all the others alike
			at = l.draw(now)
		}
		l.next = (at + 1) % n
		return at, 0
	}
	return -1, wait
}

// draw returns one of the sinks that are not left aside, of which there is at least one.
func (l *LoadBalance) draw(now time.Time) int {
	var free []int
	for i := range l.state {
		if !l.state[i].until.After(now) {
			free = append(free, i)
		}
	}
	return free[rand.IntN(len(free))]
}

// Done implements Processor. A success does not shorten the next time out, as in Flume; only an hour does.
func (l *LoadBalance) Done(sink int, err error, now time.Time) {
	if err == nil || !l.backoff {
		return
	}
	t := &l.state[sink]
	if now.After(t.row) {
		t.failures = 0
	}
	out := retry.Doubled(2*time.Second, t.failures, l.max)
	t.failures = min(t.failures+1, mostDoubled)
	t.until = now.Add(out)
	t.row = t.until.Add(forget)
}
