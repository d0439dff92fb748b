package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"goflume/test/ledger"
	"goflume/test/service"
)

// netcatToSearch is a line source with an elasticsearch sink; more are further properties of the sink, one a line.
func netcatToSearch(url string, more ...string) string {
	conf := fmt.Sprintf(`
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = ${port:netcat}
a1.sources.r1.channels = c1
a1.sources.r1.interceptors = i1
a1.sources.r1.interceptors.i1.type = timestamp
a1.channels.c1.type = memory
a1.channels.c1.capacity = 50000
a1.channels.c1.transactionCapacity = 5000
a1.sinks.k1.type = elasticsearch
a1.sinks.k1.channel = c1
a1.sinks.k1.hostNames = %s
a1.sinks.k1.batchSize = 5000
`, url)
	for _, line := range more {
		conf += "a1.sinks.k1." + line + "\n"
	}
	return conf
}

// found reads every document of an index and gives the text of the field to the ledger.
func found(t *testing.T, s *service.SearchServer, index string, l *ledger.Ledger) {
	t.Helper()
	var lines bytes.Buffer
	if err := s.Messages(t.Context(), index, &lines); err != nil {
		t.Fatal(err)
	}
	if err := l.Arrived(&lines); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, s *service.SearchServer, path string) int {
	t.Helper()
	text, err := s.Do(t.Context(), http.MethodGet, path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Count int `json:"count"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Count
}

// fed feeds all lines and waits until the channel is empty.
func fed(t *testing.T, a *service.AgentServer, l *ledger.Ledger) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := l.Feed(ctx, ledger.Feed{Addr: a.Addr("netcat")}); err != nil {
		t.Fatal(err)
	}
	if err := a.AwaitEmpty(ctx, "c1"); err != nil {
		t.Fatal(err)
	}
	a.Stop(time.Minute)
}

func TestRealLinesAreFoundInOpenSearch(t *testing.T) {
	s := service.Shared(t, service.OpenSearch{})
	a := service.Start(t, service.Agent{Conf: netcatToSearch(s.URL, "indexName = lines")})
	const lines = 200_000
	l := ledger.New(1, lines, 100)
	begin := time.Now()
	day := "lines-" + begin.UTC().Format("2006-01-02") // that of the first lines, whenever it ends
	fed(t, a, l)
	t.Logf("%d lines in %.1f s", lines, time.Since(begin).Seconds())
	found(t, s, "lines-*", l)
	v := l.Verdict()
	t.Log(v)
	if v.Acked != lines || v.Distinct != lines || v.Duplicates != 0 || v.Lost != 0 || v.Torn != 0 {
		t.Errorf("want %d lines, each once", lines)
	}
	if n := count(t, s, "/"+day+"/_count"); n == 0 {
		t.Errorf("index %s has %d documents", day, n)
	}
	if n := count(t, s, "/lines-*/_count?q=%40message:000123456"); n != 1 {
		t.Errorf("a search for one line finds %d", n)
	}
}

func TestRealDataStreamTakesCreates(t *testing.T) {
	s := service.Shared(t, service.OpenSearch{})
	if _, err := s.Do(t.Context(), http.MethodPut, "/_index_template/streams", "application/json",
		strings.NewReader(`{"index_patterns":["logs-app*"],"data_stream":{}}`)); err != nil {
		t.Fatal(err)
	}
	a := service.Start(t, service.Agent{Conf: netcatToSearch(s.URL, "indexName = logs-app", "dataStream = true", "compression = true")})
	l := ledger.New(1, 1000, 100)
	fed(t, a, l)
	found(t, s, "logs-app", l)
	if v := l.Verdict(); v.Distinct != 1000 || v.Lost != 0 {
		t.Errorf("%v", v)
	}
}

func TestRealElasticsearchWithTLSAndAUser(t *testing.T) {
	s := service.Shared(t, service.Elasticsearch{Secure: true})
	a := service.Start(t, service.Agent{Conf: netcatToSearch(s.URL, "username = "+s.User, "password = "+s.Password, "tls.ca = "+s.Certs.CA,
		"serializer = org.apache.flume.sink.elasticsearch.ElasticSearchLogStashEventSerializer", "documentId = hash")})
	l := ledger.New(1, 5000, 100)
	fed(t, a, l)
	found(t, s, "flume-*", l)
	if v := l.Verdict(); v.Distinct != 5000 || v.Lost != 0 || v.Duplicates != 0 {
		t.Errorf("%v", v)
	}
}

// badProxy is a server in front of another that fails every now and then: 503, a slow answer, items put off, and connections
// cut after the request was taken.
func badProxy(t *testing.T, to string) (proxy string, faults *atomic.Int64) {
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	faults = new(atomic.Int64)
	p := httputil.NewSingleHostReverseProxy(target)
	p.ModifyResponse = func(r *http.Response) error {
		switch rand.N(6) {
		case 0: // the server has it, the client does not hear of it
			faults.Add(1)
			return fmt.Errorf("cut")
		case 1: // some items are put off, though the server has them
			faults.Add(1)
			text, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			r.Body = io.NopCloser(strings.NewReader(strings.Replace(string(text), `"status":201`, `"status":429,"error":{"type":"x","reason":"y"}`, 10)))
			r.ContentLength = -1
			r.Header.Del("Content-Length")
		}
		return nil
	}
	p.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch rand.N(6) {
		case 0:
			faults.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case 1:
			faults.Add(1)
			time.Sleep(50 * time.Millisecond)
		}
		r.Header.Del("Accept-Encoding")
		p.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, faults
}

func TestRealFaultsOnTheWayDoubleNothingWithIdentifiers(t *testing.T) {
	s := service.Shared(t, service.OpenSearch{})
	proxy, faults := badProxy(t, s.URL)
	a := service.Start(t, service.Agent{Conf: strings.Replace(netcatToSearch(proxy, "indexName = faults", "indexNameBuilder = simple",
		"documentId = hash"), "batchSize = 5000", "batchSize = 500", 1)})
	// The time of a line is a header, so that its hash stays the same however often it is sent.
	const lines = 20_000
	l := ledger.New(1, lines, 100)
	fed(t, a, l)
	found(t, s, "faults", l)
	v := l.Verdict()
	t.Logf("%d faults; %v", faults.Load(), v)
	if v.Acked != lines || v.Distinct != lines || v.Duplicates != 0 || v.Lost != 0 || faults.Load() < 5 {
		t.Errorf("want %d lines, each once", lines)
	}
}

func TestRealRestartedServerLosesNothing(t *testing.T) {
	s := service.Start(t, service.OpenSearch{})
	a := service.Start(t, service.Agent{Conf: netcatToSearch(s.URL, "indexName = restart", "indexNameBuilder = simple", "documentId = hash")})
	const lines = 60_000
	l := ledger.New(1, lines, 100)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- l.Feed(ctx, ledger.Feed{Addr: a.Addr("netcat")}) }()
	awaitAcked(ctx, t, l, lines/3, a.Process)
	s.Kill()
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := s.AwaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := a.AwaitEmpty(ctx, "c1"); err != nil {
		t.Fatal(err)
	}
	a.Stop(time.Minute)
	found(t, s, "restart", l)
	v := l.Verdict()
	t.Log(v)
	if v.Acked != lines || v.Distinct != lines || v.Lost != 0 || v.Duplicates != 0 {
		t.Errorf("want %d lines, each once", lines)
	}
}
