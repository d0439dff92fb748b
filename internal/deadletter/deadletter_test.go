package deadletter

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/vfs"
	"goflume/internal/vfs/errfs"
)

func box(t *testing.T, value string, disk vfs.FS) (*Box, *metric.Counter) {
	t.Helper()
	var p Policy
	if err := p.UnmarshalText([]byte(value)); err != nil {
		t.Fatal(err)
	}
	if p.String() != value {
		t.Errorf("String: %q, want %q", p.String(), value)
	}
	env := registry.Env{Name: "k1", Log: slog.New(slog.DiscardHandler), Metrics: metric.NewSet(metric.Sink, "a", "k1", "x")}
	return NewBox(p, env, disk), metric.NewSink(env.Metrics).Dropped
}

var (
	poison = &event.Event{Headers: []event.Header{{Key: "k", Value: "v"}}, Body: []byte("body")}
	binary = &event.Event{Body: []byte{0xff}}
	errWhy = errors.New("no timestamp")
)

func TestFailNamesTheEventAndTheReason(t *testing.T) {
	b, _ := box(t, "fail", nil)
	err := b.Refuse(poison, errWhy)
	if !errors.Is(err, errWhy) || !strings.Contains(err.Error(), `k="v"`) || strings.Contains(err.Error(), "body\"") {
		t.Errorf("Refuse: %v, want the reason and the headers", err)
	}
}

func TestDropCountsWhatIsCommitted(t *testing.T) {
	b, dropped := box(t, "drop", nil)
	for range 2 {
		if err := b.Refuse(poison, errWhy); err != nil {
			t.Fatal(err)
		}
	}
	b.Discard()
	if err := b.Refuse(poison, errWhy); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(); err != nil || dropped.Value() != 1 {
		t.Errorf("Commit: %v, %d dropped, want 1", err, dropped.Value())
	}
}

func TestFiledEventsAreLinesOfJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sub", "dead.jsonl")
	for range 2 { // a second agent goes on in the same file
		b, _ := box(t, "file:"+file, vfs.OS{})
		for _, e := range []*event.Event{poison, binary} {
			if err := b.Refuse(e, errWhy); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	text, err := vfs.ReadFile(vfs.OS{}, file, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines, want 4", len(lines))
	}
	var r record
	if err := json.Unmarshal([]byte(lines[0]), &r); err != nil || *r.Body != "body" || r.Headers["k"] != "v" || r.Error != "no timestamp" || r.Sink != "k1" {
		t.Errorf("first line %s: %v", lines[0], err)
	}
	if err := json.Unmarshal([]byte(lines[1]), &r); err != nil || r.BodyBase64 != "/w==" {
		t.Errorf("second line %s: %v", lines[1], err)
	}
}

// filed returns the bodies of the lines in the file, "?" for one that cannot be read.
func filed(t *testing.T, file string) (bodies []string) {
	t.Helper()
	text, err := vfs.ReadFile(vfs.OS{}, file, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Body == nil {
			bodies = append(bodies, "?")
		} else {
			bodies = append(bodies, *r.Body)
		}
	}
	return bodies
}

func TestComponentsShareAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dead.jsonl")
	const each = 50
	var wg sync.WaitGroup
	for i := range 4 {
		b, _ := box(t, "file:"+file, vfs.OS{})
		wg.Go(func() {
			for j := range each {
				err := b.Refuse(&event.Event{Body: fmt.Appendf(nil, "%d-%d", i, j)}, errWhy)
				if err = errors.Join(err, b.Commit()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, body := range filed(t, file) {
		seen[body] = true
	}
	if len(seen) != 4*each || seen["?"] {
		t.Errorf("%d different events filed, want %d", len(seen), 4*each)
	}
}

func TestAPartOfALineSpoilsNoOther(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dead.jsonl")
	if err := os.WriteFile(file, []byte(`{"time":"2026-`), 0o600); err != nil {
		t.Fatal(err)
	}
	b, _ := box(t, "file:"+file, vfs.OS{})
	if err := errors.Join(b.Refuse(poison, errWhy), b.Commit()); err != nil {
		t.Fatal(err)
	}
	if got := filed(t, file); !slices.Equal(got, []string{"?", "body"}) {
		t.Errorf("lines of %q, want the part and the event apart", got)
	}
}

func TestAFailedSyncIsNotACommit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dead.jsonl")
	fail := true
	b, dropped := box(t, "file:"+file, errfs.New(vfs.OS{}, func(c errfs.Call) error {
		if c.Op == errfs.Datasync && fail {
			return errors.New("disk on fire")
		}
		return nil
	}))
	if err := b.Refuse(poison, errWhy); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(); err == nil || dropped.Value() != 0 {
		t.Errorf("Commit: %v with %d dropped, want an error and 0", err, dropped.Value())
	}
	fail = false
	if err := b.Commit(); err != nil || dropped.Value() != 1 {
		t.Errorf("Commit again: %v with %d dropped, want nil and 1", err, dropped.Value())
	}
	if got := filed(t, file); len(got) != 1 {
		t.Errorf("%d lines, want the event once", len(got))
	}
}

func TestUnknownPolicyIsRefused(t *testing.T) {
	var p Policy
	for _, s := range []string{"", "ignore", "file:"} {
		if err := p.UnmarshalText([]byte(s)); err == nil {
			t.Errorf("%q: nil, want an error", s)
		}
	}
}
