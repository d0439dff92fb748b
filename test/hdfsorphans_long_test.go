//go:build long

package test

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"testing"
	"time"

	"goflume/test/ledger"
	"goflume/test/service"
)

// An agent dies with its disk. Its successor, set up anew under the same names, finds the file that it left open and
// finishes it once the namenode says that nobody writes to it; the file of a twin of both that lives is left alone.
func TestRealHDFSFilesOfALostMachineAreFound(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	const dir, lines = "/lost", 50_000
	// The namenode may leave a datanode out that is busier than the others: that ends no file here.
	conf := netcatToHDFS("memory", h.URL()+dir+"/%[localhost]") + "a1.sinks.k1.hdfs.minBlockReplicas = 1\n"
	env := []string{"HADOOP_USER_NAME=" + service.User()}
	l := ledger.New(2, lines, 100)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	feed := func(a *service.AgentServer, client int) {
		t.Helper()
		if err := l.Feed(ctx, ledger.Feed{Addr: a.Addr("netcat"), Client: client}); err != nil {
			t.Fatal(err)
		}
		if err := a.AwaitEmpty(ctx, "c1"); err != nil {
			t.Fatal(err)
		}
	}
	twin := service.Start(t, service.Agent{Conf: conf, Env: env})
	feed(twin, 0)
	dead := service.Start(t, service.Agent{Conf: conf, Env: env})
	feed(dead, 1)
	client := dialHDFS(t, h)
	if files := walkFiles(t, client, dir); len(files) != 2 || path.Ext(files[0]) != ".tmp" || path.Ext(files[1]) != ".tmp" {
		t.Fatalf("%v, want two files in use", files)
	}
	dead.Kill()
	if err := os.RemoveAll(filepath.Join(dead.Dir, "state")); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := dead.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := dead.AwaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	inUse := 2
	for ; inUse > 1 && time.Since(begin) < 3*time.Minute; pause(t, time.Second) {
		inUse = 0
		for _, file := range walkFiles(t, client, dir) {
			if path.Ext(file) == ".tmp" {
				inUse++
			}
		}
	}
	t.Logf("%d files in use after %v", inUse, time.Since(begin).Round(time.Second))
	if inUse != 1 {
		t.Errorf("%d files are in use, want the living twin's", inUse)
	}
	pause(t, 40*time.Second) // it is asked about again and again
	twin.Stop(time.Minute)
	dead.Stop(time.Minute)
	for _, file := range walkFiles(t, client, dir) {
		if path.Ext(file) == ".tmp" {
			t.Errorf("%s is left", file)
		}
		if err := judgeFile(client, file, l); err != nil {
			t.Error(err)
		}
	}
	if v := l.Verdict(); v.Acked != 2*lines || v.Lost != 0 || v.Duplicates != 0 || v.Torn != 0 {
		t.Errorf("%v, want all lines once", v)
	}
}
