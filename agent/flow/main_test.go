package flow

import (
	"fmt"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"goflume/channels"
	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/internal/metric"
	"goflume/sinks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ref(name string, c channels.Channel) ChannelRef {
	return ChannelRef{Name: name, Channel: c, Metrics: metric.NewChannel(metric.NewSet(metric.Channel, "a1", name, "fake"))}
}

func newInlet() *Inlet {
	return NewInlet("r1", metric.NewSet(metric.Source, "a1", "r1", "fake"), slog.New(slog.DiscardHandler))
}

func newSink(name string, s sinks.Sink) *Sink {
	return NewSink(name, s, metric.NewSet(metric.Sink, "a1", name, "fake"), slog.New(slog.DiscardHandler))
}

func newOutlet() *Outlet { return NewOutlet("k1", slog.New(slog.DiscardHandler)) }

// numbers returns a batch of the bodies from..to-1.
func numbers(from, to int) *event.Batch {
	var b event.Batch
	for i := from; i < to; i++ {
		b.Add(fmt.Appendf(nil, "%d", i))
	}
	return &b
}

// texts returns the bodies of numbers.
func texts(from, to int) []string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

// fill puts the numbers into the channel, one transaction.
func fill(t *testing.T, c *flowtest.FakeChannel, from, to int) {
	t.Helper()
	if err := c.Put(t.Context(), numbers(from, to).Events); err != nil {
		t.Fatal(err)
	}
}
