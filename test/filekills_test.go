package test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"goflume/test/ledger"
	"goflume/test/service"
)

const netcatToDurableFiles = `
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = ${port:netcat}
a1.sources.r1.channels = c1
a1.channels.c1.type = file
a1.channels.c1.checkpointDir = ${dir}/checkpoint
a1.channels.c1.dataDirs = ${dir}/data
a1.channels.c1.maxFileSize = 1048576
a1.channels.c1.minimumRequiredSpace = 1048576
a1.sinks.k1.type = file_roll
a1.sinks.k1.channel = c1
a1.sinks.k1.sink.directory = ${dir}/out
a1.sinks.k1.sink.rollInterval = 0
a1.sinks.k1.sink.batchSize = 500
`

// TestRealKilledFileChannelLosesNothing kills the agent, netcat to file channel to file_roll, again and again. What a
// line's answer promised is kept, in order; doubles are what a kill interrupts: the lines on their way from each client,
// and one batch of the sink.
func TestRealKilledFileChannelLosesNothing(t *testing.T) {
	const clients, ahead, batch, perKill = 4, 200, 500, 2000
	lines := fileKills * perKill / clients
	a := service.Start(t, service.Agent{Conf: netcatToDurableFiles})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute+fileKills*3*time.Second)
	defer cancel()
	l := ledger.New(clients, lines, 200)
	var feeds sync.WaitGroup
	for c := range clients {
		feeds.Go(func() {
			if err := l.Feed(ctx, ledger.Feed{Addr: a.Addr("netcat"), Client: c, Ahead: ahead}); err != nil {
				t.Error(err)
			}
		})
	}
	for _, at := range kills(t, fileKills, clients*lines) {
		awaitAcked(ctx, t, l, at, a.Process)
		a.Kill()
		if err := a.Restart(); err != nil {
			t.Fatal(err)
		}
		if err := a.AwaitReady(ctx); err != nil {
			t.Fatal(err)
		}
	}
	feeds.Wait()
	if err := a.AwaitEmpty(ctx, "c1"); err != nil {
		t.Fatal(err)
	}
	a.Stop(time.Minute)
	if _, err := l.ArrivedFiles(filepath.Join(a.Dir, "out", "*")); err != nil {
		t.Fatal(err)
	}
	v := l.Verdict()
	t.Logf("%d kills: %v", fileKills, v)
	if v.Lost > 0 || v.Acked != clients*lines || v.Duplicates > fileKills*(clients*ahead+batch) {
		t.Errorf("%v", v)
	}
}
