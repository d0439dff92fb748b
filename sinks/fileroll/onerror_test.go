package fileroll

import (
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"goflume/event"
	"goflume/internal/deadletter"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/vfs"
	"goflume/sinks/serializer"
)

// picky is text whose file can only be begun by an event that is not bad, and takes no bad one.
type picky struct {
	serializer.Serializer
	away *bool // the schema cannot be read
}

func (p picky) File() serializer.Serializer { return p }
func (p picky) Reopens() bool               { return true }

func (p picky) Begin(dst []byte, e *event.Event) ([]byte, error) {
	switch {
	case *p.away:
		return dst, errors.New("the schema's server is away")
	case strings.HasPrefix(string(e.Body), "bad"):
		return dst, serializer.ErrSchema
	}
	return append(dst, "head\n"...), nil
}

func (p picky) Append(dst []byte, e *event.Event) ([]byte, error) {
	if strings.HasPrefix(string(e.Body), "bad") {
		return dst, errors.New("bad event")
	}
	return append(append(dst, e.Body...), '\n'), nil
}

func (p picky) Flush(dst []byte) ([]byte, error) { return dst, nil }

// pickySink returns an opened sink with that onError, its counters, and the switch of its schema's server.
func pickySink(t *testing.T, onError string) (k *Sink, count metric.SinkCounters, away *bool) {
	t.Helper()
	s := defaults
	s.Directory = filepath.Join(t.TempDir(), "out")
	ok(t, s.OnError.UnmarshalText([]byte(onError)))
	set := metric.NewSet(metric.Sink, "a1", "k1", "file_roll")
	built, err := New(registry.Env{Name: "k1", Metrics: set, Durable: true, Log: slog.New(slog.DiscardHandler)}, s)
	ok(t, err)
	k, away = built.(*Sink), new(bool)
	k.format = picky{away: away}
	ok(t, k.Open(t.Context()))
	t.Cleanup(func() { k.Close(t.Context()) })
	return k, metric.NewSink(set), away
}

func wantText(t *testing.T, k *Sink, want ...string) {
	t.Helper()
	if got := slices.Sorted(maps.Values(contents(t, vfs.OS{}, k.settings.Directory))); !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}

func TestAnEventThatCannotBeWrittenFailsTheBatchByDefault(t *testing.T) {
	k, count, _ := pickySink(t, "fail")
	for _, batch := range [][]event.Event{lines("bad first", "a"), lines("a", "bad middle")} {
		for range 2 {
			if err := k.Write(t.Context(), batch); err == nil || !strings.Contains(err.Error(), "can never be delivered") {
				t.Errorf("Write: %v, want an error that names the event", err)
			}
		}
		wantText(t, k, "")
	}
	if n := count.Dropped.Value(); n != 0 {
		t.Errorf("%d events were dropped", n)
	}
}

func TestEventsThatCannotBeWrittenAreDroppedAndCounted(t *testing.T) {
	k, count, away := pickySink(t, "drop")
	ok(t, k.Write(t.Context(), lines("bad", "bad too")))
	wantText(t, k, "")
	*away = true
	if err := k.Write(t.Context(), lines("a")); err == nil {
		t.Error("an event was dropped because the schema cannot be read now")
	}
	*away = false
	ok(t, k.Write(t.Context(), lines("bad", "a", "bad", "b")))
	ok(t, k.Write(t.Context(), lines("bad", "c")))
	wantText(t, k, "head\na\nb\nc\n")
	if n := count.Dropped.Value(); n != 5 {
		t.Errorf("%d events dropped, want 5", n)
	}
}

func TestEventsThatCannotBeWrittenAreFiled(t *testing.T) {
	dir := t.TempDir()
	letters := filepath.Join(dir, "letters")
	k, count, _ := pickySink(t, "file:"+letters)
	ok(t, k.Write(t.Context(), lines("a", "bad one", "b")))
	text, err := os.ReadFile(letters)
	ok(t, err)
	var letter struct{ Sink, Body string }
	ok(t, json.Unmarshal(text, &letter))
	if letter.Sink != "k1" || letter.Body != "bad one" || count.Dropped.Value() != 1 {
		t.Errorf("filed %s, %d counted", text, count.Dropped.Value())
	}

	blocked := filepath.Join(dir, "file")
	ok(t, os.WriteFile(blocked, nil, 0o600))
	k.box = deadletter.NewBox(deadletter.Policy{File: filepath.Join(blocked, "letters")}, registry.Env{Name: "k1",
		Metrics: metric.NewSet(metric.Sink, "a1", "k1", "file_roll"), Log: slog.New(slog.DiscardHandler)}, vfs.OS{})
	for range 2 {
		if err := k.Write(t.Context(), lines("c", "bad two")); err == nil {
			t.Error("an event that could not be filed was given up")
		}
	}
	wantText(t, k, "head\na\nb\n")
}
