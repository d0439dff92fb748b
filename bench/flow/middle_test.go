package flow

import (
	"bytes"
	"fmt"
	"testing"

	"goflume/agent/flow"
	"goflume/channels"
	"goflume/event"
	"goflume/internal/charset"
	"goflume/internal/javaregex"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/sources/interceptor"
	"goflume/sources/selector"
)

// interceptors of the middle, each with settings that users have.
var interceptors = map[string]any{
	"timestamp":       interceptor.TimestampSettings{HeaderName: "timestamp"},
	"host":            interceptor.HostSettings{UseIP: true, HostHeader: "host"},
	"static":          interceptor.StaticSettings{Key: "dc", Value: "eu"},
	"remove_header":   interceptor.RemoveHeaderSettings{WithName: "x", FromListSeparator: ","},
	"uuid":            interceptor.UUIDSettings{HeaderName: "id"},
	"search_replace":  interceptor.SearchReplaceSettings{SearchPattern: `id=\d+`, ReplaceString: "id=#", Charset: charset.UTF8},
	"regex_filter":    interceptor.RegexFilterSettings{Regex: "DEBUG", ExcludeEvents: true},
	"regex_extractor": interceptor.RegexExtractorSettings{Regex: `^(\w+) id=(\d+)`, Serializers: []string{"s1"}, Serializer: map[string]string{"s1.name": "level"}},
	"redact":          interceptor.RedactSettings{Patterns: []string{"card", "email"}, Replacement: "#"},
	"json":            interceptor.JSONSettings{Fields: []string{"level"}},
}

func newInterceptor(b testing.TB, name string) interceptor.Interceptor {
	b.Helper()
	plan := registry.Plan[interceptor.Interceptor]{Entry: interceptor.Registry.Lookup(name), Settings: interceptors[name]}
	i, err := plan.Build(registry.Env{Name: name, Log: quiet, Metrics: metric.NewSet(metric.Source, "a1", "r1", "bench")})
	if err != nil {
		b.Fatal(err)
	}
	return i
}

const perBatch = 100

// lines returns the bodies of a batch of log lines; every other one is an error.
func lines() [][]byte {
	all := make([][]byte, perBatch)
	for i := range all {
		all[i] = fmt.Appendf(nil, "%s id=%06d %s", [2]string{"INFO", "ERROR"}[i%2], i, bytes.Repeat([]byte("x"), 100))
	}
	return all
}

// fill makes the batch anew.
func fill(b *event.Batch, lines [][]byte) {
	b.Reset()
	for _, l := range lines {
		b.Add(l)
	}
}

// BenchmarkInterceptor is each interceptor alone, on lines of 120 bytes.
func BenchmarkInterceptor(b *testing.B) {
	lines := lines()
	b.Run("none", func(b *testing.B) {
		var batch event.Batch
		b.ReportAllocs()
		for b.Loop() {
			fill(&batch, lines)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/perBatch, "ns/event")
	})
	for name := range interceptors {
		b.Run(name, func(b *testing.B) {
			i := newInterceptor(b, name)
			var batch event.Batch
			b.ReportAllocs()
			for b.Loop() {
				fill(&batch, lines)
				if err := i.Intercept(&batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/perBatch, "ns/event")
		})
	}
}

// BenchmarkMiddle is the whole flow with host, timestamp, regex_extractor and multiplexing to two channels.
func BenchmarkMiddle(b *testing.B) {
	sel, err := selector.NewMultiplexing(registry.Env{Peers: []string{"c1", "c2"}}, selector.MultiplexingSettings{
		Header: "level", Mapping: map[string]string{"ERROR": "c1"}, Default: []string{"c2"}})
	if err != nil {
		b.Fatal(err)
	}
	c := newCounter(1000)
	cs := []channels.Channel{newMemory(b), newMemory(b)}
	in := start(b, c, nil, cs...)
	var refs []flow.ChannelRef
	for i, ch := range cs {
		name := fmt.Sprint("c", i+1)
		refs = append(refs, flow.ChannelRef{Name: name, Channel: ch, Metrics: metric.NewChannel(metric.NewSet(metric.Channel, "a1", name, "memory"))})
	}
	in.Rewire(&flow.InletWiring{Selector: sel, Channels: refs,
		Interceptors: []interceptor.Interceptor{newInterceptor(b, "host"), newInterceptor(b, "timestamp"), newInterceptor(b, "regex_extractor")}})
	lines := lines()
	var batch event.Batch
	b.ReportAllocs()
	for b.Loop() {
		fill(&batch, lines)
		if err := in.Send(b.Context(), &batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*perBatch/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkRegex is one search in a line of 120 bytes on each engine.
func BenchmarkRegex(b *testing.B) {
	line := lines()[1]
	for name, pattern := range map[string]string{"linear": `^(\w+) id=(\d+)`, "backtracking": `^(\w++) id=(\d+)`} {
		b.Run(name, func(b *testing.B) {
			re, err := javaregex.Compile(pattern)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if loc, err := re.Find(line); loc == nil || err != nil {
					b.Fatal(loc, err)
				}
			}
		})
	}
}
