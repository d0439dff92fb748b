package interceptor

import (
	"goflume/event"
	"goflume/internal/javaregex"
	"goflume/internal/metric"
	"goflume/internal/registry"
)

func init() {
	registry.Add(Registry, "regex_filter", []string{flume + "RegexFilteringInterceptor$Builder", flume + "RegexFilteringInterceptor"},
		RegexFilterSettings{Regex: ".*"}, newRegexFilter)
}

// RegexFilterSettings are the settings of the regex_filter interceptor, which drops events by what their body holds.
type RegexFilterSettings struct {
	// Java regular expression that is looked for anywhere in the body.
	Regex string `conf:"regex"`
	// Drop the events that match, not those that do not.
	ExcludeEvents bool `conf:"excludeEvents"`
}

// Validate checks the pattern.
func (s RegexFilterSettings) Validate() error { return checkRegex("regex", s.Regex) }

type regexFilter struct {
	re      *javaregex.Regexp
	exclude bool
	dropped *metric.Counter
	slow    *overtime
}

func newRegexFilter(env registry.Env, s RegexFilterSettings) (Interceptor, error) {
	re, err := javaregex.Compile(s.Regex)
	return regexFilter{re, s.ExcludeEvents, dropped(env), newOvertime(env)}, err
}

func (f regexFilter) Intercept(b *event.Batch) error {
	keep(b, f.dropped, func(e *event.Event) bool {
		found, err := f.re.Match(e.Body)
		f.slow.note(err)
		return found != f.exclude || err != nil
	})
	return nil
}

// dropped returns the counter of the events that an interceptor leaves out.
func dropped(env registry.Env) *metric.Counter {
	return env.Metrics.Counter("", "flume_interceptor_events_dropped_total", "Events that an interceptor was configured to drop.",
		"interceptor", env.Name)
}

// keep leaves out of the batch the events that want refuses, in order.
func keep(b *event.Batch, dropped *metric.Counter, want func(*event.Event) bool) {
	drop := 0
	var at []bool
	for i := range b.Events {
		if !want(&b.Events[i]) {
			if at == nil {
				at = make([]bool, len(b.Events))
			}
			at[i] = true
			drop++
		}
	}
	if drop == 0 {
		return
	}
	kept := b.Events[:0]
	for i := range b.Events {
		if !at[i] {
			kept = append(kept, b.Events[i])
		}
	}
	clear(b.Events[len(kept):])
	b.Events = kept
	dropped.Add(drop)
}
