//go:build long && linux

package test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"goflume/test/service"
)

// filledBy and drainedBy are agents on one file channel.
const (
	filledBy = `
a1.sources = r1
a1.channels = c1
a1.sources.r1.type = stress
a1.sources.r1.size = 500
a1.sources.r1.batchSize = 1000
a1.sources.r1.maxTotalEvents = %[2]d
a1.sources.r1.channels = c1
` + queueChannel
	drainedBy = `
a1.channels = c1
a1.sinks = k1
a1.sinks.k1.type = null
a1.sinks.k1.batchSize = 1000
a1.sinks.k1.channel = c1
` + queueChannel
	queueChannel = `
a1.channels.c1.type = file
a1.channels.c1.checkpointDir = %[1]s/checkpoint
a1.channels.c1.dataDirs = %[1]s/data
a1.channels.c1.capacity = 20000000
a1.channels.c1.minimumRequiredSpace = 1048576
`
)

// TestRealTenMillionQueued: what a backlog of 5 GB costs the real program in memory, and how long its restart takes, in
// order and after a kill.
func TestRealTenMillionQueued(t *testing.T) {
	const events = 10_000_000
	const most = 200 << 10 // KiB of resident memory after a restart
	const more = 16 << 10  // KiB that a heap may grow by in nine million events: less than two bytes for each
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Minute)
	defer cancel()
	a := service.Start(t, service.Agent{Conf: fmt.Sprintf(filledBy, dir, events)})
	first := 0
	for _, n := range []int{events / 10, events} {
		err := service.Await(ctx, fmt.Sprintf("%d events", n), func(ctx context.Context) error {
			size, err := a.Metric(ctx, `flume_channel_events{agent="a1",channel="c1",type="file"}`)
			if err == nil && int(size) < n {
				err = fmt.Errorf("%.0f", size)
			}
			return err
		}, a.Process)
		if err != nil {
			t.Fatal(err)
		}
		peak := peakKiB(t, a.Pid())
		t.Logf("%d events queued: at most %d MiB resident", n, peak>>10)
		if first == 0 {
			first = peak
		}
		if peak > first+more {
			t.Errorf("%d KiB resident with %d events queued, %d with a tenth of them", peak, n, first)
		}
	}
	a.Stop(time.Minute)
	for _, end := range []string{"stopped in order", "killed"} {
		begin := time.Now()
		b := service.Start(t, service.Agent{Conf: fmt.Sprintf(drainedBy, dir), Unready: true})
		taken := 0.0
		for taken == 0 && ctx.Err() == nil {
			taken, _ = b.Metric(ctx, `flume_channel_events_taken_total{agent="a1",channel="c1",type="file"}`)
		}
		took := time.Since(begin)
		peak := peakKiB(t, b.Pid())
		t.Logf("%s: %v from the start of the process to the first delivery, at most %d MiB resident by then", end, took.Round(time.Millisecond), peak>>10)
		if took > 2*time.Second || peak > most {
			t.Errorf("%s: restart took %v and %d KiB", end, took, peak)
		}
		if end != "killed" {
			b.Kill()
			continue
		}
		if err := b.AwaitEmpty(ctx, "c1"); err != nil {
			t.Fatal(err)
		}
		peak = peakKiB(t, b.Pid())
		t.Logf("all delivered: at most %d MiB resident", peak>>10)
		if peak > most {
			t.Errorf("%d KiB resident while 5 GB were delivered", peak)
		}
		b.Stop(time.Minute)
	}
}

// peakKiB is the most that a process had resident so far.
func peakKiB(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			var kib int
			if _, err := fmt.Sscanf(value, "%d kB", &kib); err != nil {
				t.Fatal(err)
			}
			return kib
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
