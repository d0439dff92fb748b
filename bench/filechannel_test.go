package bench

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"goflume/channels"
	"goflume/channels/file"
	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/vfs"
)

// The shape that FILE-CHANNEL.md measured: transactions of 100 events of 500 bytes.
const (
	txEvents = 100
	txBody   = 500
	txBytes  = txEvents * txBody
)

// openFile opens a file channel below dir with the defaults, but for what change sets, and returns its metrics too.
func openFile(b *testing.B, dir string, change func(*file.Settings)) (channels.Channel, *metric.Set) {
	b.Helper()
	e := channels.Registry.Lookup("file")
	s := e.Defaults.(file.Settings)
	s.CheckpointDir, s.DataDirs = filepath.Join(dir, "checkpoint"), []string{filepath.Join(dir, "data")}
	s.Capacity = 1 << 30
	if change != nil {
		change(&s)
	}
	set := metric.NewSet(metric.Channel, "bench", "c1", "file")
	c, err := file.New(registry.Env{Name: "c1", Log: slog.New(slog.DiscardHandler), Metrics: set}, s)
	if err == nil {
		err = c.Open(context.Background())
	}
	if err != nil {
		b.Fatal(err)
	}
	return c, set
}

func batch500(b *testing.B) []event.Event {
	b.Helper()
	var batch event.Batch
	body := make([]byte, txBody)
	for i := range body {
		body[i] = byte('a' + i%23)
	}
	for range txEvents {
		batch.Add(body)
	}
	return batch.Events
}

// putters runs n committers until each has put its share, and returns how long that took.
func putters(b *testing.B, c channels.Channel, n, each int) time.Duration {
	b.Helper()
	var wg sync.WaitGroup
	begin := time.Now()
	for range n {
		events := batch500(b)
		wg.Go(func() {
			for range each {
				if err := c.Put(context.Background(), events); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(begin)
}

// drainAll takes and commits n events, as a null sink would.
func drainAll(b *testing.B, c channels.Channel, n int) {
	b.Helper()
	for n > 0 {
		tx, err := c.Take(context.Background(), 1000, 0)
		if err != nil {
			b.Fatal(err)
		}
		n -= len(tx.Events())
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}

// rawFile is a file whose blocks are written, as the channel's are.
type rawFile struct {
	f    vfs.File
	size int64
	off  int64
}

func newRaw(b *testing.B, dir string, size int64) *rawFile {
	b.Helper()
	f, err := vfs.OS{}.Create(filepath.Join(dir, "raw"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	buf := make([]byte, 1<<20)
	for off := int64(0); off < size; off += int64(len(buf)) {
		if _, err := f.WriteAt(buf, off); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Datasync(); err != nil {
		b.Fatal(err)
	}
	return &rawFile{f: f, size: size}
}

// write overwrites and syncs n groups of bytes each.
func (r *rawFile) write(b *testing.B, n, bytes int) time.Duration {
	b.Helper()
	buf := make([]byte, bytes)
	begin := time.Now()
	for range n {
		if r.off+int64(bytes) > r.size {
			r.off = 0
		}
		if _, err := r.f.WriteAt(buf, r.off); err != nil {
			b.Fatal(err)
		}
		if err := r.f.Datasync(); err != nil {
			b.Fatal(err)
		}
		r.off += int64(bytes)
	}
	return time.Since(begin)
}

// BenchmarkFileChannelPut puts and commits, against a loop that overwrites and syncs the same bytes in groups of the size
// that the channel's had.
func BenchmarkFileChannelPut(b *testing.B) {
	for _, n := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("committers=%d", n), func(b *testing.B) {
			const total = 4800 // transactions a run: 240 MB
			for range b.N {
				dir := b.TempDir()
				c, set := openFile(b, dir, nil)
				raw := newRaw(b, dir, 256<<20)
				putters(b, c, n, 2*total/n) // segments are recycled from here on
				drainAll(b, c, 2*total*txEvents)
				var ratios, rates, groups []float64
				for range 7 {
					before, beforeSyncs := commits(set)
					took := putters(b, c, n, total/n)
					after, afterSyncs := commits(set)
					perSync := float64(after-before) / float64(max(1, afterSyncs-beforeSyncs))
					drainAll(b, c, total*txEvents)
					rawTook := raw.write(b, int(float64(total)/perSync), int(perSync*txBytes))
					ratios = append(ratios, rawTook.Seconds()/took.Seconds())
					rates = append(rates, total*txEvents/took.Seconds())
					groups = append(groups, perSync)
				}
				if err := c.Close(); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(middle(ratios), "ratio-to-raw")
				b.ReportMetric(middle(rates), "events/s")
				b.ReportMetric(middle(groups), "commits/sync")
				b.ReportMetric(0, "ns/op")
				if r := middle(ratios); r < 0.6 {
					b.Errorf("%.2f of the raw loop, want 0.6 or more", r)
				}
			}
		})
	}
}

func middle(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// commits returns how many transactions were made durable, and by how many syncs.
func commits(set *metric.Set) (n int64, syncs uint64) {
	for _, a := range set.Attrs() {
		switch a.Prom {
		case "flume_channel_synced_commits_total":
			n = a.Counter.Value()
		case "flume_channel_fsync_duration_seconds":
			syncs, _, _ = a.Histogram.Snapshot()
		}
	}
	return n, syncs
}

// BenchmarkFileChannelThrough puts with four committers while one taker takes and commits 1000 at a time.
func BenchmarkFileChannelThrough(b *testing.B) {
	const n, each = 4, 3000
	for range b.N {
		c, _ := openFile(b, b.TempDir(), nil)
		var rates, allocs []float64
		for range 5 {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begin := time.Now()
			var wg sync.WaitGroup
			wg.Go(func() { drainAll(b, c, n*each*txEvents) })
			putters(b, c, n, each)
			wg.Wait()
			took := time.Since(begin)
			runtime.ReadMemStats(&after)
			rates = append(rates, n*each*txEvents/took.Seconds())
			allocs = append(allocs, float64(after.Mallocs-before.Mallocs)/(n*each*txEvents))
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(middle(rates), "events/s")
		b.ReportMetric(middle(allocs), "allocs/event")
		b.ReportMetric(0, "ns/op")
		if a := middle(allocs); a > 0.1 {
			b.Errorf("%.3f allocations per event, want 0.1 at most", a)
		}
	}
}

// BenchmarkFileChannelRestart queues ten million events, 5 GB, and measures from Open to the first take: after a Close,
// and after a copy of the files as a kill leaves them. Needs 6 GB of disk.
func BenchmarkFileChannelRestart(b *testing.B) {
	for range b.N {
		dir := b.TempDir()
		big := func(s *file.Settings) { s.TransactionCapacity = 10000 }
		c, _ := openFile(b, dir, big)
		putters(b, c, 4, 10_000_000/4/txEvents)
		runtime.GC()
		var filled runtime.MemStats
		runtime.ReadMemStats(&filled)
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
		c = nil
		first := func() float64 {
			begin := time.Now()
			c, _ := openFile(b, dir, big)
			tx, err := c.Take(context.Background(), 100, 0)
			if err != nil {
				b.Fatal(err)
			}
			took := time.Since(begin)
			if n := c.Stats().Size + c.Stats().Held; n < 10_000_000 {
				b.Errorf("%d events after the restart", n)
			}
			_ = tx.Rollback()
			if err := c.Close(); err != nil {
				b.Fatal(err)
			}
			return float64(took.Milliseconds())
		}
		clean := []float64{first(), first(), first()}
		// Without its clean checkpoint the log behind the older one has to be read.
		var lost []float64
		for range 3 {
			for _, n := range []string{"ckpt-0.fqc", "ckpt-1.fqc"} {
				if err := os.Remove(filepath.Join(dir, "checkpoint", n)); err != nil {
					b.Fatal(err)
				}
			}
			lost = append(lost, first())
		}
		b.ReportMetric(middle(clean), "ms/first-take")
		b.ReportMetric(middle(lost), "ms/first-take-without-checkpoints")
		b.ReportMetric(float64(filled.HeapAlloc)/(1<<20), "heap-MiB/filled")
		b.ReportMetric(0, "ns/op")
		if m := middle(clean); m > 2000 {
			b.Errorf("%.0f ms to the first take, want 2000 at most", m)
		}
	}
}
