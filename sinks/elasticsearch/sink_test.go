package elasticsearch

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"goflume/event"
	"goflume/internal/deadletter"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/sinks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a server that keeps documents, and first answers what faults say.
type fake struct {
	*httptest.Server
	faults []func(f *fake, w http.ResponseWriter, lines []string) bool // true: it answered

	mu       sync.Mutex
	requests []*http.Request
	docs     []string // action line and document
	ids      map[string]bool
	judge    func(doc string) int // status of a document; 0 is good
}

func newFake(t *testing.T, faults ...func(f *fake, w http.ResponseWriter, lines []string) bool) *fake {
	f := &fake{faults: faults, ids: map[string]bool{}}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(r.Body)
	}
	text, _ := io.ReadAll(body)
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r)
	if n := len(f.requests) - 1; n < len(f.faults) && f.faults[n] != nil && f.faults[n](f, w, lines) {
		return
	}
	f.store(w, lines)
}

// store keeps what judge finds good and answers for every document.
func (f *fake) store(w http.ResponseWriter, lines []string) {
	type object = map[string]any
	var items []object
	for i := 0; i+1 < len(lines); i += 2 {
		var action map[string]struct {
			ID string `json:"_id"`
		}
		json.Unmarshal([]byte(lines[i]), &action)
		for op, a := range action {
			status := 201
			if f.judge != nil {
				if s := f.judge(lines[i+1]); s != 0 {
					status = s
				}
			}
			if status == 201 && op == "create" && a.ID != "" && f.ids[a.ID] {
				status = 409
			}
			if status == 201 {
				f.ids[a.ID] = true
				f.docs = append(f.docs, lines[i]+lines[i+1])
			}
			item := object{"status": status}
			if status >= 400 {
				item["error"] = object{"type": "some_exception", "reason": "because"}
			}
			items = append(items, object{op: item})
		}
	}
	json.NewEncoder(w).Encode(object{"errors": false, "items": items})
}

func answers(status int, body string) func(*fake, http.ResponseWriter, []string) bool {
	return func(_ *fake, w http.ResponseWriter, _ []string) bool {
		w.WriteHeader(status)
		io.WriteString(w, body)
		return true
	}
}

func (f *fake) stored() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, d := range f.docs {
		_, after, _ := strings.Cut(d, `"@message":"`)
		body, _, _ := strings.Cut(after, `"`)
		all = append(all, body)
	}
	return strings.Join(all, " ")
}

func open(t *testing.T, change func(*Settings), urls ...string) (*Sink, registry.Env, *bytes.Buffer) {
	t.Helper()
	s := registry.Plan[sinks.Sink]{Entry: sinks.Registry.Lookup("elasticsearch")}.Entry.Defaults.(Settings)
	s.HostNames = urls
	s.RetryTimeout = time.Minute
	if change != nil {
		change(&s)
	}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	log := new(bytes.Buffer)
	env := registry.Env{Name: "k1", Log: slog.New(slog.NewTextHandler(log, nil)), Metrics: metric.NewSet(metric.Sink, "a1", "k1", "elasticsearch")}
	k, err := New(env, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close(context.Background()) })
	return k.(*Sink), env, log
}

func events0(bodies ...string) []event.Event {
	var all []event.Event
	for _, b := range bodies {
		all = append(all, event.Event{Headers: []event.Header{{Key: "timestamp", Value: "1767225600000"}}, Body: []byte(b)})
	}
	return all
}

func write(t *testing.T, k *Sink, bodies ...string) {
	t.Helper()
	if err := k.Write(t.Context(), events0(bodies...)); err != nil {
		t.Fatal(err)
	}
}

func (f *fake) holds(t *testing.T, want string) {
	t.Helper()
	if got := f.stored(); got != want {
		t.Errorf("stored %q, want %q", got, want)
	}
}

func TestABatchIsOneRequest(t *testing.T) {
	f := newFake(t)
	k, _, _ := open(t, func(s *Settings) { s.Pipeline = "p"; s.Username = "u"; s.Password = "pw"; s.Compression = true }, f.URL)
	write(t, k, "a", "b")
	f.holds(t, "a b")
	r := f.requests[0]
	if user, pw, _ := r.BasicAuth(); user != "u" || pw != "pw" || r.URL.Query().Get("pipeline") != "p" || len(f.requests) != 1 ||
		r.Header.Get("Content-Type") != "application/x-ndjson" || r.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%s %v", r.URL, r.Header)
	}
	if want := `{"index":{"_index":"flume-2026-01-01"}}{"@message":"a","@timestamp":"2026-01-01T00:00:00.000Z","@fields":{"timestamp":"1767225600000"}}`; f.docs[0] != want {
		t.Errorf("%s, want %s", f.docs[0], want)
	}
}

func TestOnlyWhatWasPutOffIsSentAgain(t *testing.T) {
	f := newFake(t,
		answers(429, `{"error":{"type":"es_rejected_execution_exception","reason":"queue full"},"status":429}`),
		answers(503, "Service Unavailable"),
		func(f *fake, w http.ResponseWriter, lines []string) bool {
			f.judge = func(doc string) int {
				return map[bool]int{true: 429}[strings.Contains(doc, `"b"`)]
			}
			f.store(w, lines)
			f.judge = nil
			return true
		})
	k, env, _ := open(t, nil, f.URL)
	write(t, k, "a", "b", "c")
	f.holds(t, "a c b")
	if n := k.again.Value(); n != 7 {
		t.Errorf("%d documents sent again, want 3 + 3 + 1", n)
	}
	if n := metric.NewSink(env.Metrics).Dropped.Value(); n != 0 {
		t.Errorf("%d dropped", n)
	}
}

func TestABusyServerFailsTheBatchInTheEnd(t *testing.T) {
	f := newFake(t)
	f.judge = func(string) int { return 429 }
	k, _, _ := open(t, func(s *Settings) { s.RetryTimeout = 300 * time.Millisecond }, f.URL)
	if err := k.Write(t.Context(), events0("a")); !errors.Is(err, errBusy) || !strings.Contains(err.Error(), "because") {
		t.Errorf("%v, want errBusy with the reason", err)
	}
}

func TestAPoisonedDocumentFailsItsBatchUnlessTold(t *testing.T) {
	f := newFake(t)
	f.judge = func(doc string) int { return map[bool]int{true: 400}[strings.Contains(doc, "bad")] }
	k, _, _ := open(t, nil, f.URL)
	if err := k.Write(t.Context(), events0("a", "bad")); err == nil || !strings.Contains(err.Error(), "onError") || !strings.Contains(err.Error(), "because") {
		t.Errorf("%v, want the reason and onError", err)
	}

	k, env, log := open(t, func(s *Settings) { s.OnError = deadletter.Policy{Drop: true} }, f.URL)
	write(t, k, "c", "bad", "d")
	if n := metric.NewSink(env.Metrics).Dropped.Value(); n != 1 || !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("%d dropped, log %s", n, log)
	}

	file := filepath.Join(t.TempDir(), "dead", "k1.jsonl")
	k, _, _ = open(t, func(s *Settings) { s.OnError = deadletter.Policy{File: file} }, f.URL)
	write(t, k, "e", "bad")
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), `"body":"bad"`) {
		t.Errorf("%s, %v", text, err)
	}
	f.holds(t, "a c d e")
}

func TestOneBadEventInARefusedRequestIsFoundByHalves(t *testing.T) {
	f := newFake(t)
	refuse := func(f *fake, w http.ResponseWriter, lines []string) bool {
		if strings.Contains(strings.Join(lines, ""), "bad") {
			return answers(400, `{"error":{"type":"action_request_validation_exception","reason":"Validation Failed"},"status":400}`)(f, w, lines)
		}
		return false
	}
	for range 50 {
		f.faults = append(f.faults, refuse)
	}
	k, env, _ := open(t, func(s *Settings) { s.OnError = deadletter.Policy{Drop: true} }, f.URL)
	write(t, k, "a", "b", "c", "bad", "d", "e", "f")
	f.holds(t, "a b c d e f")
	if n := metric.NewSink(env.Metrics).Dropped.Value(); n != 1 {
		t.Errorf("%d dropped, want 1", n)
	}
	if err := k.Write(t.Context(), events0("bad1", "bad2")); err == nil || !strings.Contains(err.Error(), "every document") {
		t.Errorf("%v, want the batch to fail: the request itself may be wrong", err)
	}
}

func TestATooLargeRequestIsCut(t *testing.T) {
	f := newFake(t)
	tooLarge := func(f *fake, w http.ResponseWriter, lines []string) bool {
		if len(lines) > 4 {
			w.WriteHeader(413) // without a body, as servers answer
			return true
		}
		return false
	}
	for range 20 {
		f.faults = append(f.faults, tooLarge)
	}
	k, _, _ := open(t, nil, f.URL)
	write(t, k, "a", "b", "c", "d", "e")
	f.holds(t, "a b c d e")

	f = newFake(t)
	k, _, _ = open(t, func(s *Settings) { s.MaxBulkBytes = 1024 }, f.URL)
	long := strings.Repeat("x", 700)
	write(t, k, long+"1", long+"2", long+"3")
	if len(f.requests) != 3 {
		t.Errorf("%d requests, want 3 of at most 1024 bytes", len(f.requests))
	}
}

func TestAnIdentifierStoresOnce(t *testing.T) {
	f := newFake(t)
	cut := func(f *fake, w http.ResponseWriter, lines []string) bool { // stored, but the answer is lost
		f.store(httptest.NewRecorder(), lines)
		panic(http.ErrAbortHandler)
	}
	f.faults = append(f.faults, cut)
	k, _, _ := open(t, func(s *Settings) { s.DocumentID = "hash" }, f.URL)
	if err := k.Write(t.Context(), events0("a", "b")); err == nil {
		t.Error("a lost answer is a success")
	}
	write(t, k, "a", "b")
	f.holds(t, "a b")
	if !strings.Contains(f.docs[0], `{"create":{"_index":"flume-2026-01-01","_id":"`) {
		t.Errorf("%s", f.docs[0])
	}
}

func TestIdentifierAndRoutingFromHeaders(t *testing.T) {
	f := newFake(t)
	k, _, _ := open(t, func(s *Settings) {
		s.DocumentID, s.DocumentIDHeader, s.RoutingHeader, s.IndexNameBuilder, s.IndexName = "header", "id", "user", "simple", "i-%{kind}"
		s.OnError = deadletter.Policy{Drop: true}
	}, f.URL)
	e := func(headers map[string]string) event.Event { return *eventOf(headers, []byte("x")) }
	err := k.Write(t.Context(), []event.Event{
		e(map[string]string{"id": "7", "user": `u"1`, "kind": "a"}), e(map[string]string{"kind": "a"}),
		e(map[string]string{"id": strings.Repeat("x", 513), "kind": "a"}), e(map[string]string{"id": "8", "kind": "../B"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(f.docs) != 1 || !strings.HasPrefix(f.docs[0], `{"create":{"_index":"i-a","_id":"7","routing":"u\"1"}}`) {
		t.Errorf("%q", f.docs)
	}
}

func TestADataStreamGetsCreates(t *testing.T) {
	f := newFake(t)
	k, _, _ := open(t, func(s *Settings) { s.DataStream, s.IndexName = true, "logs-app" }, f.URL)
	if err := k.Write(t.Context(), []event.Event{{Body: []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(f.docs[0], `{"create":{"_index":"logs-app"}}{"@message":"x","@timestamp":"2`) {
		t.Errorf("%s", f.docs[0])
	}
}

// nobody is where no server listens.
const nobody = "http://127.0.0.1:1"

func TestADeadHostIsLeftAside(t *testing.T) {
	f := newFake(t)
	k, env, _ := open(t, nil, nobody, f.URL)
	began := time.Now()
	for i := range 6 {
		write(t, k, fmt.Sprint(i))
	}
	f.holds(t, "0 1 2 3 4 5")
	most := 1 + int64(time.Since(began)/firstAside) // its time is over, on a slow machine
	if n := metric.NewSink(env.Metrics).ConnectionFailed.Value(); n < 1 || n > most {
		t.Errorf("%d connections failed, want 1 to %d: the dead host was asked again", n, most)
	}
}

func TestNoHostIsAnError(t *testing.T) {
	k, _, _ := open(t, nil, nobody)
	for range 2 { // also while it is left aside
		if err := k.Write(t.Context(), events0("a")); err == nil || !strings.Contains(err.Error(), "no server answers") {
			t.Errorf("%v", err)
		}
	}
}

func TestAMuteServerIsGivenUp(t *testing.T) {
	stop := make(chan struct{})
	f := newFake(t, func(_ *fake, _ http.ResponseWriter, _ []string) bool { <-stop; return true })
	defer close(stop)
	k, _, _ := open(t, func(s *Settings) { s.RequestTimeout = 50 * time.Millisecond }, f.URL)
	if err := k.Write(t.Context(), events0("a")); err == nil {
		t.Error("a mute server is a success")
	}
}

func TestRefusalsOfTheUserFailLoudly(t *testing.T) {
	f := newFake(t, answers(401, `{"error":{"type":"security_exception","reason":"missing authentication credentials"},"status":401}`),
		answers(406, `{"error":"Content-Type header [x] is not supported","status":406}`))
	k, _, _ := open(t, func(s *Settings) { s.OnError = deadletter.Policy{Drop: true}; s.APIKey = "sesame" }, f.URL)
	for _, want := range []string{"missing authentication", "Content-Type header [x]"} {
		if err := k.Write(t.Context(), events0("a")); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	write(t, k, "a")
	f.holds(t, "a")
}

// What real servers answered, case by case, is understood.
func TestEveryObservedAnswerIsRead(t *testing.T) {
	type row struct {
		Server, Case, Body string
		Status             int
		Truncated          any `json:"body_truncated"`
	}
	bulks, refusals := 0, 0
	for _, r := range rows[row](t, "elasticsearch-observed.jsonl") {
		a := answer{status: r.Status, body: []byte(r.Body), from: r.Server}
		switch {
		case r.Status == 200 && strings.Contains(r.Body, `"items":[`) && r.Truncated == nil:
			bulks++
			n := strings.Count(r.Body, `"status":`)
			all, err := a.verdicts(n)
			if err != nil {
				t.Errorf("%s %s: %v\n%.300s", r.Server, r.Case, err, r.Body)
				continue
			}
			for _, v := range all {
				if v.Status < 200 || v.Status > 599 || v.Status >= 300 && v.Error.Type == "" {
					t.Errorf("%s %s: %+v", r.Server, r.Case, v)
				}
			}
		case r.Status >= 400 && strings.Contains(r.Body, `"error"`) && r.Truncated == nil:
			refusals++
			if a.problem() == "" || strings.HasPrefix(a.problem(), `"{`) {
				t.Errorf("%s %s: no reason in %s", r.Server, r.Case, r.Body)
			}
		}
	}
	if bulks < 50 || refusals < 20 {
		t.Errorf("%d bulk answers and %d refusals seen, want more", bulks, refusals)
	}
}

func TestHostNames(t *testing.T) {
	s := Settings{HostNames: []string{"h1", "h2:9300", "https://h3:9243/p", "[::1]:9201"}}
	urls, old, err := s.urls()
	if err != nil || !old || fmt.Sprint(urls) != "[http://h1:9200 http://h2:9200 https://h3:9243/p http://[::1]:9201]" {
		t.Errorf("%v %v %v", urls, old, err)
	}
	s = Settings{CloudID: "prod:ZXhhbXBsZS5jb20kYWJjJGtpYg=="}
	if urls, _, err := s.urls(); err != nil || urls[0].String() != "https://abc.example.com:443" {
		t.Errorf("%v, %v", urls, err)
	}
	for _, bad := range []Settings{{HostNames: []string{"ftp://x"}}, {HostNames: []string{":9200"}}, {CloudID: "x"}} {
		if _, _, err := bad.urls(); err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}
