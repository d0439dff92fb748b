package test

import (
	"net/http"
	"strings"
	"testing"

	"goflume/test/service"
)

// bulkAndCount writes two documents by a bulk request and counts them.
func bulkAndCount(t *testing.T, s *service.SearchServer) {
	t.Helper()
	bulk := "{\"create\":{\"_index\":\"smoke\"}}\n{\"n\":1}\n{\"create\":{\"_index\":\"smoke\"}}\n{\"n\":2}\n"
	answer, err := s.Do(t.Context(), http.MethodPost, "/_bulk?refresh=true&filter_path=errors", "application/x-ndjson", strings.NewReader(bulk))
	if err != nil {
		t.Fatal(err)
	}
	if string(answer) != `{"errors":false}` {
		t.Errorf("bulk answers %s", answer)
	}
	answer, err = s.Do(t.Context(), http.MethodGet, "/smoke/_count?filter_path=count", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if string(answer) != `{"count":2}` {
		t.Errorf("count answers %s, want 2", answer)
	}
}

func TestRealOpenSearchTakesBulk(t *testing.T) {
	bulkAndCount(t, service.Shared(t, service.OpenSearch{}))
}

func TestRealElasticsearchTakesBulk(t *testing.T) {
	bulkAndCount(t, service.Shared(t, service.Elasticsearch{}))
}

func TestRealElasticsearchWantsTLSAndAUser(t *testing.T) {
	s := service.Shared(t, service.Elasticsearch{Secure: true})
	bulkAndCount(t, s)
	client, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	resp, err := client.Get(s.URL + "/smoke/_count")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a user: %s, want 401", resp.Status)
	}
	plain, err := http.Get(strings.Replace(s.URL, "https:", "http:", 1))
	if err == nil {
		plain.Body.Close()
		t.Errorf("plain HTTP is answered with %s", plain.Status)
	}
}
