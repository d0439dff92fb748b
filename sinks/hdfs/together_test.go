package hdfs

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/hadoop"
	"goflume/internal/vfs"
)

// Sinks that start at the same millisecond, as those of one configuration do, count from the same number.
func TestSinksOnOnePathDoNotOverwriteEachOther(t *testing.T) {
	for _, suffixes := range [][]string{{".tmp", ".tmp", ".tmp"}, {".a", ".b", ".c"}} {
		synctest.Test(t, func(t *testing.T) {
			dir := t.TempDir()
			const batches = 20
			var all []*Sink
			for _, suffix := range suffixes {
				s := build(t, testEnv(t, t.TempDir()), plain+"hdfs.rollCount = 1\nhdfs.inUseSuffix = "+suffix+"\nhdfs.path = file://"+dir)
				if err := s.Open(t.Context()); err != nil {
					t.Fatal(err)
				}
				all = append(all, s)
			}
			var wg sync.WaitGroup
			for i, s := range all {
				wg.Go(func() {
					for j := range batches {
						if err := s.Write(t.Context(), events(fmt.Sprintf("%d-%d", i, j))); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			for _, s := range all {
				closeSink(t, s)
			}
			seen := map[string]int{}
			for _, text := range tree(t, dir) {
				for line := range strings.Lines(text) {
					seen[line]++
				}
			}
			for i := range all {
				for j := range batches {
					if n := seen[fmt.Sprintf("%d-%d\n", i, j)]; n != 1 {
						t.Errorf("batch %d of sink %d: %d times, want once", j, i, n)
					}
				}
			}
		})
	}
}

// The clock of a bubble stands still: the second sink counts from where the first one did, as after a clock was set back.
func TestAClockThatWasSetBackOverwritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, inUse := range []string{"", "hdfs.emptyInUseSuffix = true\n"} {
			dir := t.TempDir()
			for i := range 3 {
				s := build(t, testEnv(t, t.TempDir()), plain+inUse+"hdfs.path = file://"+dir)
				if err := s.Open(t.Context()); err != nil {
					t.Fatal(err)
				}
				write(t, s, fmt.Sprint("life ", i))
				closeSink(t, s)
			}
			all := ""
			for _, text := range tree(t, dir) {
				all += text
			}
			for i := range 3 {
				if strings.Count(all, fmt.Sprint("life ", i, "\n")) != 1 {
					t.Errorf("%q has not each life once", all)
				}
			}
		}
	})
}

func TestBucketsWithoutAFileAreForgotten(t *testing.T) {
	s := opened(t, testEnv(t, t.TempDir()), plain+"hdfs.maxOpenFiles = 3\nhdfs.path = file://"+t.TempDir()+"/%{d}")
	var batch []event.Event
	for i := range 40 {
		e := event.Event{Headers: []event.Header{{Key: "d", Value: fmt.Sprint(i)}}, Body: []byte("x")}
		batch = append(batch, e)
		if err := s.Write(t.Context(), []event.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.buckets) > 3 || s.openFiles > 3 {
		t.Errorf("%d buckets and %d open files, want at most 3", len(s.buckets), s.openFiles)
	}
	if err := s.Write(t.Context(), batch); err != nil { // more places than files may be open, all in one batch
		t.Fatal(err)
	}
	if len(s.buckets) > 3 || s.openFiles > 3 {
		t.Errorf("after a batch of 40 places %d buckets and %d open files, want at most 3", len(s.buckets), s.openFiles)
	}
}

// With `hdfs.commit = close` a timer of the sink's own commits while batches come and files age.
func TestFilesMayAgeWhileBatchesWait(t *testing.T) {
	dir := t.TempDir()
	s := buildAny(t, testEnv(t, t.TempDir()), plain+"hdfs.commit = close\nhdfs.rollInterval = 1\nhdfs.idleTimeout = 1\nhdfs.path = file://"+dir).(*grouped)
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	const batches = 200
	var done, ticks sync.WaitGroup
	stop := make(chan struct{})
	ticks.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.Tick(t.Context(), time.Now().Add(time.Hour)); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range batches {
		done.Add(1)
		err := s.Start(t.Context(), events(fmt.Sprint("batch ", i)), func(err error) {
			if err != nil {
				t.Error(err)
			}
			done.Done()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	done.Wait()
	close(stop)
	ticks.Wait()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := ""
	for name, text := range tree(t, dir) {
		if strings.HasSuffix(name, ".tmp") {
			t.Errorf("%s is left", name)
		}
		all += text
	}
	for i := range batches {
		if strings.Count(all, fmt.Sprint("batch ", i, "\n")) != 1 {
			t.Errorf("batch %d is not there once", i)
		}
	}
}

// hung is a file system that answers nothing once it is told to hang, until the caller has had enough.
type hung struct {
	hadoop.FS
	now *bool
}

func (h hung) wait(ctx context.Context) error {
	if *h.now {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (h hung) Create(ctx context.Context, name string) (hadoop.File, error) {
	f, err := h.FS.Create(ctx, name)
	return hungFile{f, h}, err
}

func (h hung) Rename(ctx context.Context, from, to string) error {
	if err := h.wait(ctx); err != nil {
		return err
	}
	return h.FS.Rename(ctx, from, to)
}

type hungFile struct {
	hadoop.File
	system hung
}

func (f hungFile) Close(ctx context.Context) error {
	if err := f.system.wait(ctx); err != nil {
		return err
	}
	return f.File.Close(ctx)
}

func TestCloseEndsInTimeWhateverHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := new(bool)
		s := onSystem(t, testEnv(t, ""), hung{hadoop.Local(vfs.OS{}, hadoop.WhenDone), now}, plain+"hdfs.threadsPoolSize = 2\nhdfs.path = file://"+t.TempDir()+"/%{d}")
		var batch []event.Event
		for i := range 50 {
			batch = append(batch, event.Event{Headers: []event.Header{{Key: "d", Value: fmt.Sprint(i)}}, Body: []byte("x")})
		}
		if err := s.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		*now = true
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begin := time.Now()
		_ = s.Close(ctx) // what it did not get done is left to the next start
		if took := time.Since(begin); took > 4*time.Second {
			t.Errorf("Close took %v of the 3s it had", took)
		}
		for _, b := range s.buckets {
			b.file.out.Abandon()
		}
	})
}
