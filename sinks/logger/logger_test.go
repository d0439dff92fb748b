package logger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/internal/registry"
	"goflume/sinks"
)

// recorder is a log that keeps the messages.
type recorder struct {
	level slog.Level
	err   error
	lines []string
}

func (r *recorder) Enabled(_ context.Context, l slog.Level) bool { return l >= r.level }
func (r *recorder) WithAttrs([]slog.Attr) slog.Handler           { return r }
func (r *recorder) WithGroup(string) slog.Handler                { return r }

func (r *recorder) Handle(_ context.Context, rec slog.Record) error {
	r.lines = append(r.lines, rec.Message)
	return r.err
}

func TestSink(t *testing.T) {
	flowtest.Sink(t, func(t *testing.T) (sinks.Sink, func() []string) {
		var log recorder
		read := func() (bodies []string) {
			text := regexp.MustCompile(`.* (\d+) }$`)
			for _, line := range log.lines {
				bodies = append(bodies, text.ReplaceAllString(line, "$1"))
			}
			return bodies
		}
		return sink(t, &log, Settings{MaxBytesToLog: 16}), read
	})
}

func sink(t *testing.T, r *recorder, s Settings) sinks.Sink {
	t.Helper()
	k, err := New(registry.Env{Log: slog.New(r)}, s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// flumeEvents returns the events that Flume was sent for the golden lines. null stands for a header's null value, as its
// text does in the line.
func flumeEvents(t *testing.T, requests []string) (events []event.Event) {
	t.Helper()
	for _, req := range requests {
		var es []struct {
			Headers json.RawMessage
			Body    string
		}
		if err := json.Unmarshal(latin1(req), &es); err != nil {
			t.Fatal(err)
		}
		events = append(events, event.Event{Headers: headers(t, es[0].Headers), Body: []byte(es[0].Body)})
	}
	return events
}

// headers reads a JSON object in its own order.
func headers(t *testing.T, object []byte) (hs []event.Header) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(object))
	for {
		tok, err := d.Token()
		if err != nil {
			return hs
		}
		key, ok := tok.(string)
		if !ok {
			continue
		}
		value, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		text, ok := value.(string)
		if !ok {
			text = "null"
		}
		hs = append(hs, event.Header{Key: key, Value: text})
	}
}

// latin1 returns the bytes that were written as one character each.
func latin1(s string) (b []byte) {
	for _, r := range s {
		b = append(b, byte(r))
	}
	return b
}

func TestAHeaderBeginsNoLineOfTheLog(t *testing.T) {
	var log recorder
	e := event.Event{Headers: []event.Header{{Key: "user", Value: "a\nERROR all is lost\x1b[2J\u009b2J é"}}}
	if err := sink(t, &log, Settings{MaxBytesToLog: 16}).Write(t.Context(), []event.Event{e}); err != nil {
		t.Fatal(err)
	}
	if want := "{user=a.ERROR all is lost.[2J..2J é}"; len(log.lines) != 1 || !strings.Contains(log.lines[0], want) {
		t.Errorf("logged %q, want %q", log.lines, want)
	}
}

func TestLinesAreFlumes(t *testing.T) {
	var golden struct {
		Requests []string `json:"requests_in_order"`
		Lines    []string `json:"lines_logger_sink_default"`
	}
	text, err := os.ReadFile("testdata/flume.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	var got recorder
	if err := sink(t, &got, Settings{MaxBytesToLog: 16}).Write(t.Context(), flumeEvents(t, golden.Requests)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.lines, golden.Lines) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got.lines, "\n"), strings.Join(golden.Lines, "\n"))
	}
}

func TestMaxBytesToLogIsHonoured(t *testing.T) {
	body := []byte("0123456789abcdefGHIJ and more that is not shown")
	for _, c := range []struct {
		max  int
		want string
	}{
		{0, "Event: { headers:{} body: }"},
		{2, "Event: { headers:{} body: 30 31                                           01 }"},
		{20, "Event: { headers:{} body: 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 0123456789abcdef\n" +
			"00000010 47 48 49 4A                                     GHIJ }"},
	} {
		var got recorder
		if err := sink(t, &got, Settings{MaxBytesToLog: c.max}).Write(t.Context(), []event.Event{{Body: body}}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.lines, []string{c.want}) {
			t.Errorf("maxBytesToLog %d: got %q, want %q", c.max, got.lines, c.want)
		}
	}
}

func TestLogThatCannotBeWrittenFailsTheBatch(t *testing.T) {
	broken := recorder{err: errors.New("broken pipe")}
	events := []event.Event{{Body: []byte("a")}, {Body: []byte("b")}}
	if err := sink(t, &broken, Settings{MaxBytesToLog: 16}).Write(t.Context(), events); !errors.Is(err, broken.err) {
		t.Errorf("got error %v, want %v", err, broken.err)
	}
	if len(broken.lines) != 1 {
		t.Errorf("%d lines tried, want 1", len(broken.lines))
	}
}

func TestNothingIsLoggedAboveInfo(t *testing.T) {
	quiet := recorder{level: slog.LevelWarn}
	if err := sink(t, &quiet, Settings{MaxBytesToLog: 16}).Write(t.Context(), []event.Event{{Body: []byte("a")}}); err != nil {
		t.Fatal(err)
	}
	if len(quiet.lines) != 0 {
		t.Errorf("logged %q, want nothing", quiet.lines)
	}
}
