package spooldir

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dsnet/compress/bzip2"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/linkedin/goavro/v2"

	"goflume/event"
	"goflume/internal/charset"
	"goflume/internal/flowtest"
)

// readAll reads the file in batches of n, each by a reader of its own that goes on at the position of the one before.
func (p *place) readAll(name string, n int) (bodies []string) {
	p.Helper()
	s := p.source()
	f := &file{name: name, path: filepath.Join(p.dir, name)}
	fi, err := os.Stat(f.path)
	if err != nil {
		p.Fatal(err)
	}
	f.seen = stateOf(fi)
	for {
		if err := s.open(f); err != nil {
			p.Fatal(err)
		}
		f.events.finish()
		var b event.Batch
		err := f.events.read(&b, &quota{n, 1 << 30})
		for i := range b.Events {
			bodies = append(bodies, string(b.Events[i].Body))
		}
		f.at = f.events.position()
		f.close()
		if err != nil {
			if err.Error() != "EOF" {
				p.Fatalf("after %d events: %v", len(bodies), err)
			}
			return bodies
		}
		if len(bodies) > 1_000_000 {
			p.Fatal("no end")
		}
	}
}

func TestLinesAreCutAsFlumeDoes(t *testing.T) {
	for text, want := range map[string][]string{
		"":                     nil,
		"\n":                   {""},
		"abc\r\nd\n":           {"abc\r", "d"},
		"abcde\nf":             {"abcde", "", "f"}, // exactly the limit: an empty event
		"abcdef\n":             {"abcde", "f"},
		"abcdefghijk":          {"abcde", "fghij", "k"},
		"abcdefghij":           {"abcde", "fghij"},
		"äöüßé\nx\n":           {"äöüßé", "", "x"},
		"abc😀\n":               {"abc😀", ""},
		"abcd😀e\n":             {"abcd", "😀e"}, // a character of two units is not torn
		"😀😀😀\n":                {"😀😀", "😀"},
		"\xff\xff\xff\xffab\n": {"\uFFFD\uFFFD\uFFFD\uFFFDa", "b"},
	} {
		for _, n := range []int{1, 2, 100} {
			p := spool(t, func(s *Settings) { s.MaxLineLength, s.DecodeErrorPolicy = 5, "REPLACE" })
			p.put("a", text, time.Hour)
			if got := p.readAll("a", n); !slices.Equal(got, want) {
				t.Errorf("%q by %d: %q, want %q", text, n, got, want)
			}
		}
	}
}

func TestAnEndlessLineTakesLittleMemory(t *testing.T) {
	p := spool(t)
	const size = 5 << 20
	p.put("a", strings.Repeat("x", size)+"\nnext\n", time.Hour)
	f := &file{path: filepath.Join(p.dir, "a")}
	if err := p.source().open(f); err != nil {
		t.Fatal(err)
	}
	defer f.close()
	events := 0
	for {
		var b event.Batch
		err := f.events.read(&b, &quota{100, 1 << 30})
		if _, pinned := b.Footprint(); pinned > 1<<20 {
			t.Fatalf("%d bytes for %d events", pinned, len(b.Events))
		}
		events += len(b.Events)
		if err != nil {
			break
		}
	}
	if want := size/2048 + 2; events != want { // size is a multiple: an empty one follows
		t.Errorf("%d events, want %d", events, want)
	}
}

func TestCharacterSets(t *testing.T) {
	text := "zwölf\n" + strings.Repeat("ж€", 7) + "\n\n日本語\nä"
	want := []string{"zwölf", strings.Repeat("ж€", 5), strings.Repeat("ж€", 2), "", "日本語", "ä"}
	for _, name := range []string{"UTF-8", "UTF-16", "UTF-16BE", "UTF-16LE", "GB18030"} {
		set := charset.Charset{Name: name}
		for _, n := range []int{1, 3, 100} {
			p := spool(t, func(s *Settings) { s.InputCharset, s.MaxLineLength = set, 10 })
			p.put("a", string(set.Encode(nil, []byte(text))), time.Hour)
			if got := p.readAll("a", n); !slices.Equal(got, want) {
				t.Errorf("%s by %d: %q, want %q", name, n, got, want)
			}
		}
	}
	p := spool(t, func(s *Settings) { s.InputCharset = charset.Charset{Name: "UTF-16"} })
	p.put("a", "\xff\xfea\x00\n\x00\x0a\x0a\n\x00\xfd\xff", time.Hour) // U+0A0A is no newline, U+FFFD is a character
	if got, want := p.readAll("a", 1), []string{"a", "\u0a0a", "\uFFFD"}; !slices.Equal(got, want) {
		t.Errorf("UTF-16 with a mark of its order: %q, want %q", got, want)
	}
	p = spool(t, func(s *Settings) {
		s.InputCharset, s.OutputCharset = charset.Charset{Name: "ISO-8859-1"}, charset.Charset{Name: "UTF-16BE"}
	})
	p.put("a", "\xe9\n", time.Hour)
	if got := p.readAll("a", 1); got[0] != "\x00\xe9" {
		t.Errorf("ISO-8859-1 to UTF-16BE: %q", got)
	}
}

func TestBytesThatAreNoTextInAnotherSet(t *testing.T) {
	for policy, want := range map[string][]string{"REPLACE": {"a\uFFFDb", "c"}, "IGNORE": {"ab", "c"}} {
		p := spool(t, func(s *Settings) {
			s.InputCharset, s.DecodeErrorPolicy = charset.Charset{Name: "US-ASCII"}, policy
		})
		p.put("a", "a\xe9b\nc\n", time.Hour)
		if got := p.readAll("a", 1); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", policy, got, want)
		}
	}
	p := spool(t, func(s *Settings) { s.InputCharset = charset.Charset{Name: "US-ASCII"} })
	p.put("a", "ok\na\xe9b\n", time.Hour)
	stop := p.run(&flowtest.Recorder{})
	p.await("quarantine", func() bool { return p.quarantined("a") != "" })
	stop()
	if !strings.Contains(p.log.String(), "byte 3") {
		t.Errorf("the log does not say where:\n%s", p.log)
	}
}

func TestBlobs(t *testing.T) {
	for text, want := range map[string][]string{
		"":            nil,
		"abc":         {"abc"},
		"abcd":        {"abcd"},
		"abcdefgh\ni": {"abcd", "efgh", "\ni"},
	} {
		p := spool(t, func(s *Settings) { s.Deserializer, s.MaxBlobLength = "BLOB", 4 })
		p.put("a", text, time.Hour)
		for _, n := range []int{1, 100} {
			if got := p.readAll("a", n); !slices.Equal(got, want) {
				t.Errorf("%q by %d: %q, want %q", text, n, got, want)
			}
		}
	}
	p := spool(t, func(s *Settings) { s.Deserializer = "BLOB" })
	p.put("a", strings.Repeat("x", 9<<20), 3*time.Hour)
	p.put("b", "", 2*time.Hour)
	p.put("c", strings.Repeat("y", 9<<20), time.Hour)
	out := p.collect(3, "a.COMPLETED", "b.COMPLETED", "c.COMPLETED")
	if got := out.Batches(); !slices.Equal(got, []int{3}) && !slices.Equal(got, []int{2, 1}) {
		t.Errorf("batches of %v events", got)
	}
	if got := out.Bodies(); len(got[0]) != 9<<20 || got[1] != "" || len(got[2]) != 9<<20 {
		t.Errorf("bodies of %d, %d, %d bytes", len(got[0]), len(got[1]), len(got[2]))
	}
}

const recordSchema = `{"type": "record", "name": "Line", "fields": [{"name": "n", "type": "long"},
	{"name": "tags", "type": {"type": "array", "items": "string"}}, {"name": "more", "type": ["null", {"type": "map", "values": "bytes"}]}]}`

// avroFile returns a container file of blocks of records, and their bodies.
func avroFile(t *testing.T, codec string, blocks, records int) (file []byte, bodies []string) {
	t.Helper()
	var b bytes.Buffer
	w, err := goavro.NewOCFWriter(goavro.OCFConfig{W: &b, Schema: recordSchema, CompressionName: codec})
	if err != nil {
		t.Fatal(err)
	}
	for i := range blocks {
		var block []any
		for j := range records {
			v := map[string]any{"n": int64(i*records + j), "tags": []string{"a", fmt.Sprint(j)}, "more": nil}
			if j%2 == 0 {
				v["more"] = goavro.Union("map", map[string]any{"k": []byte{byte(j)}})
			}
			block = append(block, v)
			body, err := w.Codec().BinaryFromNative(nil, v)
			if err != nil {
				t.Fatal(err)
			}
			bodies = append(bodies, string(body))
		}
		if err := w.Append(block); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes(), bodies
}

func TestAvroRecords(t *testing.T) {
	for _, codec := range []string{"null", "deflate", "snappy"} {
		file, want := avroFile(t, codec, 5, 11)
		for _, n := range []int{1, 4, 11, 1000} {
			p := spool(t, func(s *Settings) { s.Deserializer = "AVRO" })
			p.put("a", string(file), time.Hour)
			if got := p.readAll("a", n); !slices.Equal(got, want) {
				t.Errorf("%s by %d: %d bodies %.80q, want %d %.80q", codec, n, len(got), got, len(want), want)
			}
		}
	}
}

func TestAvroSchemaHeaders(t *testing.T) {
	file, _ := avroFile(t, "null", 1, 1)
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(recordSchema)); err != nil {
		t.Fatal(err)
	}
	for typ, check := range map[string]func(e event.Event) bool{
		"HASH":    func(e event.Event) bool { h, ok := e.Header("flume.avro.schema.hash"); return ok && len(h) == 16 },
		"LITERAL": func(e event.Event) bool { h, _ := e.Header("flume.avro.schema.literal"); return h == compact.String() },
	} {
		p := spool(t, func(s *Settings) { s.Deserializer, s.SchemaType, s.BasenameHeader = "AVRO", typ, true })
		p.put("a", string(file), time.Hour)
		e := p.collect(1, "a.COMPLETED").Events()[0]
		if !check(e) {
			t.Errorf("%s: headers %v", typ, e.Headers)
		}
		if h, _ := e.Header("basename"); h != "a" {
			t.Errorf("%s: headers %v, want the file's too", typ, e.Headers)
		}
	}
}

func TestAnAvroFileThatIsCutOffIsSetAside(t *testing.T) {
	file, bodies := avroFile(t, "deflate", 3, 10)
	for name, text := range map[string][]byte{"cut": file[:len(file)-20], "flipped": flip(file, len(file)-5), "text": []byte("no avro\n"), "empty": nil} {
		t.Run(name, func(t *testing.T) {
			p := spool(t, func(s *Settings) { s.Deserializer = "AVRO" })
			p.put("a", string(text), time.Hour)
			out := &flowtest.Recorder{}
			stop := p.run(out)
			p.await("quarantine", func() bool {
				got, err := os.ReadFile(filepath.Join(p.dir, ".flumespool", "quarantine", "a"))
				return err == nil && bytes.Equal(got, text)
			})
			stop()
			want := 20
			if name == "text" || name == "empty" {
				want = 0
			}
			if got := out.Bodies(); !slices.Equal(got, bodies[:want]) {
				t.Errorf("%d bodies, want the %d of the whole blocks", len(got), want)
			}
		})
	}
}

func flip(b []byte, at int) []byte {
	c := bytes.Clone(b)
	c[at] ^= 0x55
	return c
}

func TestCompressedFiles(t *testing.T) {
	text := numbers(0, 5000)
	want := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for suffix, pack := range map[string]func(string) string{".gz": gz, ".zst": zst, ".bz2": bz, ".GZ": gz} {
		t.Run(suffix, func(t *testing.T) {
			p := spool(t, func(s *Settings) { s.Decompress = true })
			p.put("a"+suffix, pack(text[:20_000])+pack(text[20_000:]), time.Hour) // two in one, as by cat
			if got := p.readAll("a"+suffix, 1000); !slices.Equal(got, want) {
				t.Errorf("%d bodies, want %d", len(got), len(want))
			}
			p.put("b"+suffix, pack(text)[:2000], 0)
			p.put("c", "plain\n", 0)
			stop := p.run(&flowtest.Recorder{})
			p.awaitFiles("a"+suffix+".COMPLETED", "c.COMPLETED")
			p.await("quarantine", func() bool { return len(p.quarantined("b"+suffix)) == 2000 })
			stop()
		})
	}
	p := spool(t)
	p.put("a.gz", "not packed\n", time.Hour)
	if got := p.collect(1, "a.gz.COMPLETED").Bodies(); got[0] != "not packed" {
		t.Errorf("without the option: %q", got)
	}
}

func gz(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

func zst(text string) string {
	w, _ := zstd.NewWriter(nil)
	return string(w.EncodeAll([]byte(text), nil))
}

func bz(text string) string {
	var b bytes.Buffer
	w, _ := bzip2.NewWriter(&b, nil)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

func FuzzAvroRecords(f *testing.F) {
	var b bytes.Buffer
	w, err := goavro.NewOCFWriter(goavro.OCFConfig{W: &b, Schema: recordSchema})
	if err != nil {
		f.Fatal(err)
	}
	if err := w.Append([]any{map[string]any{"n": 1, "tags": []string{"x"}, "more": nil}}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes(), int64(0))
	f.Add(b.Bytes(), int64(20))
	f.Fuzz(func(t *testing.T, data []byte, at int64) {
		src := &stream{Reader: bytes.NewReader(data), zip: true}
		r, err := newAvroRecords(src, position{offset: max(at, 0)}, nil, "HASH")
		if err != nil {
			return
		}
		var batch event.Batch
		for err == nil && len(batch.Events) < 1000 {
			before := r.position()
			err = r.read(&batch, &quota{10, 1 << 20})
			if after := r.position(); after.before(before) {
				t.Errorf("position %v after %v", after, before)
			}
		}
	})
}
