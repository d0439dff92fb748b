package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/registry"
	"goflume/sources"
)

type deafSettings struct {
	// The test.
	Stage string `conf:"stage,required"`
	// Anything, for a change.
	Mark string `conf:"mark"`
	// Where to listen, if anywhere.
	Address string `conf:"address"`
}

// deaf is a source that does not hear that it is to stop: it sends what the test feeds it until the test ends, and tells
// what became of each batch.
type deaf struct {
	env      registry.Env
	settings deafSettings
}

func init() {
	registry.Add(sources.Registry, "deaf", nil, deafSettings{}, func(env registry.Env, s deafSettings) (sources.Source, error) {
		return &deaf{env, s}, nil
	})
}

func (d *deaf) Run(_ context.Context, out sources.Output) error {
	st := stageOf(d.settings.Stage)
	if d.settings.Address != "" {
		l, err := d.env.Listen(context.Background(), "tcp", d.settings.Address)
		if err != nil {
			return err
		}
		go func() {
			if c, err := l.Accept(); err == nil {
				st.note("accepted by %s", d.settings.Mark)
				c.Close()
			}
		}()
	}
	d.env.Health(nil)
	for {
		select {
		case <-st.hung:
			return nil
		case bodies := <-st.feed(d.env.Name):
			var b event.Batch
			for _, text := range bodies {
				b.Add([]byte(text))
			}
			switch err := out.Send(context.Background(), &b); {
			case err == nil:
				st.note("took %s", bodies[0])
			case errors.Is(err, event.ErrClosed):
				st.note("refused %s", bodies[0])
			default:
				st.note("%s: %v", bodies[0], err)
			}
		}
	}
}

func TestSourceThatDoesNotStopIsRefusedWhatComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		a := start(t, simple("a1.channels.c1.type = probe", "a1.channels.c1.stage = STAGE", "a1.sources.r1.type = deaf")...)
		a.settings.DrainTimeout = 200 * time.Millisecond
		open := st.shut("k1")
		st.feed("r1") <- numbered(0, 3)
		until(t, "events in the channel", func() bool { return a.now.channels["c1"].size() == 3 })
		slow := make(chan struct{})
		st.mu.Lock()
		st.gates["c1 at its end"] = slow
		st.mu.Unlock()
		ended := make(chan End, 1)
		go func() { ended <- a.Stop(context.Background()) }()
		until(t, "r1 given up", func() bool { return component(t, a, "r1").State == Failed })
		open() // half of the drain timeout is left for the sinks
		until(t, "the channel closing", func() bool { return st.has("close c1") })
		st.feed("r1") <- []string{"late"}
		until(t, "an answer", func() bool { return st.has("refused late") || st.has("took late") })
		close(slow)
		end := <-ended
		if !st.has("refused late") {
			t.Errorf("what came when the channel was closing was acknowledged: %v", st.noted())
		}
		if got := st.in("k1"); len(got) != 3 || len(end.Lost) > 0 {
			t.Errorf("k1 has %v and the end is %+v; want the three events before the stop delivered", got, end)
		}
	})
}

func TestExchangedSourceThatDoesNotStopIsRefusedWhatComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		two := simple("a1.channels = c1 c2", "a1.sources.r1.type = deaf", "a1.sources.r1.channels = c2", "a1.channels.c2.type = memory",
			"a1.sinks = k1 k2", "a1.sinks.k2.type = probe", "a1.sinks.k2.stage = STAGE", "a1.sinks.k2.channel = c2")
		a := start(t, two...)
		a.settings.DrainTimeout = 200 * time.Millisecond
		old := a.now.channels["c2"]
		reload(t, a, simple("a1.sources.r1.mark = other")...)
		st.feed("r1") <- []string{"late"}
		until(t, "an answer", func() bool { return st.has("refused late") || st.has("took late") })
		if !st.has("refused late") || old.size() != 0 {
			t.Errorf("what came after the reload: %v, and the removed channel holds %d events", st.noted(), old.size())
		}
	})
}
