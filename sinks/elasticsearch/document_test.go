package elasticsearch

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"goflume/event"
)

// rows reads a file of recorded cases.
func rows[T any](t *testing.T, name string) []T {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []T
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var row T
		if err := json.Unmarshal(sc.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	if len(all) == 0 || sc.Err() != nil {
		t.Fatalf("%d rows, %v", len(all), sc.Err())
	}
	return all
}

func eventOf(headers map[string]string, body []byte) *event.Event {
	e := &event.Event{Body: body}
	for _, k := range slices.Sorted(maps.Keys(headers)) {
		e.Headers = append(e.Headers, event.Header{Key: k, Value: headers[k]})
	}
	return e
}

// better are the cases in which Flume throws, loses data or makes what a server refuses; here stands what we do.
var better = map[string]string{
	"two-json-objects/logstash":         `{"@message":"{\"a\":1}{\"b\":2}","@fields":{}}`,
	"two-json-objects/dynamic":          `{"body":"{\"a\":1}{\"b\":2}"}`,
	"yaml-key-value/logstash":           `{"@message":"--- user: bob logged in","@fields":{}}`,
	"yaml-key-value/dynamic":            `{"body":"--- user: bob logged in"}`,
	"yaml-list/logstash":                `{"@message":"---\n- 1\n- x\n","@fields":{}}`,
	"yaml-list/dynamic":                 `{"body":"---\n- 1\n- x\n"}`,
	"yaml-doc/logstash":                 `{"@message":"---\na: 1\n","@fields":{}}`,
	"yaml-doc/dynamic":                  `{"body":"---\na: 1\n"}`,
	"yaml-doc-text/logstash":            `{"@message":"--- separator line","@fields":{}}`,
	"yaml-doc-text/dynamic":             `{"body":"--- separator line"}`,
	"hdr-timestamp-not-number/logstash": `{"@message":"m","@fields":{"timestamp":"abc"}}`,
	"hdr-named-body/dynamic":            `{"body":"m","body_header":"v"}`,
	"smile-magic/logstash":              "{\"@message\":\":)\\n\\u0000\ufffd\ufffda\ufffd\ufffd\",\"@fields\":{}}",
	"smile-magic/dynamic":               "{\"body\":\":)\\n\\u0000\ufffd\ufffda\ufffd\ufffd\"}",
}

func TestDocumentsAreFlumes(t *testing.T) {
	type row struct {
		Case       string
		Serializer string
		Headers    map[string]string
		Body       string `json:"body_base64"`
		Document   any
		Error      string
	}
	differ := 0
	for _, r := range rows[row](t, "es-documents.jsonl") {
		body, err := base64.StdEncoding.DecodeString(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		doc := shapes[classAlias(r.Serializer)](nil, eventOf(r.Headers, body), false, time.Time{})
		if strings.ContainsAny(string(doc), "\r\n") {
			t.Errorf("%s: a line end in %q", r.Case, doc)
		}
		var got any
		if err := json.Unmarshal(doc, &got); err != nil {
			t.Errorf("%s: %v in %s", r.Case, err, doc)
			continue
		}
		if want, ok := better[r.Case+"/"+classAlias(r.Serializer)]; ok {
			differ++
			if string(doc) != want {
				t.Errorf("%s %s: %s, want %s", r.Case, r.Serializer, doc, want)
			}
			continue
		}
		if diff := cmp.Diff(r.Document, got); diff != "" || r.Error != "" {
			t.Errorf("%s %s (Flume: %s): %s\n%s", r.Case, classAlias(r.Serializer), r.Error, doc, diff)
		}
	}
	if differ != len(better) {
		t.Errorf("%d cases differ from Flume, want %d", differ, len(better))
	}
}

func TestIndexNamesAreFlumes(t *testing.T) {
	type row struct {
		Builder string
		Config  map[string]string
		Headers map[string]string
		Index   string
		Error   string
		Now     bool `json:"clock_dependent"`
	}
	now := time.Date(2026, 11, 21, 1, 2, 3, 0, time.UTC)
	for _, r := range rows[row](t, "es-index-names.jsonl") {
		name, named := r.Config["indexName"]
		if !named || r.Config["timeZone"] == "Nowhere/None" {
			continue // Flume's builder throws by itself; the sink gives it flume. An unknown zone is an error here
		}
		s := Settings{IndexName: name, IndexNameBuilder: "org.apache.flume.sink.elasticsearch." + r.Builder,
			DateFormat: r.Config["dateFormat"], TimeZone: "Etc/UTC"}
		if z, ok := r.Config["timeZone"]; ok {
			s.TimeZone = z
		}
		n, err := newNamer(s)
		if err != nil {
			if r.Error == "" {
				t.Errorf("%v: %v", r.Config, err)
			}
			continue
		}
		got, err := n.index(eventOf(r.Headers, nil), now)
		if (err != nil) != (r.Error != "") {
			t.Errorf("%v %v: %q, %v, Flume: %q %s", r.Config, r.Headers, got, err, r.Index, r.Error)
			continue
		}
		want := r.Index
		if r.Now {
			f, _ := parseDateFormat(cmpOr(s.DateFormat, "yyyy-MM-dd"))
			z, _ := time.LoadLocation(s.TimeZone)
			want = strings.ReplaceAll(want, "<now>", string(f.append(nil, now.In(z))))
		}
		if got != want {
			t.Errorf("%v %v: %q, want %q", r.Config, r.Headers, got, want)
		}
	}
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func TestIndexNamesThatServersRefuse(t *testing.T) {
	for _, name := range []string{"", ".", "..", "-a", "_a", "+a", ".a", "A", "a b", "a/b", `a\b`, "a*", "a?", "a,b", "a#", "a:b", `a"`, "a<", "a\n", strings.Repeat("a", 256)} {
		if checkIndex(name) == nil {
			t.Errorf("%q is accepted", name)
		}
	}
	for _, name := range []string{"a", "logs-2026.01.01", "é", "a_b-c+d"} {
		if err := checkIndex(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestAStampIsThereForADataStream(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	for in, want := range map[string]string{
		"":              `"@timestamp":"2026-01-02T03:04:05.006Z"`,
		"1767225600000": `"@timestamp":"2026-01-01T00:00:00.000Z"`,
	} {
		h := map[string]string{}
		if in != "" {
			h["timestamp"] = in
		}
		for name, shape := range shapes {
			if doc := string(shape(nil, eventOf(h, []byte("x")), true, now)); !strings.Contains(doc, want) {
				t.Errorf("%s: %s, want %s in it", name, doc, want)
			}
		}
	}
}

func FuzzDocument(f *testing.F) {
	f.Add([]byte("{\"a\":\r\n1}"), "k", "v")
	f.Add([]byte("\xff\x00\"\\"), "@timestamp", "{")
	f.Fuzz(func(t *testing.T, body []byte, key, value string) {
		e := &event.Event{Headers: []event.Header{{Key: key, Value: value}}, Body: body}
		for name, shape := range shapes {
			doc := shape(nil, e, false, time.Time{})
			if !json.Valid(doc) || strings.ContainsAny(string(doc), "\r\n") {
				t.Errorf("%s: %q", name, doc)
			}
		}
	})
}

func TestNoAllocationPerDocument(t *testing.T) {
	e := eventOf(map[string]string{"host": "h1", "timestamp": "1767225600000"}, []byte(`a line of "text" é`))
	dst := make([]byte, 0, 1024)
	for name, shape := range shapes {
		if n := testing.AllocsPerRun(100, func() { dst = shape(dst[:0], e, false, time.Time{}) }); n > 1 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
