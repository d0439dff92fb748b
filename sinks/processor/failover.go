package processor

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"goflume/conf"
	"goflume/internal/registry"
	"goflume/internal/retry"
)

func init() {
	registry.Add(Registry, "failover", []string{"org.apache.flume.sink.FailoverSinkProcessor"},
		FailoverSettings{MaxPenalty: 30 * time.Second}, NewFailover)
}

// FailoverSettings of the failover processor, which gives all events to the best sink that works.
type FailoverSettings struct {
	// Priority of each sink, as in `priority.k1 = 10`: the largest number goes first. Sinks without one come last, in the order of the group; of equals, the first of the group.
	Priority map[string]string `conf:"priority.*"`
	// Longest time that a failed sink is left aside.
	MaxPenalty time.Duration `conf:"maxpenalty" unit:"ms" min:"0"`
}

// Validate checks the numbers.
func (s FailoverSettings) Validate() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.Priority)) {
		if _, err := strconv.ParseInt(s.Priority[name], 10, 32); err != nil {
			errs = append(errs, conf.Errorf("priority."+name, "%q is no number", s.Priority[name]))
		}
	}
	return errors.Join(errs...)
}

// firstPenalty doubles with each failure in a row.
const firstPenalty = 2 * time.Second

// Failover picks the sink of the highest priority that works. A sink that failed is tried again after 2 s, 4 s, 8 s and so
// on up to maxpenalty, before the one in use; with a success it is back.
type Failover struct {
	order []int // sinks, best first
	state []penalty
	max   time.Duration
}

// penalty of a sink; until is zero for one that works.
type penalty struct {
	failures int
	until    time.Time
}

// NewFailover returns a processor of Env.Peers. The error names sinks of `priority` that are none of them.
func NewFailover(env registry.Env, s FailoverSettings) (Processor, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	f := &Failover{state: make([]penalty, len(env.Peers)), max: s.MaxPenalty}
	priority := make([]int, len(env.Peers))
	for i, name := range env.Peers {
		f.order = append(f.order, i)
		priority[i] = -1 - i
		if text, ok := s.Priority[name]; ok {
			priority[i], _ = strconv.Atoi(text)
		}
	}
	slices.SortStableFunc(f.order, func(a, b int) int { return priority[b] - priority[a] })
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.Priority)) {
		if !slices.Contains(env.Peers, name) {
			errs = append(errs, conf.Errorf("priority."+name, "%s is not a sink of this group; its sinks are %s", name, strings.Join(env.Peers, ", ")))
		}
	}
	return f, errors.Join(errs...)
}

// Pick implements Processor: a sink whose penalty is over, the one that waited longest; else the best that works; else
// none until the first penalty is over.
func (f *Failover) Pick(now time.Time) (sink int, wait time.Duration) {
	due := -1
	for i := range f.state {
		p := f.state[i]
		if p.failures > 0 && !p.until.After(now) && (due < 0 || p.until.Before(f.state[due].until)) {
			due = i
		}
	}
	if due >= 0 {
		return due, 0
	}
	wait = f.max
	for _, i := range f.order {
		if f.state[i].failures == 0 {
			return i, 0
		}
		wait = min(wait, f.state[i].until.Sub(now))
	}
	return -1, wait
}

// Done implements Processor.
func (f *Failover) Done(sink int, err error, now time.Time) {
	p := &f.state[sink]
	if err == nil {
		*p = penalty{}
		return
	}
	p.until = now.Add(retry.Doubled(firstPenalty, p.failures, f.max))
	p.failures++
}
