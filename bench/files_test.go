package bench

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"goflume/internal/metric"
	"goflume/internal/retry"
	"goflume/sources"
	"goflume/sources/spooldir"
	"goflume/sources/taildir"
)

// fileLines is how many lines the file that is read has: 1 GiB.
const fileLines = 1 << 30 / lineBytes / 1000 * 1000

// BenchmarkTaildir reads a file into a file: taildir, memory channel and file_roll against a bare line copier.
func BenchmarkTaildir(b *testing.B) {
	name := lineFile(b)
	for range b.N {
		ours, theirs := pairs(5, func() time.Duration { return tailFile(b, name) }, func() time.Duration { return copyFile(b, name) })
		report(b, fileLines, ours, theirs, 0.8)
	}
}

// BenchmarkSpooldir reads a file into a file: spooldir, memory channel and file_roll against a bare line copier.
func BenchmarkSpooldir(b *testing.B) {
	name := lineFile(b)
	for range b.N {
		ours, theirs := pairs(5, func() time.Duration { return spoolFile(b, name) }, func() time.Duration { return copyFile(b, name) })
		report(b, fileLines, ours, theirs, 0.8)
	}
}

// lineFile makes the file that is read.
func lineFile(b *testing.B) string {
	name := filepath.Join(b.TempDir(), "in.log")
	lines := bytes.Repeat([]byte(strings.Repeat("x", lineBytes-1)+"\n"), 1000)
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	for range fileLines / 1000 {
		if _, err := f.Write(lines); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return name
}

func spoolFile(b *testing.B, name string) time.Duration {
	set := sources.Registry.Lookup("spooldir").Defaults.(spooldir.Settings)
	set.SpoolDir, set.BatchSize = b.TempDir(), 1000
	if err := os.Link(name, filepath.Join(set.SpoolDir, "in.log")); err != nil {
		b.Fatal(err)
	}
	env := environment(metric.Source, "r1", "spooldir")
	source, err := spooldir.New(env, set)
	if err != nil {
		b.Fatal(err)
	}
	return intoFile(b, env, source, fileLines, 100_000, 1000, func() {})
}

func tailFile(b *testing.B, name string) time.Duration {
	env := environment(metric.Source, "r1", "taildir")
	source, err := taildir.New(env, taildir.Settings{Groups: []string{"f1"}, Patterns: map[string]string{"f1": name},
		PositionFile: filepath.Join(b.TempDir(), "positions.json"), IdleTimeout: time.Minute, WritePosInterval: 3 * time.Second,
		BatchSize: 1000, MaxBatchCount: math.MaxInt64, MaxLineLength: 1 << 20, Retry: retry.DefaultSettings})
	if err != nil {
		b.Fatal(err)
	}
	return intoFile(b, env, source, fileLines, 100_000, 1000, func() {})
}

func copyFile(b *testing.B, name string) time.Duration {
	began := time.Now()
	in, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(filepath.Join(b.TempDir(), "out"))
	if err != nil {
		b.Fatal(err)
	}
	defer os.Remove(out.Name())
	defer out.Close()
	r, w := bufio.NewReaderSize(in, 256<<10), bufio.NewWriterSize(out, 256<<10)
	for {
		line, err := r.ReadSlice('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		w.Write(line)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}
