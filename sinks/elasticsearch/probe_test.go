package elasticsearch

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"goflume/internal/metric"
	"goflume/internal/probe"
	"goflume/internal/registry"
	"goflume/sinks"
)

func TestProbeAsksEachServerForItsVersion(t *testing.T) {
	for _, c := range []struct {
		status       int
		answer, want string
		fails        bool
	}{
		{200, `{"version":{"distribution":"opensearch","number":"2.19.1"}}`, "opensearch 2.19.1", false},
		{200, `{"version":{"number":"8.17.0"}}`, "elasticsearch 8.17.0", false},
		{401, `{}`, "401 Unauthorized", true},
		{200, `<html>`, "does not answer as Elasticsearch or OpenSearch do", true},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, pass, _ := r.BasicAuth(); r.Method != http.MethodGet || r.URL.Path != "/" || user != "u" || pass != "p" {
				t.Errorf("%s %s as %s", r.Method, r.URL, user)
			}
			w.Header().Set("X-Elastic-Product", "Elasticsearch")
			w.WriteHeader(c.status)
			io.WriteString(w, c.answer)
		}))
		s := sinks.Registry.Entries()
		for _, e := range s {
			if e.Name != "elasticsearch" {
				continue
			}
			settings := e.Defaults.(Settings)
			settings.HostNames, settings.Username, settings.Password = []string{strings.TrimPrefix(server.URL, "http://")}, "u", "p"
			k, err := New(registry.Env{Name: "k1", Log: slog.New(slog.DiscardHandler), Metrics: metric.NewSet(metric.Sink, "a1", "k1", "elasticsearch")}, settings)
			if err != nil {
				t.Fatal(err)
			}
			found, err := k.(probe.Prober).Probe(t.Context())
			text := found
			if err != nil {
				text = err.Error()
			}
			if (err != nil) != c.fails || !strings.Contains(text, c.want) {
				t.Errorf("%d %s: found %q, error %v, want %q", c.status, c.answer, found, err, c.want)
			}
		}
		server.Close()
	}
}
