package hdfs

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/internal/metric"
	"goflume/sinks"
)

const plain = "hdfs.fileType = DataStream\nhdfs.rollInterval = 0\nhdfs.rollSize = 0\nhdfs.rollCount = 0\n"

func TestConformsToTheSinkContract(t *testing.T) {
	for _, commit := range []string{"hflush", "close"} {
		t.Run(commit, func(t *testing.T) { conforms(t, commit) })
	}
}

func conforms(t *testing.T, commit string) {
	flowtest.Sink(t, func(t *testing.T) (sinks.Sink, func() []string) {
		dir := t.TempDir()
		s := buildAny(t, testEnv(t, t.TempDir()), plain+"hdfs.path = file://"+dir+"\nhdfs.commit = "+commit)
		return s, func() []string {
			files := tree(t, dir)
			var names, all []string
			for name := range files {
				names = append(names, name)
			}
			slices.Sort(names)
			for _, name := range names {
				all = append(all, strings.Fields(files[name])...)
			}
			return all
		}
	})
}

func TestFilesRollByCountAndSize(t *testing.T) {
	for _, c := range []struct {
		settings string
		want     map[string]string
	}{
		{"hdfs.rollCount = 2", map[string]string{"FlumeData.#1": "a\nbb\n", "FlumeData.#2": "ccc\ndddd\n", "FlumeData.#3": "e\n"}},
		{"hdfs.rollSize = 3", map[string]string{"FlumeData.#1": "a\nbb\n", "FlumeData.#2": "ccc\n", "FlumeData.#3": "dddd\n", "FlumeData.#4": "e\n"}},
		{"", map[string]string{"FlumeData.#1": "a\nbb\nccc\ndddd\ne\n"}},
	} {
		dir := t.TempDir()
		s := opened(t, testEnv(t, t.TempDir()), plain+"hdfs.path = file://"+dir+"\n"+c.settings)
		write(t, s, "a", "bb", "ccc")
		write(t, s, "dddd", "e")
		closeSink(t, s)
		wantTree(t, tree(t, dir), c.want)
	}
}

func TestFilesCloseByAgeAndWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // however slow the disk, the files are of one moment
		dir := t.TempDir()
		s := opened(t, testEnv(t, t.TempDir()), plain+"hdfs.path = file://"+dir+"/%{d}\nhdfs.rollInterval = 60\nhdfs.idleTimeout = 10")
		e := func(d, body string) event.Event {
			return event.Event{Headers: []event.Header{{Key: "d", Value: d}}, Body: []byte(body)}
		}
		if err := s.Write(t.Context(), []event.Event{e("x", "1"), e("y", "2")}); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		tick := func(after time.Duration) time.Duration {
			t.Helper()
			next, err := s.Tick(t.Context(), now.Add(after))
			if err != nil {
				t.Fatal(err)
			}
			if next.IsZero() {
				return 0
			}
			return next.Sub(now).Round(time.Second)
		}
		if d := tick(0); d != 10*time.Second {
			t.Errorf("next tick in %v, want 10s", d)
		}
		s.buckets[place{dir + "/x", "FlumeData"}].file.idle = now.Add(55 * time.Second)
		if d := tick(11 * time.Second); d != 60*time.Second {
			t.Errorf("next tick in %v, want 60s, the age of x", d)
		}
		wantTree(t, tree(t, dir), map[string]string{"x/FlumeData.#1.tmp": "1\n", "y/FlumeData.#1": "2\n"})
		if d := tick(61 * time.Second); d != 0 {
			t.Errorf("next tick in %v, want none", d)
		}
		wantTree(t, tree(t, dir), map[string]string{"x/FlumeData.#1": "1\n", "y/FlumeData.#1": "2\n"})
	})
}

func TestTheEldestFileMakesRoom(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, testEnv(t, t.TempDir()), plain+"hdfs.path = file://"+dir+"\nhdfs.filePrefix = %{d}\nhdfs.maxOpenFiles = 2")
	for _, d := range []string{"a", "b", "a", "c"} {
		if err := s.Write(t.Context(), []event.Event{{Headers: []event.Header{{Key: "d", Value: d}}, Body: []byte(d)}}); err != nil {
			t.Fatal(err)
		}
	}
	wantTree(t, tree(t, dir), map[string]string{"a.#1.tmp": "a\na\n", "b.#1": "b\n", "c.#1.tmp": "c\n"})
}

func TestAnEventWithoutTimestampIsTreatedAsConfigured(t *testing.T) {
	good := event.Event{Headers: []event.Header{{Key: "timestamp", Value: "1339502074123"}}, Body: []byte("good")}
	bad := event.Event{Body: []byte("bad")}
	settings := plain + "hdfs.timeZone = UTC\nhdfs.path = file://%s/%Y\n"

	t.Run("fail", func(t *testing.T) {
		dir := t.TempDir()
		s := opened(t, testEnv(t, t.TempDir()), strings.Replace(settings, "%s", dir, 1))
		for range 3 {
			if err := s.Write(t.Context(), []event.Event{good, bad}); err == nil || !strings.Contains(err.Error(), "timestamp") {
				t.Errorf("Write: %v, want an error about the timestamp", err)
			}
		}
		closeSink(t, s)
		wantTree(t, tree(t, dir), map[string]string{}) // no duplicates pile up
	})
	t.Run("drop", func(t *testing.T) {
		dir, env := t.TempDir(), testEnv(t, t.TempDir())
		s := opened(t, env, strings.Replace(settings, "%s", dir, 1)+"onError = drop")
		if err := s.Write(t.Context(), []event.Event{bad, good, bad}); err != nil {
			t.Fatal(err)
		}
		closeSink(t, s)
		wantTree(t, tree(t, dir), map[string]string{"2012/FlumeData.#1": "good\n"})
		if n := metric.NewSink(env.Metrics).Dropped.Value(); n != 2 {
			t.Errorf("%d dropped, want 2", n)
		}
	})
	t.Run("file", func(t *testing.T) {
		dir, dead := t.TempDir(), filepath.Join(t.TempDir(), "dead.jsonl")
		s := opened(t, testEnv(t, t.TempDir()), strings.Replace(settings, "%s", dir, 1)+"onError = file:"+dead)
		if err := s.Write(t.Context(), []event.Event{bad, good}); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(dead); err != nil || !strings.Contains(string(text), `"body":"bad"`) {
			t.Errorf("dead letters: %s, %v", text, err)
		}
	})
}

func TestHeadersCannotLeadOutOfTheDirectory(t *testing.T) {
	dir, env := t.TempDir(), testEnv(t, t.TempDir())
	s := opened(t, env, plain+"hdfs.path = file://"+dir+"/in/%{d}\nhdfs.filePrefix = %{d}")
	e := event.Event{Headers: []event.Header{{Key: "d", Value: "../../out"}}, Body: []byte("x")}
	if err := s.Write(t.Context(), []event.Event{e}); err != nil {
		t.Fatal(err)
	}
	closeSink(t, s)
	wantTree(t, tree(t, dir), map[string]string{"in/_/_/out/.._.._out.#1": "x\n"})
	if n := s.confined.Value(); n != 2 {
		t.Errorf("%d confined, want 2, path and name", n)
	}
}

// A sink that is not closed stands for one that was killed.
func TestFilesLeftByACrashAreFinished(t *testing.T) {
	dir, state := t.TempDir(), t.TempDir()
	dead := build(t, testEnv(t, state), plain+"hdfs.path = file://"+dir+"/%{d}")
	if err := dead.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"x", "y"} {
		if err := dead.Write(t.Context(), []event.Event{{Headers: []event.Header{{Key: "d", Value: d}}, Body: []byte(d)}}); err != nil {
			t.Fatal(err)
		}
	}
	dead.mender.close(t.Context())
	dead.journal.lock.Close() // as the system does for a dead process
	if err := os.Rename(filepath.Join(dir, "y"), filepath.Join(dir, "moved")); err != nil {
		t.Fatal(err)
	}

	env := testEnv(t, state)
	s := opened(t, env, plain+"hdfs.path = file://"+dir+"/%{d}")
	closeSink(t, s) // ends what repairs are under way, with one more try
	got := tree(t, dir)
	if got["x/FlumeData.#1"] != "x\n" {
		t.Errorf("files %q, want x renamed", got)
	}
	again := opened(t, testEnv(t, state), plain+"hdfs.path = file://"+dir+"/%{d}")
	if n := len(again.journal.files); n != 0 {
		t.Errorf("%d files in the journal of a third start, want 0", n)
	}
}

func TestAFileOfTheFinalNameIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, testEnv(t, t.TempDir()), plain+"hdfs.path = file://"+dir)
	write(t, s, "new")
	name := s.buckets[place{dir, "FlumeData"}].file.final
	if err := os.WriteFile(name, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	closeSink(t, s)
	old, _ := os.ReadFile(name)
	fresh, _ := os.ReadFile(name + "-1")
	if string(old) != "old" || string(fresh) != "new\n" {
		t.Errorf("%q and %q, want the old one kept and the new one beside it", old, fresh)
	}
}

func TestAnUnusableDirectoryIsAnErrorAndThenWorks(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "sub")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := opened(t, testEnv(t, t.TempDir()), plain+"hdfs.path = file://"+blocked+"/x")
	if err := s.Write(t.Context(), events("a")); err == nil {
		t.Error("Write below a file: nil, want an error")
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	write(t, s, "a")
	closeSink(t, s)
	wantTree(t, tree(t, blocked), map[string]string{"x/FlumeData.#1": "a\n"})
}

func TestSteadyStateAllocatesPerBatchOnly(t *testing.T) {
	s := opened(t, testEnv(t, t.TempDir()), plain+"hdfs.path = file://"+t.TempDir()+"/%Y/%{host}\nhdfs.batchSize = 1000")
	var batch []event.Event
	for range 1000 {
		batch = append(batch, event.Event{Body: make([]byte, 200), Headers: []event.Header{{Key: "timestamp", Value: "1339502074123"}, {Key: "host", Value: "h1"}}})
	}
	n := testing.AllocsPerRun(20, func() {
		if err := s.Write(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
	})
	if n > 3 {
		t.Errorf("%v allocations per batch of 1000, want at most 3", n)
	}
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	for settings, want := range map[string]string{
		"hdfs.path = s3a://b/x":                                                   "hdfs.path",
		"hdfs.path = /%{h}/../x":                                                  "hdfs.path",
		"hdfs.path = %{h}":                                                        "hdfs.path",
		"hdfs.path = /x\nhdfs.timeZone = Mars":                                    "hdfs.timeZone",
		"hdfs.path = /x\nhdfs.round = true\nhdfs.roundValue = 61":                 "hdfs.roundValue",
		"hdfs.path = /x\nhdfs.codeC = gzip\nhdfs.fileType = DataStream":           "hdfs.codeC",
		"hdfs.path = /x\nhdfs.kerberosPrincipal = a":                              "hdfs.kerberosPrincipal",
		"hdfs.path = viewfs://mounts/x":                                           "hdfs.path",
		"hdfs.path = /x\nhdfs.codeC = lzo":                                        "hdfs.codeC",
		"hdfs.path = /x\nhdfs.codeC = LZOP":                                       "hdfs.codeC",
		"hdfs.path = /x\nhdfs.fileType = CompressedStream":                        "hdfs.fileType",
		"hdfs.path = /x\nhdfs.writeFormat = com.example.Mine":                     "hdfs.writeFormat",
		"hdfs.path = /x\nhdfs.batchSize = 0":                                      "hdfs.batchSize",
		"hdfs.path = /x\nonError = ignore":                                        "onError",
		"hdfs.filePrefix = x":                                                     "hdfs.path",
		"hdfs.path = /x\nhdfs.filePrefix = %[nobody]\nhdfs.fileType = DataStream": "hdfs.filePrefix",
	} {
		_, issues := sinks.Registry.Decode(node(settings))
		found := false
		for _, i := range issues {
			found = found || strings.Contains(i.Property+" "+i.Message, want)
		}
		if !found {
			t.Errorf("%q: %v, want an issue about %s", settings, issues, want)
		}
	}
}

func TestTypesAndCodecsInAnyCase(t *testing.T) {
	dir := t.TempDir()
	for settings, suffix := range map[string]string{
		"hdfs.fileType = compressedSTREAM\nhdfs.codeC = BZIP2": ".bz2", "hdfs.codeC = org.apache.hadoop.io.compress.Lz4Codec": ".lz4",
		"hdfs.fileType = sequencefile\nhdfs.rollTimerPoolSize = 4\nhdfs.codeC = none\nhdfs.writeFormat = text": "", "hdfs.codeC = zstandard\nhdfs.fileSuffix = .x": ".x",
	} {
		s := opened(t, testEnv(t, t.TempDir()), "hdfs.path = file://"+dir+"\n"+settings)
		write(t, s, "a")
		name := s.buckets[place{dir, "FlumeData"}].file.final
		if filepath.Ext(name) != suffix && suffix != "" || !strings.HasSuffix(name, suffix) {
			t.Errorf("%q: %s, want a name that ends in %q", settings, name, suffix)
		}
	}
}

func TestAKeyThatIsNoNumberIsRefused(t *testing.T) {
	s := opened(t, testEnv(t, t.TempDir()), "hdfs.path = file://"+t.TempDir())
	e := event.Event{Headers: []event.Header{{Key: "timestamp", Value: "today"}}}
	if err := s.Write(t.Context(), []event.Event{e}); err == nil || !strings.Contains(err.Error(), "today") {
		t.Errorf("Write: %v, want an error that names the value", err)
	}
}

func TestTinyFilesAreForetold(t *testing.T) {
	advice := func(count int, size int64, age time.Duration) string {
		s := defaults
		s.RollCount, s.RollSize, s.RollInterval = count, size, age
		for _, a := range s.Advice() {
			return a.Code + " " + a.Key + " " + a.Text
		}
		return ""
	}
	if a := advice(10, 1024, 30*time.Second); !strings.Contains(a, "FL430 hdfs.rollSize") || !strings.Contains(a, "600,000 files") {
		t.Errorf("defaults: %q, want the files per hour by size", a)
	}
	if a := advice(10, 0, 0); !strings.Contains(a, "FL430 hdfs.rollCount") || !strings.Contains(a, "360,000 files") {
		t.Errorf("rollCount 10: %q, want 360,000 files", a)
	}
	if a := advice(0, 128<<20, 2*time.Second); !strings.Contains(a, "FL430 hdfs.rollInterval a file is closed after 2s: that makes 1,800 files") {
		t.Errorf("rollInterval 2: %q, want 1,800 files", a)
	}
	if a := advice(0, 128<<20, time.Hour); a != "" {
		t.Errorf("128 MiB: %q, want nothing", a)
	}
}
