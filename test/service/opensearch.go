package service

import (
	"context"
	"crypto/tls"
	_ "embed" // the launcher
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

//go:embed launcher/OpenSearch.java
var openSearchLauncher string

// OpenSearch is one node of OpenSearch 2.19, with data streams and ingest pipelines, without TLS and users.
type OpenSearch struct {
	// Settings are added to the node's, such as thread_pool.write.queue_size.
	Settings map[string]string
}

// SearchServer is a running OpenSearch or Elasticsearch.
type SearchServer struct {
	*Process
	URL            string // without a slash at the end
	User, Password string // empty without security
	Certs          Certs  // empty without security
}

var _ Config[*SearchServer] = OpenSearch{}

// Name is opensearch.
func (OpenSearch) Name() string { return "opensearch" }

// Needs is OpenSearch's jars.
func (OpenSearch) Needs() []Set { return []Set{"opensearch"} }

// Start starts the node and waits until its cluster is green or yellow.
func (c OpenSearch) Start(ctx context.Context, r *Run) (*SearchServer, error) {
	launcher, err := r.WriteFile("OpenSearch.java", openSearchLauncher)
	if err != nil {
		return nil, err
	}
	port := r.Port()
	args := []string{filepath.Join(r.Dir, "home")}
	settings := nodeSettings(r, port, c.Settings)
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, key+"="+settings[key])
	}
	argv, err := r.java("opensearch", 512, launcher, args...)
	if err != nil {
		return nil, err
	}
	s := &SearchServer{URL: "http://127.0.0.1:" + strconv.Itoa(port)}
	if s.Process, err = r.Start(Command{Name: "opensearch", Argv: argv}); err != nil {
		return nil, err
	}
	return s, s.AwaitReady(ctx)
}

// nodeSettings are those of a single node on loopback.
func nodeSettings(r *Run, httpPort int, extra map[string]string) map[string]string {
	settings := map[string]string{
		"cluster.name": "test", "node.name": "n1", "discovery.type": "single-node",
		"http.host": "127.0.0.1", "http.port": strconv.Itoa(httpPort),
		"transport.host": "127.0.0.1", "transport.port": strconv.Itoa(r.Port()),
		"cluster.routing.allocation.disk.threshold_enabled": "false", // a full disk of the machine is not the test's
	}
	maps.Copy(settings, extra)
	return settings
}

// AwaitReady waits, after Restart too, until the cluster is green or yellow.
func (s *SearchServer) AwaitReady(ctx context.Context) error {
	return Await(ctx, s.Name, func(ctx context.Context) error {
		_, err := s.Do(ctx, http.MethodGet, "/_cluster/health?wait_for_status=yellow&timeout=1s", "", nil)
		return err
	}, s.Process)
}

// Client returns an HTTP client that trusts the server. The caller closes its idle connections.
func (s *SearchServer) Client() (*http.Client, error) {
	transport := &http.Transport{}
	if s.Certs.CA != "" {
		config, err := s.Certs.ClientTLS(false)
		if err != nil {
			return nil, err
		}
		config.MinVersion = tls.VersionTLS12
		transport.TLSClientConfig = config
	}
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}, nil
}

// Do sends one request and returns the answer's body; a status other than 200 or 201 is an error with the body in it.
func (s *SearchServer) Do(ctx context.Context, method, path, contentType string, body io.Reader) ([]byte, error) {
	client, err := s.Client()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, body)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if s.User != "" {
		req.SetBasicAuth(s.User, s.Password)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return text, nil
}
