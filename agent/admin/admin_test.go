package admin

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"goflume/agent"
	"goflume/internal/metric"
)

func testStatus() agent.Status {
	return agent.Status{
		Agent: "a", Version: "1.0", Ready: true, Generation: 3, Loaded: time.Unix(1795224814, 0), ReloadOK: true,
		Components: []agent.ComponentStatus{
			{Kind: metric.Channel, Name: "c1", Type: "memory", State: agent.Running},
			{Kind: metric.Sink, Name: "k1", Type: "logger", State: agent.Running},
			{Kind: metric.Source, Name: "r1", Type: "netcat", State: agent.Running},
		},
	}
}

// get asks the compat handler with that status and returns the code, the content type and the body.
func get(t *testing.T, c Compat, method, path, accept string) (int, string, string) {
	t.Helper()
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Status == nil {
		c.Status = testStatus
	}
	if c.Sets == nil {
		c.Sets = new(metric.Registry)
		channelSet(c.Sets, "c1", 25, 1000)
		metric.NewSource(c.Sets.Set(metric.Source, "a", "r1", "netcat")).Accepted.Add(7)
		metric.NewSink(c.Sets.Set(metric.Sink, "a", "k1", "logger")).Delivery.Observe(0.002)
		metric.NewSink(c.Sets.Set(metric.Sink, "a", "k2", "null"))
	}
	r := httptest.NewRequest(method, path, nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	c.Handler().ServeHTTP(w, r)
	return w.Code, w.Header().Get("Content-Type"), w.Body.String()
}

func TestMetricsAnswersInTheFormatAskedFor(t *testing.T) {
	const (
		flume  = `"CHANNEL.c1":{`
		native = `flume_source_events_total{agent="a",outcome="accepted",source="r1",type="netcat"} 7`
		legacy = `Flume_EventAcceptedCount_total{component="r1"} 7`
	)
	for _, c := range []struct {
		path, accept string
		legacy       bool
		want         string
	}{
		{path: "/metrics", want: flume},
		{path: "/METRICS", want: flume},
		{path: "/metrics", accept: "*/*", want: flume},
		{path: "/metrics", accept: "text/html,application/xhtml+xml,*/*;q=0.8", want: flume},
		{path: "/metrics", accept: "text/plain", want: flume},
		{path: "/metrics", accept: "text/plain;version=0.0.4;q=0.3,*/*;q=0.2", want: native},
		{path: "/metrics", accept: "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", want: native},
		{path: "/metrics.json", accept: "application/openmetrics-text", want: flume},
		{path: "/metrics/prometheus", want: native},
		{path: "/metrics", legacy: true, want: legacy},
		{path: "/metrics", legacy: true, accept: "application/json", want: legacy},
		{path: "/metrics.json", legacy: true, want: flume},
	} {
		code, kind, body := get(t, Compat{Legacy: c.legacy}, "GET", c.path, c.accept)
		if code != 200 || !strings.Contains(body, c.want) {
			t.Errorf("GET %s, Accept %q, legacy %v: %d, %s lacks %s", c.path, c.accept, c.legacy, code, body, c.want)
		}
		if c.want == flume && kind != "application/json;charset=utf-8" {
			t.Errorf("GET %s: content type %s, want Flume's", c.path, kind)
		}
	}
}

func TestPrometheusNames(t *testing.T) {
	_, _, body := get(t, Compat{}, "GET", "/metrics/prometheus", "")
	for _, want := range []string{
		`flume_channel_events{agent="a",channel="c1",type="memory"} 25`,
		`flume_sink_delivery_duration_seconds_bucket{agent="a",sink="k1",type="logger",le="0.0025"} 1`,
		`flume_sink_events_total{agent="a",outcome="delivered",sink="k2",type="null"} 0`,
		`flume_build_info{`, `flume_config_generation{agent="a"} 3`, `flume_config_last_reload_successful{agent="a"} 1`,
		`flume_config_last_reload_success_timestamp_seconds{agent="a"} 1.795224814e+09`,
		`flume_config_rejected_components{agent="a"} 0`,
		`flume_component_state{agent="a",component="k1",kind="sink",state="RUNNING"} 1`,
		"go_goroutines ", "process_resident_memory_bytes ",
		"# TYPE flume_channel_events gauge", "# TYPE flume_source_events_total counter",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("Prometheus text lacks %s", want)
		}
	}
	if strings.Contains(body, "ChannelSize") {
		t.Error("Prometheus text has a name of Flume's JSON")
	}
}

func TestLegacyCountersAndGauges(t *testing.T) {
	_, _, body := get(t, Compat{Legacy: true}, "GET", "/metrics", "")
	for _, want := range []string{"Flume_ChannelSize{component=\"c1\"} 25\n", "Flume_OpenConnectionCount{component=\"r1\"} 0\n", "# TYPE Flume_EventPutSuccessCount_total counter"} {
		if !strings.Contains(body, want) {
			t.Errorf("text lacks %q in %s", want, body)
		}
	}
}

func TestMethodsAndPaths(t *testing.T) {
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/", 200}, {"HEAD", "/metrics", 200}, {"HEAD", "/healthz", 200},
		{"TRACE", "/metrics", 403}, {"OPTIONS", "/metrics", 403},
		{"POST", "/metrics", 405}, {"PUT", "/", 405}, {"DELETE", "/healthz", 405},
		{"GET", "/metrics/", 404}, {"GET", "/api/v1/status", 404}, {"GET", "/debug/pprof/", 404}, {"GET", "/config", 404},
	} {
		if code, _, _ := get(t, Compat{}, c.method, c.path, ""); code != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, code, c.want)
		}
	}
}

func TestHealth(t *testing.T) {
	change := func(f func(*agent.Status)) func() agent.Status {
		return func() agent.Status { st := testStatus(); f(&st); return st }
	}
	for _, c := range []struct {
		name, path string
		status     func() agent.Status
		code       int
		body       string
	}{
		{"all runs", "/readyz", testStatus, 200, "ok\n"},
		{"all runs, alive", "/healthz", testStatus, 200, "ok\n"},
		{"sink has not delivered", "/readyz?sinks=1", testStatus, 503, "sink k1 RUNNING (nothing delivered yet)\nreadyz check failed\n"},
		{"sink has delivered", "/readyz?sinks=1", change(func(s *agent.Status) { s.Components[1].Delivered = true }), 200, "ok\n"},
		{"nothing loaded", "/readyz", func() agent.Status { return agent.Status{} }, 503, "no configuration is loaded\nreadyz check failed\n"},
		{"draining", "/readyz", change(func(s *agent.Status) { s.Draining = true }), 503, "the agent is draining\nreadyz check failed\n"},
		{"port in use", "/readyz", change(func(s *agent.Status) {
			s.Components[2].State, s.Components[2].LastError = agent.Backoff, "address already in use"
		}), 503, "source r1 BACKOFF: address already in use\nreadyz check failed\n"},
		{"port in use, alive", "/healthz", change(func(s *agent.Status) { s.Components[2].State = agent.Backoff }), 200, "ok\n"},
		{"sink in back-off", "/readyz", change(func(s *agent.Status) { s.Components[1].State = agent.Backoff }), 200, "ok\n"},
		{"channel broken", "/healthz", change(func(s *agent.Status) {
			s.Components[0].State, s.Components[0].LastError = agent.Failed, "fsync: input/output error"
		}), 500, "channel c1 FAILED: fsync: input/output error\nhealthz check failed\n"},
		{"verbose", "/readyz?verbose", change(func(s *agent.Status) { s.ReloadErr = "1 error" }), 200,
			"[+]channel c1 RUNNING\n[+]sink k1 RUNNING (nothing delivered yet)\n[+]source r1 RUNNING\n[-]reload refused, generation 3 runs on: 1 error\nok\n"},
	} {
		code, _, body := get(t, Compat{Status: c.status}, "GET", c.path, "")
		if code != c.code || body != c.body {
			t.Errorf("%s: GET %s: %d %q, want %d %q", c.name, c.path, code, body, c.code, c.body)
		}
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- Serve(ctx, l, Compat{Sets: new(metric.Registry), Status: testStatus, Log: slog.New(slog.DiscardHandler)}.Handler(), slog.New(slog.DiscardHandler))
	}()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + l.Addr().String() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(body) != "ok\n" {
		t.Errorf("readyz over TCP: %q, want ok", body)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v, want nil after its context ended", err)
	}
}

func TestParseMonitoring(t *testing.T) {
	for _, c := range []struct {
		props map[string]string
		want  string
		err   string
	}{
		{nil, " 0.0.0.0:41414", ""},
		{map[string]string{"type": "http"}, "http 0.0.0.0:41414", ""},
		{map[string]string{"type": "http", "port": "34545", "host": "127.0.0.1"}, "http 127.0.0.1:34545", ""},
		{map[string]string{"type": "org.apache.flume.instrumentation.http.HTTPMetricsServer"}, "http 0.0.0.0:41414", ""},
		{map[string]string{"type": "prometheus"}, "prometheus 0.0.0.0:41414", ""},
		{map[string]string{"type": "http", "port": "70000"}, "", "0 to 65535"},
		{map[string]string{"type": "ganglia"}, "", "names no gmond"},
		{map[string]string{"type": "com.example.Mine"}, "", "Java classes"},
	} {
		m, err := ParseMonitoring(func(k string) string { return c.props[k] })
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v: error %v, want one with %q", c.props, err, c.err)
			}
		case err != nil || m.Type+" "+m.Addr() != c.want:
			t.Errorf("%v: %s %s, %v, want %s", c.props, m.Type, m.Addr(), err, c.want)
		}
	}
}
