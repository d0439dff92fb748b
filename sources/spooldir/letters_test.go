package spooldir

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"goflume/event"
	"goflume/internal/deadletter"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/vfs"
)

// What a sink filed as undeliverable comes back as it was, whatever the batches are.
func TestDeadLettersAreSentAgain(t *testing.T) {
	p := spool(t, func(s *Settings) { s.Deserializer = "DEAD_LETTER" })
	name := filepath.Join(p.dir, "k1.jsonl")
	box := deadletter.NewBox(deadletter.Policy{File: name}, registry.Env{Name: "k1", Log: slog.New(slog.DiscardHandler),
		Metrics: metric.NewSet(metric.Sink, "a1", "k1", "elasticsearch")}, vfs.OS{})
	want := []event.Event{
		{Headers: []event.Header{{Key: "a", Value: "1"}, {Key: "host", Value: "é"}}, Body: []byte("text ☃\nsecond line")},
		{Body: []byte("\xff\x00 no text")},
		{},
	}
	for i := range want {
		if err := box.Refuse(&want[i], errors.New("refused")); err != nil {
			t.Fatal(err)
		}
	}
	if err := box.Commit(); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 4; n++ {
		var got []event.Event
		f := &file{name: "k1.jsonl", path: name}
		fi, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		f.seen = stateOf(fi)
		for done := false; !done; {
			if err := p.source().open(f); err != nil {
				t.Fatal(err)
			}
			f.events.finish()
			var b event.Batch
			done = f.events.read(&b, &quota{n, 1 << 20}) != nil
			got = append(got, b.Events...)
			f.at = f.events.position()
			f.close()
		}
		if len(got) != len(want) {
			t.Fatalf("batches of %d: %d events, want %d", n, len(got), len(want))
		}
		for i := range want {
			if string(got[i].Body) != string(want[i].Body) || fmt.Sprint(got[i].Headers) != fmt.Sprint(want[i].Headers) {
				t.Errorf("batches of %d, event %d: %q %v, want %q %v", n, i, got[i].Body, got[i].Headers, want[i].Body, want[i].Headers)
			}
		}
	}
}
