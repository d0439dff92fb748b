package hdfs

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/hadoop"
	"goflume/internal/vfs"
)

// thinned is a file system whose files should be on three datanodes and are on fewer.
type thinned struct {
	hadoop.FS
	on *int
}

func (h thinned) Create(ctx context.Context, name string) (hadoop.File, error) {
	f, err := h.FS.Create(ctx, name)
	return thinnedFile{f, h.on}, err
}

type thinnedFile struct {
	hadoop.File
	on *int
}

func (f thinnedFile) Replicas() int { return *f.on }
func (thinnedFile) Wanted() int     { return 3 }

func TestFilesRollForWantOfReplicasThirtyTimesInARow(t *testing.T) {
	for _, c := range []struct {
		settings string
		files    int
	}{
		{"", 1 + maxThin},
		{"hdfs.minBlockReplicas = 4", 1 + maxThin},
		{"hdfs.minBlockReplicas = 2", 1},
		{"hdfs.minBlockReplicas = 0", 1},
	} {
		dir, replicas := t.TempDir(), 2
		s := onSystem(t, testEnv(t, ""), thinned{hadoop.Local(vfs.OS{}, hadoop.WhenDone), &replicas}, plain+"hdfs.path = file://"+dir+"\n"+c.settings)
		for i := range 2 * maxThin {
			write(t, s, fmt.Sprint(i))
		}
		if n := len(tree(t, dir)); n != c.files {
			t.Errorf("%q: %d files, want %d", c.settings, n, c.files)
		}
		if c.settings == "" { // once all are there the count begins anew
			replicas = 3
			write(t, s, "enough")
			replicas = 2
			write(t, s, "one roll", "more of the batch")
			write(t, s, "another roll")
			if n := len(tree(t, dir)); n != c.files+2 {
				t.Errorf("%d files after the replicas came and went, want %d", n, c.files+2)
			}
		}
		closeSink(t, s)
	}
}

// countedRenames is a file system that refuses every rename.
type countedRenames struct {
	hadoop.FS
	n *atomic.Int64
}

func (c countedRenames) Rename(context.Context, string, string) error {
	c.n.Add(1)
	return syscall.EIO
}

func TestClosingIsTriedAsOftenAsConfigured(t *testing.T) {
	for _, c := range []struct {
		settings    string
		least, most int64 // renames within 10 minutes, the first included
		given       bool  // up
	}{
		{"hdfs.closeTries = 3\nhdfs.retryInterval = 5", 4, 4, true},
		{"hdfs.closeTries = 1", 2, 2, true},
		{"hdfs.closeTries = 9\nhdfs.retryInterval = 0", 2, 2, true},
		{"hdfs.retryInterval = 5", 100, 130, false},
		{"", 7, 12, false}, // pauses of 2, 4, 8 ... 180 s
	} {
		synctest.Test(t, func(t *testing.T) {
			dir, env, renames := t.TempDir(), testEnv(t, ""), new(atomic.Int64)
			s := onSystem(t, env, countedRenames{hadoop.Local(vfs.OS{}, hadoop.WhenDone), renames}, plain+"hdfs.rollCount = 1\nhdfs.path = file://"+dir+"\n"+c.settings)
			write(t, s, "a")
			write(t, s, "b") // rolls the first
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if n := renames.Load(); n < c.least || n > c.most {
				t.Errorf("%q: %d renames, want %d to %d", c.settings, n, c.least, c.most)
			}
			if n := env.Metrics.Gauge("", "flume_sink_files_broken", "").Value(); (n == 0) != c.given {
				t.Errorf("%q: %v files wait for repair, want given up: %v", c.settings, n, c.given)
			}
			closeSink(t, s)
			wantTree(t, tree(t, dir), map[string]string{"FlumeData.#1.tmp": "a\n", "FlumeData.#2.tmp": "b\n"})
		})
	}
}

// slowClose is a file system that takes a second to close a file; it counts how many are being closed.
type slowClose struct {
	hadoop.FS
	now, most *atomic.Int64
}

func (c slowClose) Create(ctx context.Context, name string) (hadoop.File, error) {
	f, err := c.FS.Create(ctx, name)
	return slowCloseFile{f, c}, err
}

type slowCloseFile struct {
	hadoop.File
	system slowClose
}

func (f slowCloseFile) Close(ctx context.Context) error {
	f.system.most.Store(max(f.system.most.Load(), f.system.now.Add(1)))
	time.Sleep(time.Second)
	f.system.now.Add(-1)
	return f.File.Close(ctx)
}

func TestFilesAreClosedSeveralAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, c := t.TempDir(), slowClose{hadoop.Local(vfs.OS{}, hadoop.WhenDone), new(atomic.Int64), new(atomic.Int64)}
		s := onSystem(t, testEnv(t, ""), c, plain+"hdfs.rollInterval = 60\nhdfs.threadsPoolSize = 3\nhdfs.path = file://"+dir+"/%{d}")
		for i := range 10 {
			if err := s.Write(t.Context(), []event.Event{{Headers: []event.Header{{Key: "d", Value: fmt.Sprint(i)}}, Body: []byte("x")}}); err != nil {
				t.Fatal(err)
			}
		}
		begin := time.Now()
		if _, err := s.Tick(t.Context(), begin.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if took, most := time.Since(begin), c.most.Load(); took != 4*time.Second || most != 3 {
			t.Errorf("10 files are closed in %v, %d at a time, want 4s, 3 at a time", took, most)
		}
		for name := range tree(t, dir) {
			if strings.HasSuffix(name, ".tmp") {
				t.Errorf("%s is left", name)
			}
		}
		closeSink(t, s)
	})
}
