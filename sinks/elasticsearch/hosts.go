package elasticsearch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v8/esapi"

	"goflume/internal/metric"
	"goflume/internal/retry"
)

// How long a host that did not answer is left aside: doubling with each failure in a row.
const (
	firstAside = time.Second
	maxAside   = time.Minute
)

// maxAnswer bounds what is read of an answer, in bytes; one of 10,000 refused documents has a few MiB.
const maxAnswer = 64 << 20

// hosts are the servers in turn. They are used by one goroutine.
type hosts struct {
	all      []*host
	next     int
	shared   *http.Transport
	pipeline string
	timeout  time.Duration
	count    metric.SinkCounters
}

type host struct {
	url      *url.URL
	client   *elastictransport.Client
	failures int
	until    time.Time // left aside
}

func newHosts(urls []*url.URL, t *http.Transport, s Settings, count metric.SinkCounters) (*hosts, error) {
	h := &hosts{shared: t, pipeline: s.Pipeline, timeout: s.RequestTimeout, count: count}
	for _, u := range urls {
		options := []elastictransport.Option{elastictransport.WithURLs(u), elastictransport.WithTransport(t),
			elastictransport.WithUserAgent("goflume"), elastictransport.WithDisableRetry()}
		switch {
		case s.APIKey != "":
			options = append(options, elastictransport.WithAPIKey(s.APIKey.Reveal()))
		case s.Username != "":
			options = append(options, elastictransport.WithBasicAuth(s.Username, s.Password.Reveal()))
		}
		if s.Compression {
			options = append(options, elastictransport.WithCompression())
		}
		c, err := elastictransport.NewClient(options...)
		if err != nil {
			return nil, err
		}
		h.all = append(h.all, &host{url: u, client: c})
	}
	return h, nil
}

func (h *hosts) close() { h.shared.CloseIdleConnections() }

// pick returns the next host that is not left aside; if all are, the one whose time is over first.
func (h *hosts) pick(now time.Time) *host {
	var best *host
	for i := range h.all {
		c := h.all[(h.next+i)%len(h.all)]
		if !c.until.After(now) {
			h.next = (h.next + i + 1) % len(h.all)
			return c
		}
		if best == nil || c.until.Before(best.until) {
			best = c
		}
	}
	return best
}

// answer is what a server said to a bulk request.
type answer struct {
	status int
	body   []byte
	from   string
}

// send posts a body to one host after the other until one answers. The error tells of every host.
func (h *hosts) send(ctx context.Context, body []byte) (answer, error) {
	var errs []error
	for range h.all {
		c := h.pick(time.Now())
		a, err := h.post(ctx, c, body)
		if err == nil {
			c.failures, c.until = 0, time.Time{}
			return a, nil
		}
		if ctx.Err() != nil {
			return a, ctx.Err()
		}
		h.count.ConnectionFailed.Add(1)
		c.until = time.Now().Add(retry.Doubled(firstAside, c.failures, maxAside))
		c.failures++
		errs = append(errs, fmt.Errorf("%s: %w", c.url.Host, err))
	}
	return answer{}, fmt.Errorf("no server answers: %w", errors.Join(errs...))
}

func (h *hosts) post(ctx context.Context, c *host, body []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	res, err := esapi.BulkRequest{
		Body:       bytes.NewReader(body),
		Pipeline:   h.pipeline,
		FilterPath: []string{"errors", "items.*.status", "items.*.error", "error", "status"},
		Header:     http.Header{"Content-Type": {"application/x-ndjson"}},
	}.Do(ctx, c.client)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return answer{status: res.StatusCode, body: text, from: c.url.Host}, err
}
