package test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/colinmarc/hdfs/v2"

	"goflume/test/ledger"
	"goflume/test/service"
)

// netcatToHDFS is the main job. The channel is memory or file.
func netcatToHDFS(channel, path string) string {
	conf := fmt.Sprintf(`
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = ${port:netcat}
a1.sources.r1.channels = c1
a1.channels.c1.type = %s
a1.channels.c1.capacity = 100000
a1.channels.c1.transactionCapacity = 2000
a1.sinks.k1.type = hdfs
a1.sinks.k1.channel = c1
a1.sinks.k1.hdfs.path = %s
a1.sinks.k1.hdfs.fileType = DataStream
a1.sinks.k1.hdfs.batchSize = 2000
a1.sinks.k1.hdfs.rollInterval = 0
a1.sinks.k1.hdfs.rollCount = 0
a1.sinks.k1.hdfs.rollSize = 16777216
`, channel, path)
	if channel == "file" {
		conf += "a1.channels.c1.checkpointDir = ${dir}/checkpoint\na1.channels.c1.dataDirs = ${dir}/data\n"
	}
	return conf
}

// judgeHDFS tells the ledger of every line in a directory, of unfinished files too, and returns the verdict.
func judgeHDFS(t *testing.T, h *service.HDFSServer, dir string, l *ledger.Ledger) ledger.Verdict {
	t.Helper()
	client := dialHDFS(t, h)
	files, err := client.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := dir + "/" + file.Name()
		if strings.HasSuffix(name, ".tmp") {
			t.Logf("%s was left unfinished", name)
			if err := h.RecoverLease(t.Context(), name); err != nil {
				t.Error(err)
			}
		}
		if err := judgeFile(client, name, l); err != nil {
			t.Errorf("read %s: %v", name, err)
		}
	}
	v := l.Verdict()
	t.Logf("%d files: %v", len(files), v)
	return v
}

func judgeFile(client *hdfs.Client, name string, l *ledger.Ledger) error {
	r, err := client.Open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	return l.Arrived(r)
}

func TestRealMillionLinesIntoHDFSEachOnce(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	a := service.Start(t, service.Agent{Conf: netcatToHDFS("memory", h.URL()+"/lines-million") + "a1.channels.c1.keep-alive = 60\n"})
	const lines = 1_000_000
	l := ledger.New(1, lines, 200)
	begin := time.Now()
	if err := l.Feed(t.Context(), ledger.Feed{Addr: a.Addr("netcat")}); err != nil {
		t.Fatal(err)
	}
	fed := time.Since(begin)
	a.Stop(2 * time.Minute) // drains
	if !a.State().Success() {
		t.Errorf("the agent ends with %v", a.State())
	}
	v := judgeHDFS(t, h, "/lines-million", l)
	t.Logf("fed in %.1f s, drained after %.1f s", fed.Seconds(), time.Since(begin).Seconds())
	if v.Acked != lines || v.Distinct != lines || v.Duplicates != 0 || v.Lost != 0 || v.Torn != 0 || v.Disorder != 0 {
		t.Errorf("want %d lines, each once and in order", lines)
	}
}

// kills are random moments in the feeding of so many lines.
func kills(t *testing.T, n, lines int) []int {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var at []int
	for i := range n {
		part := lines / (n + 1)
		at = append(at, (i+1)*part-random.IntN(part)/2)
	}
	return at
}

func TestRealKilledAgentLosesNothing(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	a := service.Start(t, service.Agent{Conf: netcatToHDFS("file", h.URL()+"/lines-agent")})
	const clients, lines, killed = 4, 50_000, 6
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	l := ledger.New(clients, lines, 200)
	var feeds sync.WaitGroup
	for c := range clients {
		feeds.Go(func() {
			if err := l.Feed(ctx, ledger.Feed{Addr: a.Addr("netcat"), Client: c, Ahead: 200}); err != nil {
				t.Error(err)
			}
		})
	}
	for _, at := range kills(t, killed, clients*lines) {
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
	v := judgeHDFS(t, h, "/lines-agent", l)
	if v.Acked != clients*lines || v.Lost != 0 || v.Torn > killed {
		t.Errorf("after %d kills: want all of %d lines acknowledged, none lost and at most one torn at the end of a file", killed, clients*lines)
	}
}

// awaitAcked waits until so many lines are acknowledged.
func awaitAcked(ctx context.Context, t *testing.T, l *ledger.Ledger, n int, p *service.Process) {
	t.Helper()
	err := service.Await(ctx, fmt.Sprintf("%d acknowledged lines", n), func(context.Context) error {
		if got := l.Acked(); got < n {
			return fmt.Errorf("%d are acknowledged", got)
		}
		return nil
	}, p)
	if err != nil {
		t.Fatal(err)
	}
}
