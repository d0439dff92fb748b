package test

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/colinmarc/hdfs/v2"

	"goflume/test/ledger"
	"goflume/test/service"
)

// ruin is an HDFS with two namenodes and three datanodes on disks of their own, and an agent at the end of a cable.
type ruin struct {
	hdfs   *service.HDFSHAServer
	far    *service.FarServer
	agent  *service.AgentServer
	active int // namenode
}

// Whatever fails while numbered lines are fed: each that was acknowledged is in a file, once what failed is mended no
// file has its in-use name, and how many lines came twice is told.
func TestRealHDFSFaultsLoseNothing(t *testing.T) {
	if !service.Namespaced(t) {
		return
	}
	r := &ruin{far: service.Start(t, service.Far{})}
	r.hdfs = service.Start(t, service.HDFSHA{Datanodes: 3, Host: r.far.Near(), DiskMB: faultDiskMB})
	for _, fault := range []struct {
		name   string
		strike func(*ruin, context.Context, *testing.T)
	}{
		{"datanode-killed-and-back", (*ruin).killDatanode},
		{"namenode-killed-and-back", (*ruin).killNamenode},
		{"active-namenode-frozen", (*ruin).freezeNamenode},
		{"one-datanode-full", (*ruin).fillOne},
		{"one-datanode-refuses", (*ruin).refuseOne},
		{"all-datanodes-full", (*ruin).fillAll},
		{"cable-cut", (*ruin).cutCable},
		{"agent-killed", (*ruin).killAgent},
	} {
		t.Run(fault.name, func(t *testing.T) { r.strikes(t, fault.name, fault.strike) })
	}
}

// strikes feeds lines, lets the fault strike when a third of them is acknowledged, and judges what arrived.
func (r *ruin) strikes(t *testing.T, name string, strike func(*ruin, context.Context, *testing.T)) {
	ctx, cancel := context.WithTimeout(t.Context(), faultLimit)
	defer cancel()
	const clients, lines = 4, faultLines / 4
	dir := "/faults/" + name
	conf := strings.NewReplacer("r1.bind = 127.0.0.1", "r1.bind = "+r.far.Addr(), "rollSize = 16777216", "rollSize = 1000000").
		Replace(netcatToHDFS("file", r.hdfs.URL()+dir)) +
		"a1.sinks.k1.hdfs.callTimeout = 5000\na1.sinks.k1.hdfs.retryInterval = 5\n"
	r.agent = service.Start(t, service.Agent{Conf: conf, Far: r.far, Env: []string{
		"HADOOP_CONF_DIR=" + r.hdfs.ConfDir(), "HADOOP_USER_NAME=" + service.User()}})
	l := ledger.New(clients, lines, 50)
	begin := time.Now()
	var feeds sync.WaitGroup
	for c := range clients {
		feeds.Go(func() {
			if err := l.Feed(ctx, ledger.Feed{Addr: r.agent.Addr("netcat"), Client: c, Pause: faultPause}); err != nil {
				t.Error(err)
			}
		})
	}
	awaitAcked(ctx, t, l, faultLines/3, r.agent.Process)
	if fed := l.Acked(); fed == faultLines {
		t.Error("all lines were fed before the fault struck")
	}
	strike(r, ctx, t)
	mended, fed := time.Now(), l.Acked()
	feeds.Wait()
	if err := r.agent.AwaitEmpty(ctx, "c1"); err != nil {
		t.Fatal(err)
	}
	awaitWhole(ctx, t, r.agent)
	recovered := time.Now()
	r.agent.Stop(time.Minute)
	client, err := hdfs.NewClient(hdfs.ClientOptions{Addresses: r.hdfs.Addrs(), User: service.User()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	files := walkFiles(t, client, dir)
	for _, file := range files {
		if path.Ext(file) == ".tmp" {
			t.Errorf("%s is left", file)
		}
		if err := judgeFile(client, file, l); err != nil {
			t.Errorf("read %s: %v", file, err)
		}
	}
	v := l.Verdict()
	t.Logf("%d files: %v", len(files), v)
	t.Logf("struck and mended after %.1f s with %d lines fed, all delivered and whole after %.1f s", mended.Sub(begin).Seconds(), fed, recovered.Sub(begin).Seconds())
	if v.Acked != clients*lines || v.Lost != 0 || v.Torn != 0 {
		t.Errorf("want all of %d lines acknowledged, none lost and none torn", clients*lines)
	}
	if err := client.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}

// awaitWhole waits until the agent's hdfs sink k1 has no files to recover.
func awaitWhole(ctx context.Context, t *testing.T, a *service.AgentServer) {
	t.Helper()
	err := service.Await(ctx, "the recovery of all files", func(ctx context.Context) error {
		n, err := a.Metric(ctx, `flume_sink_files_broken{agent="a1",sink="k1",type="hdfs"}`)
		if err == nil && n > 0 {
			err = fmt.Errorf("%v are broken", n)
		}
		return err
	}, a.Process)
	if err != nil {
		t.Fatal(err)
	}
}

func (r *ruin) killDatanode(ctx context.Context, t *testing.T) {
	d := r.hdfs.Datanodes[1]
	d.Kill()
	if err := r.hdfs.AwaitDatanodes(ctx, r.active, 2); err != nil {
		t.Fatal(err)
	}
	if err := d.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := r.hdfs.AwaitDatanodes(ctx, r.active, 3); err != nil {
		t.Fatal(err)
	}
}

// killNamenode kills the active one; the other takes over, and the dead one comes back as its standby.
func (r *ruin) killNamenode(ctx context.Context, t *testing.T) {
	dead := r.active
	r.hdfs.Namenodes[dead].Kill()
	r.active = 1 - dead
	if err := r.hdfs.Activate(ctx, r.active); err != nil {
		t.Fatal(err)
	}
	if err := r.hdfs.Namenodes[dead].Restart(); err != nil {
		t.Fatal(err)
	}
	if err := r.hdfs.AwaitDatanodes(ctx, r.active, 3); err != nil {
		t.Fatal(err)
	}
}

// freezeNamenode freezes the active one; the other takes over. The frozen one's machine accepts connections all the while,
// and when it goes on it finds that it is no longer active.
func (r *ruin) freezeNamenode(ctx context.Context, t *testing.T) {
	frozen := r.active
	r.hdfs.Namenodes[frozen].Freeze()
	r.active = 1 - frozen
	if err := r.hdfs.Activate(ctx, r.active); err != nil {
		t.Fatal(err)
	}
	pauseFor(ctx, t, 2*cableCut)
	r.hdfs.Namenodes[frozen].Kill()
	if err := r.hdfs.Namenodes[frozen].Restart(); err != nil {
		t.Fatal(err)
	}
}

func (r *ruin) fillOne(ctx context.Context, t *testing.T) { r.fill(ctx, t, 0, 2) }

func (r *ruin) refuseOne(ctx context.Context, t *testing.T) { r.fill(ctx, t, service.RefuseMB/2, 2) }

func (r *ruin) fillAll(ctx context.Context, t *testing.T) { r.fill(ctx, t, 0, 0, 1, 2) }

// fill leaves only so much room on the disks of those datanodes for a while.
func (r *ruin) fill(ctx context.Context, t *testing.T, leaveMB int, nodes ...int) {
	var empty []func() error
	for _, i := range nodes {
		e, err := r.hdfs.FillDisk(i, leaveMB)
		if err != nil {
			t.Fatal(err)
		}
		empty = append(empty, e)
	}
	pauseFor(ctx, t, cableCut)
	for _, e := range empty {
		if err := e(); err != nil {
			t.Error(err)
		}
	}
}

func (r *ruin) cutCable(ctx context.Context, t *testing.T) {
	if err := r.far.Cut(ctx); err != nil {
		t.Fatal(err)
	}
	pauseFor(ctx, t, cableCut)
	if err := r.far.Mend(ctx); err != nil {
		t.Fatal(err)
	}
}

// killAgent kills it three times, wherever it is.
func (r *ruin) killAgent(ctx context.Context, t *testing.T) {
	for range 3 {
		pauseFor(ctx, t, 700*time.Millisecond)
		r.agent.Kill()
		if err := r.agent.Restart(); err != nil {
			t.Fatal(err)
		}
		if err := r.agent.AwaitReady(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// pauseFor lets a fault last.
func pauseFor(ctx context.Context, t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-ctx.Done():
		t.Fatal(errors.New("the fault lasted too long"), context.Cause(ctx))
	}
}
