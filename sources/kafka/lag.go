package kafka

import (
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"goflume/internal/kafka"
	"goflume/internal/metric"
)

// lags are how far behind the partitions' ends the source is. A partition that belongs to another member shows no number.
type lags struct {
	set *metric.Set

	mu  sync.Mutex
	all map[place]*lag
}

type place struct {
	topic     string
	partition int32
}

// lag is one partition's.
type lag struct {
	claim atomic.Pointer[kafka.Claim]
	next  atomic.Int64 // offset; -1 for nothing delivered yet
	done  atomic.Int64 // highest next of this run, over all claims
	ended time.Time    // of the last claim; under lags' mu
}

// lately is how long ago a claim may have ended for its offsets to mean the same log to the next one.
const lately = time.Minute

func (l *lag) value() float64 {
	c := l.claim.Load()
	if c == nil {
		return math.NaN()
	}
	next := l.next.Load()
	if next < 0 {
		return math.NaN()
	}
	return float64(max(c.HighWater()-next, 0))
}

// begin shows the claim's lag, until end.
func (l *lags) begin(c *kafka.Claim) *lag {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := place{c.Topic, c.Partition}
	one := l.all[at]
	if one == nil {
		if l.all == nil {
			l.all = map[place]*lag{}
		}
		one = new(lag)
		l.all[at] = one
		l.set.Func("", "flume_source_kafka_lag_events", "Records between the last delivered one and the partition's end.", one.value,
			"topic", c.Topic, "partition", strconv.Itoa(int(c.Partition)))
	}
	if time.Since(one.ended) > lately {
		one.done.Store(0)
	}
	one.next.Store(-1)
	one.claim.Store(c)
	return one
}

// delivered notes that all before next is.
func (l *lag) delivered(next int64) {
	l.next.Store(next)
	l.done.Store(max(l.done.Load(), next))
}

// restart forgets what earlier runs delivered: meanwhile the group may have been sent back.
func (l *lags) restart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.all {
		one.done.Store(0)
	}
}

func (l *lags) end(one *lag) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one.claim.Store(nil)
	one.ended = time.Now()
}
