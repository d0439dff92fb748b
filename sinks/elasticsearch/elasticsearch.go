// Package elasticsearch is the sink that writes into Elasticsearch 7 to 9 and OpenSearch, with the documents and index names
// of Flume 1.9's sink. A batch is one bulk request, or a few where it is large; it is committed once the server has answered
// for every document.
//
// Flume 1.9 and this sink differ where Flume loses or sticks: the answer for each document is read; text goes out as UTF-8;
// the options of indexNameBuilder work; a body that begins with dashes is text, as are two JSON objects in one body; a
// timestamp header that is no number only leaves `@timestamp` out of the document. In the dynamic serializer a header named
// body becomes body_header, as a document with two fields of a name is refused by the server.
package elasticsearch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"goflume/conf"
	"goflume/event"
	"goflume/internal/deadletter"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/vfs"
	"goflume/sinks"
)

// Settings of the elasticsearch sink.
type Settings struct {
	// Servers, with commas between them: host, host:port or a URL. Without a port it is 9200; 9300, the port of the protocol of old, is taken for 9200.
	HostNames []string `conf:"hostNames" sep:","`
	// Deployment on Elastic's cloud, in place of hostNames.
	CloudID string `conf:"cloudId"`
	// Index, or what its name begins with. Escapes are %{header} and, with a timestamp header, times such as %Y.
	IndexName string `conf:"indexName"`
	// Without effect: servers have no document types any more.
	IndexType string `conf:"indexType"`
	// Without effect: any cluster of hostNames is taken.
	ClusterName string `conf:"clusterName"`
	// Events of one request.
	BatchSize int `conf:"batchSize,batch" min:"1"`
	// Without effect: servers have no time to live any more; use a lifecycle policy.
	TTL string `conf:"ttl"`
	// Without effect: it is always the REST client.
	Client string `conf:"client"`
	// Without effect: they belong to other clients.
	ClientOptions map[string]string `conf:"client.*"`

	// Shape of the documents: logstash or dynamic, or Flume's class of that name.
	Serializer string `conf:"serializer"`
	// Without effect: neither shape has options.
	SerializerOptions map[string]string `conf:"serializer.*"`
	// How the index is named: time puts the date behind indexName, simple does not; or Flume's class of that name.
	IndexNameBuilder string `conf:"indexNameBuilder"`
	// Form of the date behind indexName, in Java's letters.
	DateFormat string `conf:"indexNameBuilder.dateFormat"`
	// Time zone of that date.
	TimeZone string `conf:"indexNameBuilder.timeZone"`

	// Write into a data stream: documents are only created, and each has an `@timestamp`.
	DataStream bool `conf:"dataStream"`
	// Identifier of a document: none lets the server choose, header takes it from documentIdHeader, hash makes it of the event itself, so that events with the same body and headers are stored once. With an identifier of one's own a batch that is delivered twice is stored once.
	DocumentID string `conf:"documentId" enum:"none|header|hash"`
	// Header with the identifier.
	DocumentIDHeader string `conf:"documentIdHeader"`
	// Header with the routing of a document; events without it have none.
	RoutingHeader string `conf:"routingHeader"`
	// Ingest pipeline.
	Pipeline string `conf:"pipeline"`

	// User.
	Username string `conf:"username"`
	// Password of the user.
	Password conf.Secret `conf:"password"`
	// API key, in the form that the server gives it for the Authorization header.
	APIKey conf.Secret `conf:"apiKey"`
	// TLS of https servers.
	TLS TLS `conf:"tls,inline"`

	// Compress requests with gzip.
	Compression bool `conf:"compression"`
	// Largest body of a request before compression, in bytes; a batch that is larger becomes several requests.
	MaxBulkBytes int `conf:"maxBulkBytes" min:"1024"`
	// Longest wait for the answer to one request.
	RequestTimeout time.Duration `conf:"requestTimeout" unit:"ms" min:"1"`
	// Longest time for sending again, within a batch, what a busy server put off; then the batch fails and comes again later.
	RetryTimeout time.Duration `conf:"retryTimeout" unit:"ms" min:"0"`
	// What becomes of an event that the server refuses for good, or that has no valid index: fail, drop or file:PATH.
	OnError deadletter.Policy `conf:"onError"`
}

// TLS settings, for servers whose URL begins with https.
type TLS struct {
	// File of certificates (PEM) that the server's must be signed by, in place of the system's.
	CA string `conf:"ca"`
	// File of the client's certificate (PEM).
	Certificate string `conf:"certificate"`
	// File of its key (PEM).
	Key string `conf:"key"`
	// Accept any certificate. Only for trying things out.
	SkipVerify bool `conf:"skipVerify"`
}

func init() {
	registry.Add(sinks.Registry, "elasticsearch", []string{"org.apache.flume.sink.elasticsearch.ElasticSearchSink", "*.ElasticSearchSink",
		"elasticsearch2", "opensearch"}, Settings{
		IndexName: "flume", IndexType: "log", ClusterName: "elasticsearch", BatchSize: 100, Client: "rest",
		Serializer: "logstash", IndexNameBuilder: "time", DateFormat: "yyyy-MM-dd", TimeZone: "Etc/UTC",
		DocumentID: "none", MaxBulkBytes: 10 << 20, RequestTimeout: 30 * time.Second, RetryTimeout: time.Minute}, New)
}

// Validate checks what belongs together.
func (s Settings) Validate() error {
	var errs []error
	blame := func(key, format string, args ...any) { errs = append(errs, conf.Errorf(key, format, args...)) }
	if len(s.HostNames) == 0 && s.CloudID == "" {
		blame("hostNames", "where the servers are must be said, by hostNames or cloudId")
	}
	if _, _, err := s.urls(); err != nil {
		blame("hostNames", "%v", err)
	}
	if _, ok := shapes[classAlias(s.Serializer)]; !ok {
		blame("serializer", "%q is neither logstash nor dynamic", s.Serializer)
	}
	if _, err := newNamer(s); err != nil {
		blame("indexName", "%v", err)
	}
	if s.DocumentID == "header" && s.DocumentIDHeader == "" {
		blame("documentIdHeader", "documentId = header needs the name of the header")
	}
	if s.APIKey != "" && s.Username != "" {
		blame("apiKey", "either apiKey or username, not both")
	}
	if (s.TLS.Certificate == "") != (s.TLS.Key == "") {
		blame("tls.certificate", "tls.certificate and tls.key belong together")
	}
	return errors.Join(errs...)
}

// urls returns the servers, and whether one was given by the port of the old protocol.
func (s Settings) urls() (all []*url.URL, old bool, err error) {
	if s.CloudID != "" {
		u, err := cloudURL(s.CloudID)
		return []*url.URL{u}, false, err
	}
	for _, h := range s.HostNames {
		if !strings.Contains(h, "://") {
			h = "http://" + h
		}
		u, err := url.Parse(h)
		if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, false, fmt.Errorf("%q is no host, host:port or URL", h)
		}
		switch u.Port() {
		case "":
			u.Host = net.JoinHostPort(u.Hostname(), "9200")
		case "9300":
			old = true
			u.Host = net.JoinHostPort(u.Hostname(), "9200")
		}
		all = append(all, u)
	}
	return all, old, nil
}

// cloudURL reads a cloud id: a name, then the base64 of the domain and the deployment.
func cloudURL(id string) (*url.URL, error) {
	_, packed, ok := strings.Cut(id, ":")
	text, err := base64.StdEncoding.DecodeString(packed)
	parts := strings.Split(string(text), "$")
	if !ok || err != nil || len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return nil, fmt.Errorf("cloudId %q is not of the form name:base64", id)
	}
	host, port, found := strings.Cut(parts[0], ":")
	if !found {
		port = "443"
	}
	return &url.URL{Scheme: "https", Host: net.JoinHostPort(parts[1]+"."+host, port)}, nil
}

// classAlias shortens Flume's class names, and those of the sinks that came after it, to this sink's own words.
func classAlias(name string) string {
	n := strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])
	for suffix, alias := range map[string]string{
		"logstasheventserializer": "logstash", "dynamicserializer": "dynamic",
		"timebasedindexnamebuilder": "time", "simpleindexnamebuilder": "simple",
	} {
		if strings.HasSuffix(n, suffix) {
			return alias
		}
	}
	return n
}

// Sink writes into Elasticsearch.
type Sink struct {
	s     Settings
	env   registry.Env
	names *namer
	shape shape
	box   *deadletter.Box
	hosts *hosts
	count metric.SinkCounters
	bytes *metric.Counter
	again *metric.Counter // documents sent again

	bulk bulk
}

var _ sinks.Sink = (*Sink)(nil)

// New returns a sink that touches nothing until Open.
func New(env registry.Env, s Settings) (sinks.Sink, error) {
	names, err := newNamer(s)
	if err != nil {
		return nil, err
	}
	return &Sink{
		s: s, env: env, names: names, shape: shapes[classAlias(s.Serializer)],
		box: deadletter.NewBox(s.OnError, env, vfs.OS{}), count: metric.NewSink(env.Metrics),
		bytes: env.Metrics.Counter("", "flume_sink_bulk_bytes_total", "Bytes of bulk requests before compression."),
		again: env.Metrics.Counter("", "flume_sink_bulk_items_retried_total", "Documents sent again because the server put them off."),
	}, nil
}

// BatchSize implements sinks.Sink.
func (k *Sink) BatchSize() int { return k.s.BatchSize }

// Open implements sinks.Sink. It reads the files of TLS; servers are asked first by a Write, as asking about anything else
// may be forbidden to the user.
func (k *Sink) Open(context.Context) error {
	urls, old, err := k.s.urls()
	if err != nil {
		return err
	}
	if old {
		k.env.Log.Warn("Port 9300 is that of a protocol that servers no longer speak; 9200 is used", "sink", k.env.Name)
	}
	if k.s.TTL != "" {
		k.env.Log.Warn("ttl is not supported by servers any more and has no effect; use a lifecycle policy of the index", "sink", k.env.Name)
	}
	tlsConfig, err := k.s.TLS.config()
	if err != nil {
		return err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = tlsConfig
	t.ResponseHeaderTimeout = k.s.RequestTimeout
	k.hosts, err = newHosts(urls, t, k.s, k.count)
	return err
}

// Close implements sinks.Sink.
func (k *Sink) Close(context.Context) error {
	if k.hosts != nil {
		k.hosts.close()
	}
	return nil
}

func (t TLS) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.SkipVerify}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca: no PEM certificate in %s", t.CA)
		}
	}
	if t.Certificate != "" {
		cert, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
		if err != nil {
			return nil, fmt.Errorf("tls.certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}

// Write implements sinks.Sink.
func (k *Sink) Write(ctx context.Context, events []event.Event) error {
	err := k.write(ctx, events)
	if err != nil {
		k.box.Discard()
	}
	return err
}
