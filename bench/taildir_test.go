package bench

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/retry"
	"goflume/sources/taildir"
)

// arrivals is an Output that counts, and tells of each batch.
type arrivals struct {
	n    atomic.Int64
	came chan time.Time
}

func (a *arrivals) Send(_ context.Context, b *event.Batch) error {
	a.n.Add(int64(len(b.Events)))
	select {
	case a.came <- time.Now():
	default:
	}
	return nil
}

func (*arrivals) Limits() (most, room int) { return 0, -1 }

// follow runs a taildir source on a directory of so many files with a line each, until all lines have come.
func follow(b *testing.B, files int) (dir string, out *arrivals, stop func()) {
	dir = b.TempDir()
	for i := range files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("app%05d.log", i)), fmt.Appendf(nil, "first line of %d\n", i), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	source, err := taildir.New(environment(metric.Source, "r1", "taildir"), taildir.Settings{Groups: []string{"f1"},
		Patterns: map[string]string{"f1": dir + "/.*[.]log"}, PositionFile: filepath.Join(b.TempDir(), "positions.json"),
		IdleTimeout: 2 * time.Minute, WritePosInterval: 3 * time.Second, BatchSize: 100, MaxBatchCount: math.MaxInt64,
		CachePatternMatching: true, MaxLineLength: 1 << 20, Retry: retry.DefaultSettings})
	if err != nil {
		b.Fatal(err)
	}
	out = &arrivals{came: make(chan time.Time, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := source.Run(ctx, out); err != nil {
			b.Error(err)
		}
	})
	for limit := time.Now().Add(time.Minute); out.n.Load() < int64(files); <-time.After(10 * time.Millisecond) {
		if time.Now().After(limit) {
			b.Fatalf("%d of %d lines after a minute", out.n.Load(), files)
		}
	}
	return dir, out, func() { cancel(); running.Wait() }
}

// BenchmarkTaildirIdle follows 10,000 files to which nobody writes and shows the share of a processor that this takes.
func BenchmarkTaildirIdle(b *testing.B) {
	const files, lasts, most = 10_000, 30 * time.Second, 1.0
	for range b.N {
		_, _, stop := follow(b, files)
		<-time.After(10 * time.Second) // the last positions are written
		before := cpuTime()
		<-time.After(lasts)
		percent := 100 * float64(cpuTime()-before) / float64(lasts)
		stop()
		b.ReportMetric(percent, "idle-cpu-%")
		b.ReportMetric(0, "ns/op")
		if percent > most {
			b.Errorf("%.2f %% of a processor, want at most %v", percent, most)
		}
	}
}

// BenchmarkTaildirLatency appends lines to some of 10,000 files and shows how long after its write a line was sent.
func BenchmarkTaildirLatency(b *testing.B) {
	const files, lines = 10_000, 500
	for range b.N {
		dir, out, stop := follow(b, files)
		<-time.After(3 * time.Second)
		var all []time.Duration
		for i := range lines {
			f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("app%05d.log", i*17%files)), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				b.Fatal(err)
			}
			for len(out.came) > 0 {
				<-out.came
			}
			wrote := time.Now()
			if _, err := fmt.Fprintf(f, "line %d\n", i); err != nil {
				b.Fatal(err)
			}
			all = append(all, (<-out.came).Sub(wrote))
			f.Close()
			<-time.After(5 * time.Millisecond)
		}
		stop()
		slices.Sort(all)
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		b.ReportMetric(ms(all[lines/2]), "p50-ms")
		b.ReportMetric(ms(all[lines*99/100]), "p99-ms")
		b.ReportMetric(ms(all[lines-1]), "max-ms")
		b.ReportMetric(0, "ns/op")
	}
}
