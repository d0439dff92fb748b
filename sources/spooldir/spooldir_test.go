package spooldir

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"goflume/internal/flowtest"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is a spool directory under test, with what its source said.
type place struct {
	*testing.T
	dir      string
	settings Settings
	metrics  *metric.Set
	log      *logbook
	disk     disk // nil for the real one
}

// logbook keeps the lines of a log.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func spool(t *testing.T, change ...func(*Settings)) *place {
	t.Helper()
	p := &place{T: t, dir: t.TempDir(), settings: defaults, metrics: metric.NewSet(metric.Source, "a1", "r1", "spooldir"), log: &logbook{}}
	p.settings.SpoolDir = p.dir
	p.settings.PollDelay = 20 * time.Millisecond
	p.settings.MaxBackoff = 10 * time.Millisecond
	for _, f := range change {
		f(&p.settings)
	}
	return p
}

func (p *place) source() *Source {
	p.Helper()
	if err := p.settings.Validate(); err != nil {
		p.Fatal(err)
	}
	s, err := New(registry.Env{Log: slog.New(slog.NewTextHandler(p.log, nil)), Metrics: p.metrics}, p.settings)
	if err != nil {
		p.Fatal(err)
	}
	if p.disk != nil {
		s.(*Source).disk = p.disk
	}
	return s.(*Source)
}

// put moves a file into the directory; age is how long ago it was written.
func (p *place) put(name, text string, age time.Duration) {
	p.Helper()
	full := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		p.Fatal(err)
	}
	hidden := filepath.Join(filepath.Dir(full), "."+filepath.Base(full)+".put")
	if err := os.WriteFile(hidden, []byte(text), 0o644); err != nil {
		p.Fatal(err)
	}
	when := time.Now().Add(-age)
	if err := os.Chtimes(hidden, when, when); err != nil {
		p.Fatal(err)
	}
	if err := os.Rename(hidden, full); err != nil {
		p.Fatal(err)
	}
}

// run starts a source; the function returned stops it.
func (p *place) run(out sources.Output) (stop func()) {
	p.Helper()
	ctx, cancel := context.WithCancel(p.Context())
	done := make(chan error, 1)
	s := p.source()
	go func() { done <- s.Run(ctx, out) }()
	stop = sync.OnceFunc(func() {
		p.Helper()
		cancel()
		if err := <-done; err != nil {
			p.Errorf("Run: %v", err)
		}
	})
	p.Cleanup(stop)
	return stop
}

// patience ends what does not come.
func (p *place) patience() context.Context {
	ctx, cancel := context.WithTimeout(p.Context(), time.Minute)
	p.Cleanup(cancel)
	return ctx
}

// await waits until the condition holds.
func (p *place) await(what string, ok func() bool) {
	p.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	ctx := p.patience()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.Fatalf("no %s; the directory has %q, the log says\n%s", what, p.files(), p.log)
		}
	}
}

// files lists what is in the directory, without what has a dot in front.
func (p *place) files() []string {
	var names []string
	filepath.WalkDir(p.dir, func(path string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(p.dir, path)
		hidden := strings.HasPrefix(filepath.Base(rel), ".") && rel != "."
		switch {
		case err == nil && hidden && d.IsDir():
			return filepath.SkipDir
		case err == nil && !hidden && !d.IsDir():
			names = append(names, rel)
		}
		return nil
	})
	return names
}

func (p *place) awaitFiles(want ...string) {
	p.Helper()
	p.await(fmt.Sprint("files ", want), func() bool { return slices.Equal(p.files(), want) })
}

// collect runs a source until so many events have come and the files are these.
func (p *place) collect(events int, want ...string) *flowtest.Recorder {
	p.Helper()
	out := &flowtest.Recorder{}
	stop := p.run(out)
	out.Wait(p.patience(), p, events)
	p.awaitFiles(want...)
	stop()
	if got := len(out.Bodies()); got != events {
		p.Errorf("%d events %.200q, want %d", got, out.Bodies(), events)
	}
	return out
}

func TestSource(t *testing.T) {
	dirs := map[sources.Source]*place{}
	said := 0
	flowtest.Source(t, flowtest.SourceCase{
		New: func(t *testing.T) sources.Source {
			p := spool(t)
			s := p.source()
			dirs[s] = p
			return s
		},
		Feed: func(t *testing.T, s sources.Source, n int) (bodies []string) {
			for range n {
				said++
				bodies = append(bodies, fmt.Sprint(said))
			}
			dirs[s].put(fmt.Sprint("f", said), strings.Join(bodies, "\n")+"\n", 0)
			return bodies
		},
		Retries: true,
	})
}

func TestEventsAreFlumes(t *testing.T) {
	text, err := os.ReadFile("testdata/flume.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Events struct {
			Spool []struct {
				Headers map[string]string
				Body    string `json:"body_hex"`
			}
		}
		Inputs map[string]string
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	p := spool(t, func(s *Settings) { s.FileHeader, s.BasenameHeader = true, true })
	p.put("a.txt", golden.Inputs["spool/a.txt"], 4*time.Hour)
	p.put("empty.txt", golden.Inputs["spool/empty.txt"], 3*time.Hour)
	p.put("latin.txt", "ä\n", 2*time.Hour)
	p.put("long.txt", strings.Repeat("L", 2048)+"\n"+strings.Repeat("M", 2050)+"\n", time.Hour)
	p.put("x.COMPLETED", "done\n", 0)
	p.put(".hid", "h\n", 0)
	out := p.collect(len(golden.Events.Spool), "a.txt.COMPLETED", "empty.txt.COMPLETED", "latin.txt.COMPLETED", "long.txt.COMPLETED", "x.COMPLETED")
	for i, want := range golden.Events.Spool {
		got := out.Events()[i]
		if n := strings.Index(want.Body, "...("); n >= 0 { // the recording was shortened
			var size int
			fmt.Sscanf(want.Body[n:], "...(%d bytes)", &size)
			want.Body = strings.Repeat(want.Body[:2], size)
		}
		if body := hex.EncodeToString(got.Body); body != want.Body {
			t.Errorf("event %d: body %s, want %s", i, body, want.Body)
		}
		for k, v := range want.Headers {
			v = strings.Replace(v, "$DIR/spool", p.dir, 1)
			if h, _ := got.Header(k); h != v {
				t.Errorf("event %d: header %s is %q, want %q", i, k, h, v)
			}
		}
	}
	if len(golden.Events.Spool) != 10 {
		t.Errorf("%d events recorded, want 10", len(golden.Events.Spool))
	}
}
