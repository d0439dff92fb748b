package serializer

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/twmb/avro"

	"goflume/conf"
	"goflume/event"
	container "goflume/internal/avro"
	"goflume/internal/registry"
)

func init() {
	const class = "org.apache.flume.sink.hdfs.AvroEventSerializer"
	registry.Add(Registry, "avro_datum", []string{class + "$Builder", class}, AvroDatumSettings{
		Avro: AvroSettings{SyncIntervalBytes: 2048000, CompressionCodec: "null"}}, newAvroDatum)
}

// AvroDatumSettings of the avro_datum serializer, which writes Avro files of bodies that are Avro data already.
type AvroDatumSettings struct {
	Avro AvroSettings `conf:",inline"`
	// Where the schema is when an event names none: a path, or a file, http or https URL. An event names its own by the header `flume.avro.schema.literal`, or by `flume.avro.schema.url`, which must be the same place.
	SchemaURL string `conf:"schemaURL"`
}

// The headers by which an event names the schema of its body, as in Flume.
const (
	schemaURLHeader     = "flume.avro.schema.url"
	schemaLiteralHeader = "flume.avro.schema.literal"
)

// maxSchema bounds a schema file, in bytes.
const maxSchema = 1 << 20

// ErrSchema is matched by the errors about an event without a usable schema.
var ErrSchema = errors.New("no schema for the event's body")

// avroDatum writes Avro files of bodies as they are. The first event of a file gives its schema.
type avroDatum struct{ s AvroDatumSettings }

func newAvroDatum(_ registry.Env, s AvroDatumSettings) (Format, error) {
	if _, local := localPath(s.SchemaURL); !local && !strings.HasPrefix(s.SchemaURL, "http://") && !strings.HasPrefix(s.SchemaURL, "https://") {
		return nil, conf.Errorf("schemaURL", "%q is neither a path nor a file, http or https URL; copy a schema from HDFS to this machine, or send it in the header %s",
			s.SchemaURL, schemaLiteralHeader)
	}
	return avroDatum{s}, nil
}

func (a avroDatum) Reopens() bool { return false }

func (a avroDatum) File() Serializer { return &avroDatumFile{s: a.s} }

type avroDatumFile struct {
	s      AvroDatumSettings
	schema string // as the first event names it
	file   *container.Container
}

func (f *avroDatumFile) Begin(dst []byte, first *event.Event) ([]byte, error) {
	schema, err := f.s.schema(first)
	if err != nil {
		return dst, err
	}
	if _, err := avro.Parse(schema); err != nil {
		return dst, fmt.Errorf("%w: it is no Avro schema: %w", ErrSchema, err)
	}
	if f.file, err = container.NewContainer(schema, f.s.Avro.CompressionCodec, f.s.Avro.SyncIntervalBytes); err != nil {
		return dst, err
	}
	f.schema, _ = first.Header(schemaLiteralHeader)
	return f.file.AppendHeader(dst), nil
}

// Append appends the body. An event that names another schema than the file's would be unreadable in it: an error. In
// Flume it is written, and spoils the file.
func (f *avroDatumFile) Append(dst []byte, e *event.Event) ([]byte, error) {
	if own, ok := e.Header(schemaLiteralHeader); ok && own != f.schema {
		return dst, fmt.Errorf("%w in this file: its header %s differs from that of the file's first event; route the events by schema into files of their own",
			ErrSchema, schemaLiteralHeader)
	}
	return f.file.AppendDatum(dst, e.Body)
}

func (f *avroDatumFile) Flush(dst []byte) ([]byte, error) { return f.file.AppendBlock(dst) }

// schema returns the text of the event's schema. A URL in a header is followed only to the place that the configuration
// names: what comes with an event must not choose what is read here.
func (s AvroDatumSettings) schema(e *event.Event) (string, error) {
	if u, ok := e.Header(schemaURLHeader); ok && u != s.SchemaURL {
		return "", fmt.Errorf("%w: its header %s names %q; only the configured schemaURL is read, which is %q", ErrSchema, schemaURLHeader, conf.MaskURLs(u), conf.MaskURLs(s.SchemaURL))
	} else if !ok {
		if literal, ok := e.Header(schemaLiteralHeader); ok {
			return literal, nil
		}
	}
	if s.SchemaURL == "" {
		return "", fmt.Errorf("%w: it has neither of the headers %s and %s, and no schemaURL is configured", ErrSchema, schemaURLHeader, schemaLiteralHeader)
	}
	r, err := openSchema(s.SchemaURL)
	if err != nil {
		return "", fmt.Errorf("read the schema: %w", err)
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxSchema+1))
	if err != nil {
		return "", fmt.Errorf("read the schema: %w", err)
	}
	if len(text) > maxSchema {
		return "", fmt.Errorf("schema %s is larger than %d bytes", conf.MaskURLs(s.SchemaURL), maxSchema)
	}
	return string(text), nil
}

// schemaLimit bounds the fetching of a schema from a web server.
const schemaLimit = 10 * time.Second

// openSchema opens the file or web page.
func openSchema(where string) (io.ReadCloser, error) {
	if path, ok := localPath(where); ok {
		return os.Open(path)
	}
	client := http.Client{Timeout: schemaLimit, Transport: &http.Transport{DisableKeepAlives: true}}
	if _, err := url.Parse(where); err != nil { // it may quote a part of a password
		return nil, fmt.Errorf("%s is no URL", conf.MaskURLs(where))
	}
	res, err := client.Get(where)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, fmt.Errorf("%s answers %s", conf.MaskURLs(where), res.Status)
	}
	return res.Body, nil
}

// localPath returns the path that a schema URL leads to, if it is one of this machine.
func localPath(s string) (path string, ok bool) {
	if !strings.Contains(s, ":") {
		return s, true
	}
	if u, err := url.Parse(s); err == nil && u.Scheme == "file" {
		return u.Path, true
	}
	return "", false
}
