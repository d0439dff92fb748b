package twitter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"goflume/internal/flowtest"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeX speaks the part of X API v2 that the source uses. Each connection to the stream is served by the next of scripts;
// after the last one connections stay open and silent but for keep-alives.
type fakeX struct {
	*httptest.Server
	scripts []func(w http.ResponseWriter, say func(string))

	mu       sync.Mutex
	tokens   int
	streams  []string // query of each connection
	rules    []rule
	requests []string
}

func newFakeX(t *testing.T, scripts ...func(w http.ResponseWriter, say func(string))) *fakeX {
	x := &fakeX{scripts: scripts, rules: []rule{{"1", "old", "goflume:a1.r1"}, {"2", "theirs", "other"}}}
	x.Server = httptest.NewServer(http.HandlerFunc(x.serve))
	t.Cleanup(x.Close)
	return x
}

func (x *fakeX) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	x.mu.Lock()
	x.requests = append(x.requests, r.Method+" "+r.URL.Path+" "+string(body))
	bearer := r.Header.Get("Authorization") == fmt.Sprintf("Bearer token%d", x.tokens)
	x.mu.Unlock()
	switch {
	case r.URL.Path == "/oauth2/token":
		if u, p, _ := r.BasicAuth(); u != "key" || p != "s%2Fecret" || string(body) != "grant_type=client_credentials" {
			w.WriteHeader(403)
			io.WriteString(w, `{"errors":[{"code":99,"message":"Unable to verify your credentials"}]}`)
			return
		}
		x.mu.Lock()
		x.tokens++
		fmt.Fprintf(w, `{"token_type":"bearer","access_token":"token%d"}`, x.tokens)
		x.mu.Unlock()
	case !bearer:
		w.WriteHeader(401)
		io.WriteString(w, `{"title":"Unauthorized","type":"about:blank","status":401,"detail":"Unauthorized"}`)
	case r.URL.Path == rulesPath:
		x.serveRules(w, r, body)
	case r.URL.Path == "/2/tweets/search/stream" || r.URL.Path == "/2/tweets/sample/stream":
		x.stream(w, r)
	default:
		w.WriteHeader(404)
	}
}

func (x *fakeX) serveRules(w http.ResponseWriter, r *http.Request, body []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var change struct {
		Add    []rule
		Delete struct{ IDs []string }
	}
	json.Unmarshal(body, &change)
	x.rules = slices.DeleteFunc(x.rules, func(r rule) bool { return slices.Contains(change.Delete.IDs, r.ID) })
	for _, add := range change.Add {
		add.ID = fmt.Sprint(len(x.requests))
		x.rules = append(x.rules, add)
	}
	json.NewEncoder(w).Encode(map[string]any{"data": x.rules})
}

func (x *fakeX) stream(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	n := len(x.streams)
	x.streams = append(x.streams, r.URL.RawQuery)
	x.mu.Unlock()
	say := func(s string) {
		io.WriteString(w, s)
		w.(http.Flusher).Flush()
	}
	if n < len(x.scripts) {
		x.scripts[n](w, say)
		return
	}
	for {
		say("\r\n")
		select {
		case <-r.Context().Done():
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func tweetLine(i int) string {
	return fmt.Sprintf(`{"data":{"id":"%d","text":"post %d","created_at":"2026-11-20T10:00:05.000Z"}}`, i, i) + "\r\n"
}

func settings(x *fakeX) Settings {
	return Settings{ConsumerKey: "key", ConsumerSecret: "s/ecret", Stream: "auto", APIURL: x.URL, Format: "json", Compat: "v2",
		MaxBatchSize: 2, MaxBatchDuration: 10 * time.Millisecond, Keywords: []string{"hadoop", "big data"}}
}

// start runs a source with short waits until the test ends, and returns what comes out and the log.
func start(t *testing.T, s Settings) (*flowtest.Recorder, *Source, *bytes.Buffer) {
	t.Helper()
	return startImpatient(t, s, time.Minute)
}

// startImpatient is start with the silence after which a connection is given up.
func startImpatient(t *testing.T, s Settings, silence time.Duration) (*flowtest.Recorder, *Source, *bytes.Buffer) {
	t.Helper()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	log := new(bytes.Buffer)
	src, err := New(registry.Env{Agent: "a1", Name: "r1", Log: slog.New(slog.NewTextHandler(log, nil)),
		Metrics: metric.NewSet(metric.Source, "a1", "r1", "twitter")}, s)
	if err != nil {
		t.Fatal(err)
	}
	source := src.(*Source)
	ms := time.Millisecond
	source.waits = waits{ms, 2 * ms, ms, 2 * ms, ms, 2 * ms}
	source.silence = silence
	out := new(flowtest.Recorder)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := src.Run(ctx, out); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return out, source, log
}

func wait(t *testing.T, out *flowtest.Recorder, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out.Wait(ctx, t, n)
	return out.Bodies()
}

func ids(t *testing.T, bodies []string) string {
	t.Helper()
	var all []string
	for _, b := range bodies {
		p, err := parse([]byte(b))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p.Data.ID)
	}
	return strings.Join(all, " ")
}

func TestTheFilteredStreamFlows(t *testing.T) {
	x := newFakeX(t, func(w http.ResponseWriter, say func(string)) {
		say("\r\n" + tweetLine(1) + "not json\r\n" + tweetLine(2) + "{}\r\n" + tweetLine(3)[:20])
		say(tweetLine(3)[20:])
	})
	out, s, _ := start(t, settings(x))
	if got := ids(t, wait(t, out, 3)); got != "1 2 3" {
		t.Errorf("posts %s", got)
	}
	if e := out.Events()[0]; len(e.Headers) != 1 || e.Headers[0].Key != "timestamp" || e.Headers[0].Value != "1795168805000" {
		t.Errorf("headers %v", e.Headers)
	}
	if n := s.bad.Value(); n != 2 {
		t.Errorf("%d lines counted as unreadable, want 2", n)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.rules) != 2 || x.rules[0].Value != "theirs" || x.rules[1].Value != "hadoop OR (big data)" || x.rules[1].Tag != "goflume:a1.r1" {
		t.Errorf("rules %+v", x.rules)
	}
	if !strings.Contains(x.streams[0], "expansions=author_id") {
		t.Errorf("query %s", x.streams[0])
	}
}

func TestABrokenStreamIsOpenedAgain(t *testing.T) {
	x := newFakeX(t,
		func(w http.ResponseWriter, say func(string)) { say(tweetLine(1)) }, // the connection ends
		func(w http.ResponseWriter, say func(string)) { w.WriteHeader(503) },
		func(w http.ResponseWriter, say func(string)) {
			w.Header().Set("x-rate-limit-reset", "1")
			w.WriteHeader(429)
			io.WriteString(w, `{"title":"ConnectionException","detail":"This stream is currently at the maximum allowed connection limit."}`)
		},
		func(w http.ResponseWriter, say func(string)) {
			say(`{"errors":[{"title":"operational-disconnect","disconnect_type":"UpstreamOperationalDisconnect","detail":"This stream has been disconnected"}]}` + "\r\n")
		},
		func(w http.ResponseWriter, say func(string)) { say(tweetLine(2)); panic(http.ErrAbortHandler) },
		func(w http.ResponseWriter, say func(string)) { say(tweetLine(3)) },
	)
	s := settings(x)
	s.BackfillMinutes = 5
	out, source, _ := start(t, s)
	if got := ids(t, wait(t, out, 3)); got != "1 2 3" {
		t.Errorf("posts %s", got)
	}
	if n := source.again.Value(); n < 5 {
		t.Errorf("%d connections after the first, want 5 at least", n)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if !strings.Contains(x.streams[1], "backfill_minutes=5") {
		t.Errorf("query %s", x.streams[1])
	}
}

func TestSilenceEndsAConnection(t *testing.T) {
	mute := make(chan struct{})
	x := newFakeX(t, func(w http.ResponseWriter, say func(string)) { say("\r\n"); <-mute },
		func(w http.ResponseWriter, say func(string)) { say(tweetLine(1)) })
	t.Cleanup(func() { close(mute) }) // before the server is closed
	s := settings(x)
	s.Keywords = nil
	out, _, _ := startImpatient(t, s, 2*time.Second) // enough for the answer that comes, on a slow machine
	if got := ids(t, wait(t, out, 1)); got != "1" {
		t.Errorf("posts %s", got)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range x.requests {
		if strings.Contains(r, "search/stream") {
			t.Errorf("without keywords: %s", r)
		}
	}
}

func TestARevokedTokenIsExchangedAgain(t *testing.T) {
	var x *fakeX
	x = newFakeX(t, func(w http.ResponseWriter, say func(string)) {
		x.mu.Lock()
		x.tokens++ // the one in use is void now
		x.mu.Unlock()
	}, func(w http.ResponseWriter, say func(string)) { say(tweetLine(1)) })
	out, _, _ := start(t, settings(x))
	wait(t, out, 1)
}

func TestRefusalsSayWhatToDoAndNoSecret(t *testing.T) {
	x := newFakeX(t)
	s := settings(x)
	s.ConsumerSecret = "wrong-secret"
	a := newAPI(s)
	defer a.close()
	err := a.authorize(t.Context())
	var r *refused
	if !errors.As(err, &r) || r.status != 403 || !strings.Contains(err.Error(), "Unable to verify your credentials") || !strings.Contains(err.Error(), "access level") {
		t.Errorf("%v", err)
	}
	for _, secret := range []string{"wrong-secret", "Basic"} {
		if strings.Contains(fmt.Sprintf("%v %+v", err, s), secret) {
			t.Errorf("%q is shown", secret)
		}
	}
	s = settings(x)
	s.BearerToken = "nope"
	b := newAPI(s)
	defer b.close()
	if err := b.authorize(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.connect(t.Context(), true); err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "nope") {
		t.Errorf("%v", err)
	}
}

func TestAnAvroBatchIsOneEvent(t *testing.T) {
	x := newFakeX(t, func(w http.ResponseWriter, say func(string)) { say(tweetLine(1) + tweetLine(2) + tweetLine(3)) })
	s := settings(x)
	s.Format = "avro"
	out, _, _ := start(t, s)
	for i, b := range wait(t, out, 2) {
		if !strings.HasPrefix(b, "Obj\x01") || len(out.Events()[i].Headers) != 0 {
			t.Errorf("event %d: %.20q with headers %v", i, b, out.Events()[i].Headers)
		}
	}
}

func TestAReplayNeedsNoAccount(t *testing.T) {
	s := Settings{Stream: "auto", APIURL: defaultURL, Format: "json", Compat: "v1", MaxBatchSize: 100, MaxBatchDuration: time.Second,
		Replay: "testdata/stream.jsonl"}
	out, _, _ := start(t, s)
	bodies := wait(t, out, 3)
	if !strings.Contains(bodies[0], `"screen_name":"ada"`) || !strings.Contains(bodies[2], `"id_str":"1985000000000000003"`) {
		t.Errorf("%s", bodies)
	}
}

func TestAReplayKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := t.TempDir() + "/r.jsonl"
		if err := os.WriteFile(file, []byte(tweetLine(1)+tweetLine(2)+tweetLine(3)+tweetLine(4)+tweetLine(5)), 0o600); err != nil {
			t.Fatal(err)
		}
		s := Settings{Stream: "auto", APIURL: defaultURL, Format: "json", Compat: "v2", MaxBatchSize: 1, MaxBatchDuration: time.Second, Replay: file, ReplayRate: 2}
		begin := time.Now()
		out, _, _ := start(t, s)
		wait(t, out, 5)
		if d := time.Since(begin); d < 2*time.Second || d > 3*time.Second {
			t.Errorf("5 posts at 2 a second took %v, want 2s", d)
		}
	})
}

func TestWhatIsLeftIsDeliveredAtStop(t *testing.T) {
	hold := make(chan struct{})
	x := newFakeX(t, func(w http.ResponseWriter, say func(string)) {
		say(tweetLine(1) + "not json\r\n")
		<-hold
	})
	t.Cleanup(func() { close(hold) })
	s := settings(x)
	s.MaxBatchSize, s.MaxBatchDuration = 100, time.Hour
	src, err := New(registry.Env{Log: slog.New(slog.DiscardHandler), Metrics: metric.NewSet(metric.Source, "a1", "r1", "twitter")}, s)
	if err != nil {
		t.Fatal(err)
	}
	out := new(flowtest.Recorder)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error)
	go func() { done <- src.Run(ctx, out) }()
	for range time.Tick(time.Millisecond) {
		if src.(*Source).bad.Value() == 1 { // so the line before it was read
			break
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := ids(t, out.Bodies()); got != "1" {
		t.Errorf("posts %q, want 1", got)
	}
}

func TestWaitsAreAsDocumented(t *testing.T) {
	now := time.Now()
	p := pace{waits: documented}
	next := func(err error) time.Duration { return p.next(err, now) }
	got := []time.Duration{next(io.EOF), next(io.EOF)}
	for range 100 {
		next(io.EOF)
	}
	got = append(got, next(io.EOF), next(&refused{status: 503}), next(&refused{status: 503}), next(&refused{status: 429}), next(&refused{status: 429}),
		next(&refused{status: 429, reset: now.Add(10 * time.Minute)}), next(io.EOF))
	want := []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, 16 * time.Second, 5 * time.Second, 10 * time.Second,
		time.Minute, 2 * time.Minute, 10 * time.Minute, 250 * time.Millisecond}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestSettingsThatCannotWork(t *testing.T) {
	ok := Settings{BearerToken: "b", APIURL: defaultURL}
	for name, change := range map[string]func(*Settings){
		"no account":       func(s *Settings) { s.BearerToken = "" },
		"plain http":       func(s *Settings) { s.APIURL = "http://api.example" },
		"no URL":           func(s *Settings) { s.APIURL = "api.x.com" },
		"filter of naught": func(s *Settings) { s.Stream = "filtered" },
	} {
		s := ok
		change(&s)
		if s.Validate() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if err := ok.Validate(); err != nil {
		t.Error(err)
	}
}

func TestOldClassNamesAreKnown(t *testing.T) {
	for name, format := range map[string]string{"twitter": "avro", "org.apache.flume.source.twitter.TwitterSource": "avro",
		"com.cloudera.flume.source.TwitterSource": "json", "com.example.TwitterSource": "json"} {
		e := sources.Registry.Lookup(name)
		if e == nil || e.Defaults.(Settings).Format != format {
			t.Errorf("%s: %+v, want format %s", name, e, format)
		}
	}
}
