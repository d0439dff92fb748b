package serializer

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/avro/ocf"
	"github.com/ulikunitz/xz"

	"github.com/dsnet/compress/bzip2"

	"goflume/event"
	"goflume/internal/registry"
)

type plain struct {
	Headers map[string]string `avro:"headers"`
	Body    []byte            `avro:"body"`
}

// unpack is a codec of the reader for those that the library lacks.
type unpack struct {
	name string
	open func(io.Reader) (io.Reader, error)
}

func (u unpack) Name() string                        { return u.name }
func (u unpack) Compress(src []byte) ([]byte, error) { return nil, errors.ErrUnsupported }
func (u unpack) Close() error                        { return nil }
func (u unpack) Decompress(src []byte) ([]byte, error) {
	r, err := u.open(bytes.NewReader(src))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func read(t *testing.T, file []byte, codec string) []plain {
	t.Helper()
	var opts []ocf.ReaderOpt
	switch codec {
	case "bzip2":
		opts = append(opts, ocf.WithCodec(unpack{codec, func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r, nil) }}))
	case "xz":
		opts = append(opts, ocf.WithCodec(unpack{codec, func(r io.Reader) (io.Reader, error) { return xz.NewReader(r) }}))
	}
	r, err := ocf.NewReader(bytes.NewReader(file), opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all []plain
	for {
		var p plain
		if err := r.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func events(all []plain) []event.Event {
	var es []event.Event
	for _, p := range all {
		e := event.Event{Body: p.Body}
		for _, k := range slices.Sorted(maps.Keys(p.Headers)) {
			e.Headers = append(e.Headers, event.Header{Key: k, Value: p.Headers[k]})
		}
		es = append(es, e)
	}
	return es
}

func TestAvroEventFilesAreFlumes(t *testing.T) {
	for name, codec := range map[string]string{"avro_event.flume": "null", "avro_event_deflate.flume": "deflate"} {
		theirs, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		all := read(t, theirs, codec)
		if len(all) < 6 {
			t.Fatalf("%s: %d events", name, len(all))
		}
		ours := []byte(file(t, build(t, "avro_event", AvroSettings{SyncIntervalBytes: 2048000, CompressionCodec: codec}), events(all)))
		if diff := cmp.Diff(all, read(t, ours, codec)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		head := bytes.Index(theirs, []byte(codec)) + len(codec) + 1 // to the sync marker
		if !bytes.Equal(ours[:head], theirs[:head]) {
			t.Errorf("%s: header %q, want %q", name, ours[:head], theirs[:head])
		}
	}
}

func TestEveryAvroCodecIsReadable(t *testing.T) {
	want := []plain{{map[string]string{"k": "v", "é": "ü"}, bytes.Repeat([]byte("line "), 1000)}, {map[string]string{}, []byte{}}}
	for _, codec := range []string{"null", "deflate", "snappy", "bzip2", "xz", "zstandard"} {
		got := read(t, []byte(file(t, build(t, "AVRO_EVENT", AvroSettings{SyncIntervalBytes: 64, CompressionCodec: codec}), events(want))), codec)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", codec, diff)
		}
	}
}

func TestAFlushEndsTheBlock(t *testing.T) {
	s := build(t, "AVRO_EVENT", nil).File()
	e := event.Event{Body: []byte("hi")}
	dst, err := s.Begin(nil, &e)
	if err != nil {
		t.Fatal(err)
	}
	head := len(dst)
	if dst, err = s.Append(dst, &e); err != nil || len(dst) != head {
		t.Fatalf("%d bytes after one event, %v, want it held back", len(dst)-head, err)
	}
	if dst, err = s.Flush(dst); err != nil || len(dst) == head {
		t.Fatalf("nothing flushed, %v", err)
	}
	full := len(dst)
	if dst, err = s.Flush(dst); err != nil || len(dst) != full {
		t.Errorf("an empty block was written, %v", err)
	}
}

const schemaText = `{"type":"record","name":"R","fields":[{"name":"n","type":"long"}]}`

func TestAvroDatumTakesTheSchemaOfTheFirstEvent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.avsc")
	if err := os.WriteFile(path, []byte(schemaText), 0o644); err != nil {
		t.Fatal(err)
	}
	literal := event.Event{Headers: []event.Header{{Key: schemaLiteralHeader, Value: schemaText}}, Body: []byte{14}}
	bare := event.Event{Body: []byte{14}}
	byURL := event.Event{Headers: []event.Header{{Key: schemaURLHeader, Value: "file://" + path}}, Body: []byte{14}}
	web := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(path))))
	defer web.Close()
	for _, c := range []struct {
		name string
		url  string
		e    event.Event
		ok   bool
	}{
		{"from the web", web.URL + "/r.avsc", bare, true}, {"no page", web.URL + "/x.avsc", bare, false},
		{"literal", "", literal, true}, {"configured", path, bare, true}, {"configured by URL", "file://" + path, byURL, true},
		{"none", "", bare, false}, {"a URL that is not configured", "", byURL, false}, {"no file", path + "x", bare, false},
	} {
		s := build(t, "avro_datum", AvroDatumSettings{Avro: AvroSettings{SyncIntervalBytes: 64, CompressionCodec: "null"}, SchemaURL: c.url}).File()
		dst, err := s.Begin(nil, &c.e)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if !c.ok {
			continue
		}
		dst, _ = s.Append(dst, &c.e)
		dst, _ = s.Flush(dst)
		r, err := ocf.NewReader(bytes.NewReader(dst))
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			N int64 `avro:"n"`
		}
		if err := r.Decode(&got); err != nil || got.N != 7 {
			t.Errorf("%s: %d, %v, want 7", c.name, got.N, err)
		}
	}
}

func TestASchemaThatCannotBeReadShowsNoPassword(t *testing.T) {
	for _, url := range []string{"http://bob:zzet@127.0.0.1:1/x.avsc", "http://bob:zzet/s3cr@127.0.0.1:1/x.avsc"} {
		_, err := build(t, "avro_datum", AvroDatumSettings{SchemaURL: url}).File().Begin(nil, &event.Event{})
		if err == nil || strings.Contains(err.Error(), "zzet") || strings.Contains(err.Error(), "s3cr") {
			t.Errorf("%v, want an error without the password", err)
		}
	}
}

func TestAnEventOfAnotherSchemaIsRefused(t *testing.T) {
	s := build(t, "avro_datum", nil).File()
	first := event.Event{Headers: []event.Header{{Key: schemaLiteralHeader, Value: schemaText}}, Body: []byte{14}}
	other := event.Event{Headers: []event.Header{{Key: schemaLiteralHeader, Value: `"string"`}}, Body: []byte{0}}
	dst, err := s.Begin(nil, &first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(dst, &other); !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "differs") {
		t.Errorf("%v, want ErrSchema", err)
	}
	if _, err := build(t, "avro_datum", nil).File().Begin(nil, &event.Event{Headers: []event.Header{{Key: schemaLiteralHeader, Value: "nonsense"}}}); !errors.Is(err, ErrSchema) {
		t.Errorf("%v, want ErrSchema for what is no schema", err)
	}
}

func TestASchemaOfHDFSIsRefusedAtStart(t *testing.T) {
	plan := Registry.Default("avro_datum").Plan
	plan.Settings = AvroDatumSettings{SchemaURL: "hdfs://nn/x.avsc"}
	if _, err := plan.Build(registry.Env{}); err == nil {
		t.Error("hdfs is accepted")
	}
}
