package kafka

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/internal/metric"
)

func TestTopicsThatComeLater(t *testing.T) {
	for name, kv := range map[string][]string{
		"by name":  {"kafka.topics", "t,late"},
		"by regex": {"kafka.topics", "", "kafka.topics.regex", "(t|la.e)"},
	} {
		t.Run(name, func(t *testing.T) {
			c := fake(t, kfake.SeedTopics(1, "t", "not-this"))
			s, _ := build(t, c, nil, append(kv, "kafka.consumer.allow.auto.create.topics", "false")...)
			out := &flowtest.Recorder{}
			run(t, s, out)
			produce(t, c, append(text("t", 0, "a"), text("not-this", 0, "x")...)...)
			out.Wait(bound(t), t, 1)
			if err := c.CreateTopic("late", 1, nil); err != nil {
				t.Fatal(err)
			}
			produce(t, c, text("late", 0, "b")...)
			out.Wait(bound(t), t, 2)
			if got := out.Bodies(); !slices.Equal(got, []string{"a", "b"}) {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestNoResetIsAnError(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	told := make(chan error, 100)
	s, _ := build(t, c, func(err error) {
		if err != nil {
			told <- err
		}
	}, "kafka.consumer.auto.offset.reset", "none")
	run(t, s, &flowtest.Recorder{})
	if err := <-told; !strings.Contains(err.Error(), "no committed offset") {
		t.Errorf("health: %v", err)
	}
}

func TestBrokersThatCannotBeReachedAreTold(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	told := make(chan error, 100)
	s, _ := build(t, c, func(err error) { told <- err }, "kafka.bootstrap.servers", "127.0.0.1:1")
	end := run(t, s, &flowtest.Recorder{})
	if err := <-told; err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("health: %v, want the address", err)
	}
	end()
}

func TestFrozenBrokerDoesNotHoldTheStop(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	produce(t, c, text("t", 0, "a")...)
	s, _ := build(t, c, nil)
	out := &flowtest.Recorder{}
	end := run(t, s, out)
	out.Wait(bound(t), t, 1)
	c.ControlKey(-1, func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		return nil, nil, true
	})
	began := time.Now()
	end()
	if took := time.Since(began); took > 40*time.Second {
		t.Errorf("the stop took %v", took)
	}
}

func TestLagAndCounters(t *testing.T) {
	c := fake(t, kfake.SeedTopics(1, "t"))
	s, set := build(t, c, nil, "batchSize", "5", "batchDurationMillis", "60000")
	lagOf := func() float64 {
		for _, a := range set.Attrs() {
			if a.Prom == "flume_source_kafka_lag_events" {
				return a.Func()
			}
		}
		return -1
	}
	hold := make(chan struct{})
	sent := make(chan int, 100)
	out := &flowtest.Recorder{OnSend: func(_ context.Context, b *event.Batch) error {
		sent <- len(b.Events)
		<-hold
		return nil
	}}
	produce(t, c, text("t", 0, numbers(0, 20)...)...)
	end := run(t, s, out)
	if n := <-sent; n > 5 {
		t.Errorf("a batch of %d, want at most 5", n)
	}
	hold <- struct{}{}
	<-sent // the first is delivered and noted
	if l := lagOf(); l != 15 {
		t.Errorf("lag %v after 5 of 20, want 15", l)
	}
	close(hold)
	out.Wait(bound(t), t, 20)
	end()
	if l := lagOf(); !math.IsNaN(l) {
		t.Errorf("lag %v of a partition that is not ours any more, want none", l)
	}
	if s.joined.Value() != 1 || s.left.Value() != 1 {
		t.Errorf("%d joins, %d leaves", s.joined.Value(), s.left.Value())
	}
	for _, name := range []string{"KafkaEventGetTimer", "KafkaCommitTimer", "KafkaEmptyCount"} {
		if !slices.ContainsFunc(set.Attrs(), func(a *metric.Attr) bool { return a.Flume == name }) {
			t.Errorf("no attribute %s", name)
		}
	}
}
