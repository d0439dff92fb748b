package bench

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"goflume/event"
	"goflume/internal/hadoop"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/seqfile"
	"goflume/sinks"
	"goflume/sinks/hdfs"
	"goflume/test/service"
)

const (
	hdfsLine = 200     // bytes, with the newline
	hdfsRun  = 4 << 20 // bytes of one run, about: short, as the machine's other load comes and goes
)

// BenchmarkHDFS writes lines into a real HDFS with three replicas: the sink, with its escapes, rolls and buckets, against
// the bare library that writes the same bytes and waits for the same acknowledgements after each batch. Every round has
// files of its own, as chance gives each file a pipeline, and some are faster.
func BenchmarkHDFS(b *testing.B) {
	service.Require(b)
	h, r, err := service.Launch(b.Context(), service.HDFS{Datanodes: 3})
	if err != nil {
		b.Fatal(err)
	}
	defer r.End(false)
	bare, err := hadoop.Open(h.URL(), hadoop.Options{CallTimeout: time.Minute, User: service.User()})
	if err != nil {
		b.Fatal(err)
	}
	defer bare.Close()
	for _, fileType := range []string{"DataStream", "SequenceFile"} {
		for _, size := range []int{100, 1000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", fileType, size), func(b *testing.B) { besideLibrary(b, h.URL(), bare, fileType, size) })
		}
	}
}

func besideLibrary(b *testing.B, root string, bare hadoop.FS, fileType string, size int) {
	const rounds = 51
	batch, text := hdfsBatch(b, size, fileType)
	batches := max(hdfsRun/len(text), 2)
	write := func(f hadoop.File) error {
		if err := f.Write(b.Context(), text); err != nil {
			return err
		}
		return f.Sync(b.Context())
	}
	var ours []sinks.Sink
	var theirs []hadoop.File
	dir := fmt.Sprintf("/bare/%s-%d-%d", fileType, size, time.Now().UnixNano()) // of this run, where -count wants several
	for i := range rounds {
		f, err := bare.Create(b.Context(), fmt.Sprintf("%s/%d", dir, i))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close(context.Background())
		k := newHDFSSink(b, root+"/bench/%Y-%m-%d/%{host}", fileType, size)
		err = k.Write(b.Context(), batch) // asks for a block
		if err == nil {
			err = write(f)
		}
		if err != nil {
			b.Fatal(err)
		}
		ours, theirs = append(ours, k), append(theirs, f)
	}
	o, t, ratio := inTurns(rounds, func() time.Duration {
		k := ours[0]
		ours = ours[1:]
		begin := time.Now()
		for range batches {
			if err := k.Write(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(begin)
	}, func() time.Duration {
		f := theirs[0]
		theirs = theirs[1:]
		begin := time.Now()
		for range batches {
			if err := write(f); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(begin)
	})
	b.ReportMetric(float64(batches*len(text))/1e6/o.wall.Seconds(), "MB/s")
	reportRatio(b, batches*size, o, t, ratio, 0.9)
}

// BenchmarkHDFSPut writes a file's worth of lines, from the opening of the sink to the renaming of its file, against
// `hdfs dfs -put` of the same bytes. What -put takes for an almost empty file, the start of a JVM, is told apart.
func BenchmarkHDFSPut(b *testing.B) {
	service.Require(b)
	h, r, err := service.Launch(b.Context(), service.HDFS{Datanodes: 3})
	if err != nil {
		b.Fatal(err)
	}
	defer r.End(false)
	const size, megabytes, rounds = 10_000, 100, 3
	_, text := hdfsBatch(b, size, "DataStream")
	batches := megabytes << 20 / len(text)
	big, small := filepath.Join(b.TempDir(), "big"), filepath.Join(b.TempDir(), "small")
	for name, content := range map[string][]byte{big: bytes.Repeat(text, batches), small: text[:100]} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	n := 0
	put := func(name string) time.Duration {
		n++
		begin := time.Now()
		if _, err := h.FsShell(b.Context(), "-put", name, fmt.Sprintf("/put%d", n)); err != nil {
			b.Fatal(err)
		}
		return time.Since(begin)
	}
	for _, lines := range []int{100, 1000, size} {
		b.Run(fmt.Sprint(lines), func(b *testing.B) {
			batch, _ := hdfsBatch(b, lines, "DataStream")
			ours := func() time.Duration {
				begin := time.Now()
				k := newHDFSSink(b, fmt.Sprintf("%s/put/%d", h.URL(), lines), "DataStream", lines)
				for range batches * size / lines {
					if err := k.Write(b.Context(), batch); err != nil {
						b.Fatal(err)
					}
				}
				if err := k.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
				return time.Since(begin)
			}
			theirs := func() time.Duration { return put(big) }
			ours()
			theirs()
			o, t := pairs(rounds, ours, theirs)
			_, empty := pairs(rounds, func() time.Duration { return 0 }, func() time.Duration { return put(small) })
			b.ReportMetric(float64(batches*len(text))/1e6/o.wall.Seconds(), "MB/s")
			b.ReportMetric(float64(batches*len(text))/1e6/t.wall.Seconds(), "put-MB/s")
			b.ReportMetric(empty.wall.Seconds(), "put-of-nothing-s")
			report(b, batches*size, o, t, 0)
		})
	}
}

// hdfsBatch returns events of a line each, and the bytes that the sink makes of them, a SequenceFile's mark after each batch
// included.
func hdfsBatch(b *testing.B, size int, fileType string) (batch []event.Event, text []byte) {
	filler := strings.Repeat("x", hdfsLine-11)
	records, err := seqfile.New(false, nil)
	if err != nil {
		b.Fatal(err)
	}
	for i := range size {
		body := fmt.Appendf(nil, "%09d %s", i, filler)
		batch = append(batch, event.Event{Body: body, Headers: []event.Header{{Key: "host", Value: "h1"}, {Key: "timestamp", Value: "1767225600000"}}})
		if fileType == "DataStream" {
			text = append(append(text, body...), '\n')
		} else if text, err = records.Append(text, 1767225600000, body); err != nil {
			b.Fatal(err)
		}
	}
	if fileType == "SequenceFile" {
		if text, err = records.Flush(text); err != nil {
			b.Fatal(err)
		}
	}
	return batch, text
}

func newHDFSSink(b *testing.B, path, fileType string, batch int) sinks.Sink {
	b.Helper()
	b.Setenv("HADOOP_USER_NAME", service.User())
	s := sinks.Registry.Lookup("hdfs").Defaults.(hdfs.Settings)
	s.Path, s.FileType, s.BatchSize = path, fileType, batch
	s.RollCount, s.RollSize, s.RollInterval = 0, 0, 0
	k, err := hdfs.New(registry.Env{Name: "k1", Log: slog.New(slog.DiscardHandler), StateDir: b.TempDir(),
		Metrics: metric.NewSet(metric.Sink, "a1", "k1", "hdfs")}, s)
	if err == nil {
		err = k.Open(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { k.Close(context.Background()) })
	return k
}
