package soak

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"goflume/test/service"
)

var (
	lengthFlag = flag.Duration("soak", soakFor, "how long faults come")
	seedFlag   = flag.Uint64("seed", 0, "of the faults; 0 takes one at random")
)

func TestMain(m *testing.M) { os.Exit(service.Main(m)) }

// quietStart is how long lines flow before the first fault.
const quietStart = 10 * time.Second

// TestRealSoak is the whole: go test -v -run TestRealSoak ./test/soak -soak 10m -seed 7
func TestRealSoak(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	w := newWorld(t, *lengthFlag, seed)
	ctx, cancel := context.WithTimeout(t.Context(), w.length+4*patience)
	defer cancel()

	enough, stopWatch, watched := make(chan struct{}), make(chan struct{}), make(chan struct{})
	fed := w.feed(ctx, enough)
	go func() { defer close(watched); w.watch(ctx, stopWatch) }()
	wait(ctx, quietStart)
	if err := w.awaitFlowing(ctx); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		err := await(ctx, time.Minute, func(ctx context.Context) error {
			s, err := w.sampleAgent(ctx)
			if err == nil {
				w.quiet = append(w.quiet, s)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		wait(ctx, time.Second)
	}

	lanes := make(chan error, 2)
	wreaking, giveUp := context.WithCancel(ctx)
	defer giveUp()
	for i, faults := range [][]fault{w.onAgent(), w.onServers()} {
		go func() {
			err := w.wreak(wreaking, faults, seed, uint64(i+1), w.length, soakPause)
			if err != nil {
				giveUp() // who does not come back is looked at now
			}
			lanes <- err
		}()
	}
	if err := errors.Join(<-lanes, <-lanes); err != nil {
		t.Error(err)
	}
	close(enough)
	if err := fed(); err != nil {
		t.Error(err)
	}
	close(stopWatch)
	<-watched
	w.judge(ctx, t)
}

// judge decides when all faults are over and nothing is sent any more.
func (w *world) judge(ctx context.Context, t *testing.T) {
	t.Helper()
	begin := time.Now()
	if err := w.awaitEmpty(ctx); err != nil {
		t.Error(err)
	}
	verdicts, err := w.verdicts(ctx)
	if err != nil { // sources may have a little left, and servers may have to come round
		t.Logf("%.1f s after the end not all is there yet: %v", time.Since(begin).Seconds(), err)
		err = await(ctx, patience, func(ctx context.Context) (err error) {
			verdicts, err = w.verdicts(ctx)
			return err
		})
	}
	if err != nil {
		t.Error(err)
	}
	t.Logf("everything arrived %.1f s after the end", time.Since(begin).Seconds())
	for _, wait := range []func(context.Context) error{w.awaitMended, w.awaitSpooled} {
		if err := wait(ctx); err != nil {
			t.Error(err)
		}
	}
	rest, err := w.awaitRest(ctx)
	if err != nil {
		t.Error(err)
	}
	if err := w.judgeMemory(); err != nil {
		t.Error(err)
	}
	w.agent.Stop(time.Minute)
	if !w.agent.State().Success() {
		t.Errorf("the agent ends with %v", w.agent.State())
	}
	if names, err := w.unfinished(); err != nil || len(names) > 0 {
		t.Errorf("left over in HDFS: %v, %v", names, err)
	}
	wrong := append(w.judgeFlows(verdicts), w.judgeFiles()...)
	for _, err := range append(wrong, w.judgeLog()...) {
		t.Error(err)
	}
	table := w.report.table(w, verdicts, rest)
	t.Log("\n" + table)
	if !testing.Verbose() {
		fmt.Fprint(os.Stderr, table)
	}
}
