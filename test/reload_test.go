package test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"goflume/test/ledger"
	"goflume/test/service"
)

// netcatToFiles writes below ${dir}/out; the sink's batch size and the channel's capacity are what a reload changes.
func netcatToFiles(batch, capacity int) string {
	return fmt.Sprintf(`
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = ${port:netcat}
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.channels.c1.capacity = %d
a1.channels.c1.transactionCapacity = 1000
a1.sinks.k1.type = hdfs
a1.sinks.k1.channel = c1
a1.sinks.k1.hdfs.path = file://${dir}/out
a1.sinks.k1.hdfs.fileType = DataStream
a1.sinks.k1.hdfs.batchSize = %d
a1.sinks.k1.hdfs.rollInterval = 0
a1.sinks.k1.hdfs.rollCount = 0
a1.sinks.k1.hdfs.rollSize = 0
`, capacity, batch)
}

func TestRealReloadsUnderTrafficLoseNothing(t *testing.T) {
	// Who watches the file would reload it once more, at a moment of his own.
	a := service.Start(t, service.Agent{Conf: netcatToFiles(100, 100_000), Args: []string{"--no-reload-conf"}})
	const clients, reloads = 8, 100
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	l := ledger.New(clients, 6_000_000, 100) // more than a client can send within the limit, with its pauses
	enough := make(chan struct{})
	var feeds sync.WaitGroup
	for c := range clients {
		feeds.Go(func() {
			feed := ledger.Feed{Addr: a.Addr("netcat"), Client: c, Ahead: 50, Pause: 2 * time.Millisecond, Until: enough}
			if err := l.Feed(ctx, feed); err != nil {
				t.Error(err)
			}
		})
	}
	generation := func() float64 {
		t.Helper()
		n, err := a.Metric(ctx, `flume_config_generation{agent="a1"}`)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	await := func(metric string, want float64) {
		t.Helper()
		err := service.Await(ctx, fmt.Sprint(metric, " ", want), func(ctx context.Context) error {
			got, err := a.Metric(ctx, metric+`{agent="a1"}`)
			if err == nil && got != want {
				err = fmt.Errorf("it is %v", got)
			}
			return err
		}, a.Process)
		if err != nil {
			t.Fatal(err)
		}
	}
	taken := func(want float64) { t.Helper(); await("flume_config_generation", want) }
	lastReload := func(want float64) { t.Helper(); await("flume_config_last_reload_successful", want) }
	good := netcatToFiles(100, 100_000)
	for i := range reloads {
		before, acked := generation(), l.Acked()
		switch i % 4 {
		case 0: // unchanged
			if err := a.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			taken(before + 1)
		case 1: // a changed sink
			good = netcatToFiles(100+i, 100_000)
			if err := a.Reload(good); err != nil {
				t.Fatal(err)
			}
			taken(before + 1)
		case 2: // a changed channel: what it holds moves to the new one
			good = netcatToFiles(100, 100_000+i)
			if err := a.Reload(good); err != nil {
				t.Fatal(err)
			}
			taken(before + 1)
		case 3: // broken
			if err := a.Reload(strings.Replace(good, "type = memory", "type = memroy", 1)); err != nil {
				t.Fatal(err)
			}
			lastReload(0)
			if got := generation(); got != before {
				t.Errorf("reload %d: generation %v after a broken file, want %v", i, got, before)
			}
			if err := a.Reload(good); err != nil {
				t.Fatal(err)
			}
			lastReload(1)
		}
		awaitAcked(ctx, t, l, acked+100, a.Process) // traffic goes on
	}
	close(enough)
	feeds.Wait()
	a.Stop(time.Minute)
	if !a.State().Success() {
		t.Errorf("the agent ends with %v", a.State())
	}
	files, err := l.ArrivedFiles(filepath.Join(a.Dir, "out", "*"))
	if err != nil {
		t.Fatal(err)
	}
	v := l.Verdict()
	t.Logf("%d reloads, %d files: %v", reloads, files, v)
	if v.Lost != 0 || v.Broken != 0 || v.Torn != 0 || v.Duplicates != 0 {
		t.Error("want nothing lost, doubled or torn and no connection broken")
	}
}
