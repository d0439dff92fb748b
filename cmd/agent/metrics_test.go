package main

import (
	"context"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"goflume/agent"
	"goflume/agent/admin"
	"goflume/channels"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/safe"
	"goflume/sinks"
	"goflume/sources"
)

// buildAll builds every type of a family as far as its defaults allow, so that it declares its counters.
func buildAll[T any](t *testing.T, sets *metric.Registry, kind metric.Kind, r *registry.Registry[T]) (built int) {
	t.Helper()
	for _, e := range r.Entries() {
		if e.Refused != "" {
			continue
		}
		env := registry.Env{Agent: "a1", Name: e.Name, Log: slog.New(slog.DiscardHandler), Metrics: sets.Set(kind, "a1", e.Name, e.Name),
			StateDir: t.TempDir(), Health: func(error) {},
			Listen: func(context.Context, string, string) (net.Listener, error) { return nil, net.ErrClosed }}
		switch kind {
		case metric.Source:
			metric.NewSource(env.Metrics)
		case metric.Channel:
			metric.NewChannel(env.Metrics)
		case metric.Sink:
			metric.NewSink(env.Metrics)
		}
		err := safe.Call(func() error {
			_, err := (registry.Plan[T]{Entry: e, Settings: e.Defaults}).Build(env)
			return err
		})
		if err == nil {
			built++
		}
	}
	return built
}

func TestEveryTypesMetricsAreSoundForPrometheus(t *testing.T) {
	var sets metric.Registry
	built := buildAll(t, &sets, metric.Source, sources.Registry) + buildAll(t, &sets, metric.Channel, channels.Registry) +
		buildAll(t, &sets, metric.Sink, sinks.Registry)
	if built < 6 {
		t.Errorf("%d types could be built with their defaults, want at least 6", built)
	}
	var log strings.Builder
	status := func() agent.Status { return agent.Status{Agent: "a1"} }
	for _, legacy := range []bool{false, true} {
		h := admin.Compat{Sets: &sets, Status: status, Legacy: legacy, Log: slog.New(slog.NewTextHandler(&log, nil))}.Handler()
		for _, path := range []string{"/metrics", "/metrics/prometheus"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if w.Code != 200 {
				t.Errorf("GET %s: %d", path, w.Code)
			}
		}
	}
	if log.Len() > 0 {
		t.Errorf("Prometheus refuses some:\n%s", log.String())
	}
	for _, s := range sets.Sets() {
		for _, a := range s.Attrs() {
			switch {
			case a.Prom == "" || a.Histogram != nil:
			case a.Help == "":
				t.Errorf("%s %s: %s has no help", s.Kind, s.Type, a.Prom)
			case a.Counter != nil && !strings.HasSuffix(a.Prom, "_total"):
				t.Errorf("%s %s: counter %s does not end in _total", s.Kind, s.Type, a.Prom)
			}
			if a.Prom != "" && !strings.HasPrefix(a.Prom, "flume_") {
				t.Errorf("%s %s: %s does not begin with flume_", s.Kind, s.Type, a.Prom)
			}
		}
	}
}
