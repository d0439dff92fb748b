package null

import (
	"bytes"
	"log/slog"
	"regexp"
	"slices"
	"testing"

	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/internal/registry"
	"goflume/sinks"
)

func TestSink(t *testing.T) {
	flowtest.Sink(t, func(t *testing.T) (sinks.Sink, func() []string) {
		k, err := New(registry.Env{Log: slog.New(slog.DiscardHandler)}, Settings{BatchSize: 10, LogEveryNEvents: 5})
		if err != nil {
			t.Fatal(err)
		}
		return k, nil
	})
}

func TestEveryNEventsAreLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	k, err := New(registry.Env{Name: "k1", Log: slog.New(slog.NewTextHandler(&log, nil))}, Settings{BatchSize: 70, LogEveryNEvents: 100})
	if err != nil {
		t.Fatal(err)
	}
	for range 4 { // 70, 140, 210, 280
		if err := k.Write(t.Context(), make([]event.Event, k.BatchSize())); err != nil {
			t.Fatal(err)
		}
	}
	got := regexp.MustCompile(`Null sink k1 successful processed \d+ events\.`).FindAllString(log.String(), -1)
	want := []string{"Null sink k1 successful processed 100 events.", "Null sink k1 successful processed 200 events."}
	if !slices.Equal(got, want) {
		t.Errorf("logged %q, want %q", got, want)
	}
}
