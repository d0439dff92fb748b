package kafka

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rcrowley/go-metrics"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/internal/retry"
)

// until waits for ok, which is asked again and again.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for ctx := bound(t); !ok(); {
		if retry.Sleep(ctx, 10*time.Millisecond) != nil {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// A member that joins waits for one that is still busy for longer than any other answer may take.
func TestJoiningWaitsForASlowMember(t *testing.T) {
	c := fake(t, kfake.SeedTopics(2, "t"))
	produce(t, c, append(text("t", 0, numbers(0, 5)...), text("t", 1, numbers(5, 10)...)...)...)
	hold, busy := make(chan struct{}), make(chan struct{}, 100)
	out := &flowtest.Recorder{OnSend: func(context.Context, *event.Batch) error {
		busy <- struct{}{}
		<-hold
		return nil
	}}
	const patient = "kafka.consumer.max.poll.interval.ms" // the slow member is not given up
	slow, _ := build(t, c, nil, patient, "30000")
	run(t, slow, out)
	<-busy

	var joins atomic.Int64
	c.ControlKey(11, func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		joins.Add(1)
		return nil, nil, false
	})
	var failed atomic.Int64
	waiting, _ := build(t, c, func(err error) {
		if err != nil {
			failed.Add(1)
		}
	}, patient, "30000", "kafka.consumer.request.timeout.ms", "1000") // enough for the other answers, on a slow machine
	run(t, waiting, &flowtest.Recorder{})
	until(t, "the request to join", func() bool { return joins.Load() > 0 })
	if err := retry.Sleep(t.Context(), 3*time.Second); err != nil { // three time-outs
		t.Fatal(err)
	}
	close(hold)
	until(t, "both joined", func() bool { return waiting.joined.Value() == 1 && slow.joined.Value() == 1 })
	if failed.Load() > 0 {
		t.Errorf("the member that waited failed %d times, want it to wait", failed.Load())
	}
}

// A member that waits is not held by a broker that froze meanwhile.
func TestJoiningGivesUpAFrozenBroker(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	var frozen atomic.Bool
	c.ControlKey(-1, func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if req.Key() == 11 {
			frozen.Store(true)
		}
		return nil, nil, frozen.Load()
	})
	told := make(chan error, 100)
	s, _ := build(t, c, func(err error) { told <- err }, "kafka.consumer.request.timeout.ms", "200")
	run(t, s, &flowtest.Recorder{})
	select {
	case err := <-told:
		if err == nil {
			t.Error("the member is well, want an error")
		}
	case <-bound(t).Done():
		t.Error("the member waits for a broker that says nothing any more")
	}
}

// While a cooperative member waits for others it reads on, and what it delivers is committed.
func TestOffsetsAreCommittedWhileTheGroupWaits(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	produce(t, c, text("t", 0, numbers(0, 5)...)...)
	var again atomic.Bool
	release := make(chan struct{})
	requests := map[string]int{}
	c.ControlKey(11, func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if id := req.(*kmsg.JoinGroupRequest).MemberID; id != "" {
			if requests[id]++; requests[id] == 2 && !again.Swap(true) {
				c.SleepControl(func() { <-release })
			}
		}
		return nil, nil, false
	})
	const strategy = "kafka.consumer.partition.assignment.strategy"
	first, _ := build(t, c, nil, strategy, "cooperative-sticky")
	out := &flowtest.Recorder{}
	run(t, first, out)
	out.Wait(bound(t), t, 5)
	second, _ := build(t, c, nil, strategy, "cooperative-sticky")
	run(t, second, &flowtest.Recorder{})
	until(t, "the first member's second request to join", again.Load)
	produce(t, c, text("t", 0, numbers(5, 10)...)...)
	until(t, "a commit of all ten", func() bool { return committed(t, c) == 10 })
	close(release)
	until(t, "both joined", func() bool { return second.joined.Value() == 1 })
}

// What a reload does to a source many times over.
func TestRunningAgainLeavesNothingBehind(t *testing.T) {
	c := fake(t, kfake.SeedTopics(2, "t"))
	s, set := build(t, c, nil)
	shown := 0
	for i := range 6 {
		out := &flowtest.Recorder{}
		end := run(t, s, out)
		produce(t, c, text("t", int32(i%2), "a")...)
		out.Wait(bound(t), t, 1)
		end()
		if i == 1 { // both partitions have been read
			shown = len(set.Attrs())
		}
	}
	if n := len(set.Attrs()); n != shown {
		t.Errorf("%d metrics, %d of them were there after the first runs", n, shown)
	}
	if s.joined.Value() != 6 || s.left.Value() != 6 {
		t.Errorf("%d joins, %d leaves; want 6", s.joined.Value(), s.left.Value())
	}
	metrics.DefaultRegistry.Each(func(name string, _ any) { t.Errorf("meter %s is left", name) })
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*Cluster).run"),
		goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*clientConn).read"),
		goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*clientConn).write"),
		goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*broker).listen"),
		goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*group).manage"))
}
