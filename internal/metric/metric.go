// Package metric keeps the counters of components. A counter has the name that Flume's /metrics shows and the name that
// Prometheus sees; one of them may be missing. There is nothing global: the agent owns a Registry and gives each
// component a Set.
package metric

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"goflume/internal/safe"
)

// Kind is a component's family as Flume spells it.
type Kind string

// The families that Flume counts.
const (
	Source  Kind = "SOURCE"
	Channel Kind = "CHANNEL"
	Sink    Kind = "SINK"
)

// Registry holds the sets of one agent. The zero Registry is ready for use.
type Registry struct {
	mu   sync.Mutex
	sets []*Set
}

// Set returns a new set for the component; it takes the place of an earlier one of that kind and name.
func (r *Registry) Set(kind Kind, agent, name, typ string) *Set {
	s := NewSet(kind, agent, name, typ)
	r.Add(s)
	return s
}

// Add takes the set into the registry; it takes the place of an earlier one of that kind and name.
func (r *Registry) Add(s *Set) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sets = append(slices.DeleteFunc(r.sets, func(o *Set) bool { return o.Kind == s.Kind && o.Name == s.Name }), s)
}

// Remove forgets the set.
func (r *Registry) Remove(s *Set) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sets = slices.DeleteFunc(r.sets, func(o *Set) bool { return o == s })
}

// Sets returns all sets, in the order in which they were made.
func (r *Registry) Sets() []*Set {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sets)
}

// Set holds the counters of one component. Its methods may be called from many goroutines. Declaring a name again returns
// the counter that is there.
type Set struct {
	Kind  Kind
	Agent string
	Name  string
	Type  string // the component's type name, a label in Prometheus

	started, stopped atomic.Int64 // Unix milliseconds

	mu    sync.Mutex
	attrs []*Attr
}

// NewSet returns a set that belongs to no registry, for tests and tools.
func NewSet(kind Kind, agent, name, typ string) *Set {
	return &Set{Kind: kind, Agent: agent, Name: name, Type: typ}
}

// Start notes the component's start, shown as StartTime.
func (s *Set) Start(now time.Time) { s.started.Store(now.UnixMilli()); s.stopped.Store(0) }

// Stop notes the component's end, shown as StopTime.
func (s *Set) Stop(now time.Time) { s.stopped.Store(now.UnixMilli()) }

// Times returns what Start and Stop noted, in Unix milliseconds, 0 for never.
func (s *Set) Times() (started, stopped int64) { return s.started.Load(), s.stopped.Load() }

// Attr is one attribute of a set. Exactly one of its value fields is set.
type Attr struct {
	Flume  string // name in Flume's JSON; empty: not shown there
	Hidden bool   // kept out of Flume's JSON by Hide
	Prom   string // name in Prometheus without labels; empty: not shown there
	Help   string
	Labels []string // name, value, name, value ... beside agent, component and type

	Counter   *Counter
	Gauge     *Gauge
	Func      func() float64 // read when asked
	Text      func() string  // Flume only
	Histogram *Histogram
}

// Attrs returns the attributes in the order in which they were declared.
func (s *Set) Attrs() []*Attr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.attrs)
}

func (s *Set) declare(a *Attr) *Attr {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.attrs {
		if o.Flume == a.Flume && o.Prom == a.Prom && slices.Equal(o.Labels, a.Labels) ||
			a.Flume != "" && o.Flume == a.Flume {
			if a.Func != nil || a.Text != nil {
				o.Func, o.Text = a.Func, a.Text
			}
			return o
		}
	}
	s.attrs = append(s.attrs, a)
	return a
}

// Hide takes attributes out of Flume's JSON that its own counter of this component type does not have.
func (s *Set) Hide(flume ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.attrs {
		if slices.Contains(flume, a.Flume) {
			a.Hidden = true
		}
	}
}

// Counter declares a count that only grows. prom ends in _total; help is one sentence.
func (s *Set) Counter(flume, prom, help string, labels ...string) *Counter {
	return s.declare(&Attr{Flume: flume, Prom: prom, Help: help, Labels: labels, Counter: new(Counter)}).Counter
}

// Gauge declares a number that goes up and down.
func (s *Set) Gauge(flume, prom, help string, labels ...string) *Gauge {
	return s.declare(&Attr{Flume: flume, Prom: prom, Help: help, Labels: labels, Gauge: new(Gauge)}).Gauge
}

// Func declares a number that is read when asked for; a later Func of the same name replaces an earlier one. Where f
// panics the number is none (NaN).
func (s *Set) Func(flume, prom, help string, f func() float64, labels ...string) {
	s.declare(&Attr{Flume: flume, Prom: prom, Help: help, Labels: labels, Func: func() float64 {
		v, err := safe.Value(f)
		if err != nil {
			return math.NaN()
		}
		return v
	}})
}

// Text declares an attribute of Flume's JSON that is no number.
func (s *Set) Text(flume string, f func() string) { s.declare(&Attr{Flume: flume, Text: f}) }

// Histogram declares a distribution in Prometheus with the upper bounds given, in the unit of prom's name.
func (s *Set) Histogram(prom, help string, bounds []float64, labels ...string) *Histogram {
	return s.declare(&Attr{Prom: prom, Help: help, Labels: labels, Histogram: newHistogram(bounds)}).Histogram
}

// Counter is a count that only grows. The zero Counter is ready for use. It has a cache line for itself: sources and sinks
// count on different processors.
type Counter struct {
	n atomic.Int64
	_ [56]byte
}

// Add adds n, which is not negative.
func (c *Counter) Add(n int) { c.n.Add(int64(n)) }

// Value returns the count.
func (c *Counter) Value() int64 { return c.n.Load() }

// Gauge is a number that goes up and down. The zero Gauge is ready for use.
type Gauge struct{ bits atomic.Uint64 }

// Set sets the number.
func (g *Gauge) Set(v float64) { g.bits.Store(math.Float64bits(v)) }

// Add adds v.
func (g *Gauge) Add(v float64) {
	for {
		old := g.bits.Load()
		if g.bits.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}

// Value returns the number.
func (g *Gauge) Value() float64 { return math.Float64frombits(g.bits.Load()) }

// Histogram counts observations by upper bound.
type Histogram struct {
	bounds []float64
	counts []atomic.Uint64 // one more than bounds: above all of them
	sum    Gauge
}

func newHistogram(bounds []float64) *Histogram {
	return &Histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1)}
}

// LatencyBounds suit durations in seconds from disk syncs to slow remote calls.
var LatencyBounds = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// AgeBounds suit seconds that an event spends on its way, from a handover to hours behind a destination that is down.
var AgeBounds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200}

// Observe counts v.
func (h *Histogram) Observe(v float64) {
	i, _ := slices.BinarySearch(h.bounds, v)
	h.counts[i].Add(1)
	h.sum.Add(v)
}

// Snapshot returns the number and sum of all observations, and the cumulative count at each bound.
func (h *Histogram) Snapshot() (count uint64, sum float64, buckets map[float64]uint64) {
	buckets = make(map[float64]uint64, len(h.bounds))
	for i, b := range h.bounds {
		count += h.counts[i].Load()
		buckets[b] = count
	}
	return count + h.counts[len(h.bounds)].Load(), h.sum.Value(), buckets
}
