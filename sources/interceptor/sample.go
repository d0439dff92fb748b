package interceptor

import (
	"math"
	"math/rand/v2"

	"goflume/conf"
	"goflume/event"
	"goflume/internal/javaregex"
	"goflume/internal/metric"
	"goflume/internal/registry"
)

func init() {
	registry.Add(Registry, "sample", nil, SampleSettings{}, newSample)
	registry.Add(Registry, "drop", nil, DropSettings{Matching: ".*"}, newDrop)
}

// SampleSettings are the settings of the sample interceptor, which lets a part of the events through.
type SampleSettings struct {
	// Part of the events that is kept: 0.1 keeps one in ten.
	Rate float64 `conf:"rate,required"`
	// Header by whose value events are kept or dropped together: all of a session, or none. Events without it are picked one by one.
	Key string `conf:"key"`
}

// Validate checks the rate.
func (s SampleSettings) Validate() error {
	if !(s.Rate >= 0 && s.Rate <= 1) {
		return conf.Errorf("rate", "%v is not between 0 and 1", s.Rate)
	}
	return nil
}

type sample struct {
	below   uint64 // a draw under it keeps the event
	all     bool
	key     string
	dropped *metric.Counter
}

func newSample(env registry.Env, s SampleSettings) (Interceptor, error) {
	return sample{uint64(s.Rate * math.MaxUint64), s.Rate >= 1, s.Key, dropped(env)}, nil
}

func (s sample) Intercept(b *event.Batch) error {
	keep(b, s.dropped, func(e *event.Event) bool {
		draw := uint64(0)
		if value, ok := e.Header(s.key); ok && s.key != "" {
			draw = hash(value)
		} else {
			draw = rand.Uint64()
		}
		return s.all || draw < s.below
	})
	return nil
}

// hash spreads a key over all of uint64. It is the same in every process, so that a key's events fall to the same side
// after a restart and on other machines (FNV-1a, then the finisher of MurmurHash3, as FNV's high bits are weak).
func hash(key string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// DropSettings are the settings of the drop interceptor, which drops events by a header.
type DropSettings struct {
	// Header to look at. Events without it are kept.
	Header string `conf:"header,required"`
	// Java regular expression; events whose whole header value it matches are dropped.
	Matching string `conf:"matching"`
}

// Validate checks the pattern.
func (s DropSettings) Validate() error { return checkRegex("matching", s.Matching) }

type drop struct {
	header  string
	re      *javaregex.Regexp
	dropped *metric.Counter
	slow    *overtime
}

func newDrop(env registry.Env, s DropSettings) (Interceptor, error) {
	re, err := javaregex.Compile(s.Matching)
	return drop{s.Header, re, dropped(env), newOvertime(env)}, err
}

func (d drop) Intercept(b *event.Batch) error {
	keep(b, d.dropped, func(e *event.Event) bool {
		value, ok := e.Header(d.header)
		if !ok {
			return true
		}
		matches, err := d.re.FullMatch([]byte(value))
		d.slow.note(err)
		return !matches || err != nil
	})
	return nil
}
