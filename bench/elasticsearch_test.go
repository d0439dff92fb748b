package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/sinks"
	"goflume/sinks/elasticsearch"
	"goflume/test/service"
)

// newSearchSink returns an open sink; what is not set has its default.
func newSearchSink(b *testing.B, url string) sinks.Sink {
	b.Helper()
	s := sinks.Registry.Lookup("elasticsearch").Defaults.(elasticsearch.Settings)
	s.HostNames, s.IndexName, s.IndexNameBuilder = []string{url}, "bench", "simple"
	k, err := elasticsearch.New(registry.Env{Name: "k1", Log: slog.New(slog.DiscardHandler),
		Metrics: metric.NewSet(metric.Sink, "a1", "k1", "elasticsearch")}, s)
	if err == nil {
		err = k.Open(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { k.Close(context.Background()) })
	return k
}

const docsPerBulk = 1000

func searchEvents() []event.Event {
	events := make([]event.Event, docsPerBulk)
	for i := range events {
		events[i] = event.Event{Body: fmt.Appendf(nil, "%09d %s", i, strings.Repeat("x", 200)),
			Headers: []event.Header{{Key: "host", Value: "h1"}, {Key: "timestamp", Value: "1767225600000"}}}
	}
	return events
}

// BenchmarkElasticsearchBulk writes into a real OpenSearch, against a bare program that posts the same bodies, built before.
func BenchmarkElasticsearchBulk(b *testing.B) {
	service.Require(b)
	server, r, err := service.Launch(b.Context(), service.OpenSearch{})
	if err != nil {
		b.Fatal(err)
	}
	defer r.End(false)
	if _, err := server.Do(b.Context(), http.MethodPut, "/bench", "application/json",
		strings.NewReader(`{"settings":{"number_of_replicas":0,"refresh_interval":"30s"}}`)); err != nil {
		b.Fatal(err)
	}
	events, k := searchEvents(), newSearchSink(b, server.URL)
	var body bytes.Buffer
	for _, e := range events {
		fmt.Fprintf(&body, "{\"index\":{\"_index\":\"bench\"}}\n{\"@message\":%q,\"@timestamp\":\"2026-01-01T00:00:00.000Z\",\"@source_host\":\"h1\","+
			"\"@fields\":{\"host\":\"h1\",\"timestamp\":\"1767225600000\"}}\n", e.Body)
	}
	const bulks = 20
	ours := func() time.Duration {
		begin := time.Now()
		for range bulks {
			if err := k.Write(b.Context(), events); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(begin)
	}
	theirs := func() time.Duration {
		begin := time.Now()
		for range bulks {
			res, err := http.Post(server.URL+"/_bulk?filter_path=errors,items.*.status,items.*.error", "application/x-ndjson", bytes.NewReader(body.Bytes()))
			if err != nil {
				b.Fatal(err)
			}
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		return time.Since(begin)
	}
	ours() // the server warms up
	theirs()
	for range b.N {
		our, their := pairs(9, ours, theirs)
		report(b, bulks*docsPerBulk, our, their, 0.9)
	}
}

// BenchmarkElasticsearchEncode is the cost of a batch without a server: documents made, the answer read.
func BenchmarkElasticsearchEncode(b *testing.B) {
	answer := []byte(`{"errors":false,"items":[` + strings.TrimSuffix(strings.Repeat(`{"index":{"status":201}},`, docsPerBulk), ",") + `]}`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Write(answer)
	}))
	defer server.Close()
	events, k := searchEvents(), newSearchSink(b, server.URL)
	b.ReportAllocs()
	for b.Loop() {
		if err := k.Write(b.Context(), events); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/docsPerBulk, "ns/event")
}
