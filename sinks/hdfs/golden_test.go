package hdfs

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"goflume/event"
)

// recorded is what Flume 1.11 did with some events, as its hdfs sinks were configured.
type recorded struct {
	Config     string                       `json:"config"`
	First      []recordedEvent              `json:"first_post"`
	Second     []recordedEvent              `json:"second_post"`
	WhileOpen  []string                     `json:"files_while_open_after_first_post"`
	AfterStop  []string                     `json:"files_after_SIGTERM"`
	SinkCounts map[string]map[string]string `json:"sink_metrics"`
}

type recordedEvent struct {
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

func (r recordedEvent) event() event.Event {
	e := event.Event{Body: []byte(r.Body)}
	for _, k := range []string{"host", "timestamp"} { // as a Java map of these two prints
		e.Headers = append(e.Headers, event.Header{Key: k, Value: r.Headers[k]})
	}
	return e
}

func loadRecorded(t *testing.T) recorded {
	t.Helper()
	text, err := os.ReadFile("testdata/flume.json")
	if err != nil {
		t.Fatal(err)
	}
	var r recorded
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// settings returns the lines that configure one sink.
func (r recorded) settings(sink, dir string) string {
	var b strings.Builder
	for line := range strings.Lines(r.Config) {
		rest, ok := strings.CutPrefix(line, "a.sinks."+sink+".")
		if ok && !strings.HasPrefix(rest, "type") && !strings.HasPrefix(rest, "channel") {
			b.WriteString(strings.ReplaceAll(rest, "$DIR", dir))
		}
	}
	return b.String()
}

// files returns what Flume's sink left, with ranked counters, and what it had open before the end.
func (r recorded) files(t *testing.T, sink string) (contents, open map[string]string) {
	t.Helper()
	contents, open = map[string]string{}, map[string]string{}
	read := func(list []string, into map[string]string) {
		for _, name := range list {
			rest, ok := strings.CutPrefix(name, sink+"/")
			if !ok || strings.HasSuffix(name, ".crc") {
				continue
			}
			b, err := os.ReadFile(filepath.Join("testdata", "flume", strings.ReplaceAll(name, "/", "!")))
			if err != nil && !strings.Contains(name, ".tmp") {
				t.Fatal(err)
			}
			into[rest] = string(b)
		}
	}
	read(r.AfterStop, contents)
	read(r.WhileOpen, open)
	return ranked(contents), ranked(open)
}

// Each sink of the recording gets the same events, in batches of its size, and leaves the same files.
func TestFilesAreThoseOfFlume(t *testing.T) {
	r := loadRecorded(t)
	for _, sink := range []string{"ds", "esc", "size", "ht", "avro", "seqw", "seqt", "seqgz", "gz", "dflt"} {
		t.Run(sink, func(t *testing.T) {
			dir := t.TempDir()
			env := testEnv(t, t.TempDir())
			s := opened(t, env, r.settings(sink, dir))
			wantDone, wantOpen := r.files(t, sink)
			posts := [][]recordedEvent{r.First, r.Second}
			if !slices.Contains([]string{"ds", "esc", "size", "ht"}, sink) {
				posts = [][]recordedEvent{append(r.First, r.Second...)} // Flume took all in one transaction, so one block, stream or mark
			}
			for _, post := range posts {
				var all []event.Event
				for _, e := range post {
					all = append(all, e.event())
				}
				for batch := range slices.Chunk(all, s.BatchSize()) {
					if err := s.Write(t.Context(), batch); err != nil {
						t.Fatal(err)
					}
				}
				if len(post) == len(r.First) {
					got := tree(t, filepath.Join(dir, sink))
					for name := range wantOpen {
						if _, ok := got[name]; !ok {
							t.Errorf("while open there is no %s", name)
						}
					}
					if len(got) != len(wantOpen) {
						t.Errorf("%d files while open, want %d", len(got), len(wantOpen))
					}
				}
			}
			counts := r.SinkCounts["SINK."+sink]
			for _, a := range env.Metrics.Attrs() {
				if want := counts[a.Flume]; strings.HasPrefix(a.Flume, "Connection") && want != "" {
					if got := jsonInt(a.Counter.Value()); got != want {
						t.Errorf("%s: %s, want %s", a.Flume, got, want)
					}
				}
			}
			closeSink(t, s)
			got := tree(t, filepath.Join(dir, sink))
			if sink == "avro" { // its markers are random: lengths agree
				equalLengths(t, got, wantDone)
				return
			}
			for name := range got {
				got[name] = comparable(t, sink, got[name])
			}
			for name := range wantDone {
				wantDone[name] = comparable(t, sink, wantDone[name])
			}
			wantTree(t, got, wantDone)
		})
	}
}

func jsonInt(n int64) string { b, _ := json.Marshal(n); return string(b) }

// comparable makes of a file what must be the same in both: sync marks are made zero, streams are unpacked.
func comparable(t *testing.T, sink, text string) string {
	t.Helper()
	var out []byte
	switch sink {
	case "seqw", "seqt", "dflt":
		header := strings.LastIndex(text[:120], "\x00\x00\x00\x00\x00\x00") + 6
		return strings.ReplaceAll(text, text[header:header+16], "(sync mark here)")
	case "seqgz":
		header := strings.Index(text, "DefaultCodec") + len("DefaultCodec") + 4
		sync := text[header : header+16]
		for i, part := range strings.Split(text[header+16:], "\xff\xff\xff\xff"+sync) {
			if i == 0 {
				out = append(out, text[:header]+part...)
				continue
			}
			out = append(out, "block of "+string('0'+part[0])...)
			for rest := []byte(part[1:]); len(rest) > 0; {
				n := int(rest[0]) // short enough for one byte
				z, err := zlib.NewReader(bytes.NewReader(rest[1 : 1+n]))
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(z)
				if err != nil {
					t.Fatal(err)
				}
				out, rest = fmt.Appendf(out, " %x", b), rest[1+n:]
			}
		}
	case "gz":
		in := bytes.NewReader([]byte(text))
		for in.Len() > 0 {
			system := text[len(text)-in.Len()+9]
			z, err := gzip.NewReader(in)
			if err != nil {
				t.Fatal(err)
			}
			z.Multistream(false)
			b, err := io.ReadAll(z)
			if err != nil {
				t.Fatal(err)
			}
			out = fmt.Appendf(out, "stream of system %x: %q\n", system, b)
		}
	default:
		return text
	}
	return string(out)
}

func equalLengths(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name, text := range want {
		if len(got[name]) != len(text) {
			t.Errorf("%s: %d bytes, want %d", name, len(got[name]), len(text))
		}
	}
}
