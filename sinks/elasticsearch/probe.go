package elasticsearch

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"goflume/internal/probe"
)

var _ probe.Prober = (*Sink)(nil)

// Probe asks each server for its version, as the user that the sink is.
func (k *Sink) Probe(ctx context.Context) (string, error) {
	if err := k.Open(ctx); err != nil { // connects to nothing
		return "", err
	}
	defer k.hosts.close()
	all := map[string]*host{}
	var addrs []string
	for _, h := range k.hosts.all {
		all[h.url.Host] = h
		addrs = append(addrs, h.url.Host)
	}
	return probe.Servers(ctx, addrs, func(ctx context.Context, addr string) (string, error) { return all[addr].version(ctx) })
}

// version asks the server what it is.
func (h *host) version(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	if err != nil {
		return "", err
	}
	res, err := h.client.Perform(req)
	if err != nil {
		return "", fmt.Errorf("%s: %w", h.url.Host, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %s", h.url.Host, res.Status)
	}
	var about struct {
		Version struct{ Distribution, Number string }
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<16)).Decode(&about); err != nil || about.Version.Number == "" {
		return "", fmt.Errorf("%s does not answer as Elasticsearch or OpenSearch do", h.url.Host)
	}
	if about.Version.Distribution == "" {
		about.Version.Distribution = "elasticsearch"
	}
	return about.Version.Distribution + " " + about.Version.Number, nil
}
