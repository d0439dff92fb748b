package hdfs

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"goflume/conf"
	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/sinks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node makes a component's node of key = value lines.
func node(lines string) *conf.Node {
	n := &conf.Node{Agent: "a", Family: "sinks", Name: "k1", Props: []conf.Property{{Key: "type", Value: "hdfs"}, {Key: "channel", Value: "c1"}}}
	for line := range strings.Lines(lines) {
		if k, v, ok := strings.Cut(line, "="); ok {
			n.Props = append(n.Props, conf.Property{Key: strings.TrimSpace(k), Value: strings.TrimSpace(v)})
		}
	}
	return n
}

// testEnv is a sink's environment; its state directory outlives one sink.
func testEnv(t testing.TB, state string) registry.Env {
	t.Helper()
	return registry.Env{Agent: "a", Name: "k1", Log: slog.New(slog.DiscardHandler), StateDir: state,
		Metrics: metric.NewSet(metric.Sink, "a", "k1", "hdfs")}
}

// build makes a sink of key = value lines.
func build(t *testing.T, env registry.Env, lines string) *Sink {
	t.Helper()
	return buildAny(t, env, lines).(*grouped).Sink
}

func buildAny(t *testing.T, env registry.Env, lines string) sinks.Sink {
	t.Helper()
	plan, issues := sinks.Registry.Decode(node(lines))
	for _, i := range issues {
		if i.Severity == conf.Error {
			t.Fatalf("settings: %s", i.Message)
		}
	}
	s, err := plan.Build(env)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// opened makes and opens a sink, and closes it at the end.
func opened(t *testing.T, env registry.Env, lines string) *Sink {
	t.Helper()
	s := build(t, env, lines)
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSink(t, s) })
	return s
}

func closeSink(t *testing.T, s *Sink) {
	t.Helper()
	if err := s.Close(t.Context()); err != nil && t.Context().Err() == nil {
		t.Errorf("Close: %v", err)
	}
}

func write(t *testing.T, s *Sink, bodies ...string) {
	t.Helper()
	if err := s.Write(t.Context(), events(bodies...)); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

func events(bodies ...string) []event.Event {
	var all []event.Event
	for _, b := range bodies {
		all = append(all, event.Event{Body: []byte(b)})
	}
	return all
}

// tree returns the files below dir with their contents. Counters in names become #1, #2 ... by rank below each name.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	raw := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		raw[filepath.ToSlash(rel)] = string(b)
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return ranked(raw)
}

// ranked replaces the last part of each name that is a counter.
func ranked(raw map[string]string) map[string]string {
	counters := map[string][]int{} // by the name around the counter
	split := func(name string) (around string, n int) {
		parts := strings.Split(name, ".")
		for i := len(parts) - 1; i >= 0; i-- {
			if n, err := strconv.Atoi(parts[i]); err == nil && n > 1e9 {
				parts[i] = "#"
				return strings.Join(parts, "."), n
			}
		}
		return name, 0
	}
	// In-use files rank with those that are done.
	plain := func(around string) string {
		return strings.TrimSuffix(strings.Replace(around, "/_", "/", 1), ".tmp")
	}
	for name := range raw {
		around, n := split(name)
		counters[plain(around)] = append(counters[plain(around)], n)
	}
	out := map[string]string{}
	for name, text := range raw {
		around, n := split(name)
		all := counters[plain(around)]
		slices.Sort(all)
		out[strings.Replace(around, "#", "#"+strconv.Itoa(slices.Index(all, n)+1), 1)] = text
	}
	return out
}

func wantTree(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name, text := range want {
		if g, ok := got[name]; !ok {
			t.Errorf("no file %s", name)
		} else if g != text {
			t.Errorf("%s: %q, want %q", name, g, text)
		}
	}
	for name, text := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("file %s with %q, which should not be there", name, text)
		}
	}
}
