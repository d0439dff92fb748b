package file

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"goflume/internal/metric"
	"goflume/internal/vfs/memfs"
)

// attr returns the attribute of Flume's name, or of Prometheus'.
func attr(t *testing.T, c *Channel, name string) *metric.Attr {
	t.Helper()
	for _, a := range c.env.Metrics.Attrs() {
		if a.Flume == name || a.Prom == name {
			return a
		}
	}
	t.Fatalf("no attribute %s", name)
	return nil
}

func TestFlumesAttributes(t *testing.T) {
	c := newChannel(testEnv(), small(), memfs.New())
	var have []string
	for _, a := range c.env.Metrics.Attrs() {
		if a.Flume != "" {
			have = append(have, a.Flume)
		}
	}
	slices.Sort(have)
	want := []string{"CheckpointBackupWriteErrorCount", "CheckpointWriteErrorCount", "Closed", "EventPutErrorCount", "EventTakeErrorCount", "Open", "Unhealthy"}
	if !slices.Equal(have, want) {
		t.Errorf("attributes %q, want %q", have, want)
	}
	state := func(open string, closed, sick float64) {
		t.Helper()
		if o, k, u := attr(t, c, "Open").Text(), attr(t, c, "Closed").Func(), attr(t, c, "Unhealthy").Func(); o != open || k != closed || u != sick {
			t.Errorf("Open %s, Closed %v, Unhealthy %v; want %s, %v, %v", o, k, u, open, closed, sick)
		}
	}
	state("false", 0, 0)
	check(t, c.Open(t.Context()))
	state("true", 0, 0)
	if c.Put(t.Context(), numbered(0, 20000)) == nil {
		t.Fatal("a transaction that is too large was taken")
	}
	mustClose(t, c)
	state("false", 1, 0)
}

func TestAgeOfTheOldestEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := mustOpen(t, memfs.New(), small())
		age := attr(t, c, "flume_channel_oldest_event_age_seconds").Func
		if a := age(); a != 0 {
			t.Errorf("age %v of an empty channel", a)
		}
		mustPut(t, c, numbered(0, 3))
		time.Sleep(5 * time.Second)
		mustPut(t, c, numbered(3, 3))
		tx := take(t, c, 2)
		time.Sleep(5 * time.Second)
		if a := age(); a < 9.9 || a > 10.1 {
			t.Errorf("age %v, want 10", a)
		}
		check(t, tx.Commit())
		check(t, take(t, c, 1).Commit())
		if a := age(); a < 4.9 || a > 5.1 {
			t.Errorf("age %v, want 5", a)
		}
		mustClose(t, c)
	})
}

func TestSyncsAndCommitsAreCounted(t *testing.T) {
	c := mustOpen(t, memfs.New(), small())
	for i := range 10 {
		mustPut(t, c, numbered(i, 1))
	}
	n, _, _ := c.m.fsync.Snapshot()
	if n != 10 || c.m.commits.Value() != 10 {
		t.Errorf("%d syncs, %d commits, want 10 each", n, c.m.commits.Value())
	}
	if b := attr(t, c, "flume_channel_disk_bytes").Func(); b != 1<<16 {
		t.Errorf("%v bytes of log files, want one of 65536", b)
	}
	mustClose(t, c)
}
