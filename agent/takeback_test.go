package agent

import (
	"context"
	"errors"
	"testing"
	"time"

	"goflume/channels"
	"goflume/internal/registry"
)

// vault is a probe channel that is durable. Its third Open, which is the one that takes a reload back, lasts until its
// context ends.
type vault struct {
	*probeChannel
}

func init() {
	registry.Add(channels.Registry, "vault", nil, probeSettings{BatchSize: 10}, func(env registry.Env, s probeSettings) (channels.Channel, error) {
		c, err := newProbeChannel(&spy{env.Name, s, env})
		if err != nil {
			return nil, err
		}
		return &vault{c.(*probeChannel)}, nil
	})
}

// Durable implements channels.Durable.
func (*vault) Durable() bool { return true }

// Open implements channels.Channel.
func (v *vault) Open(ctx context.Context) error {
	st := v.stage()
	st.mu.Lock()
	st.opens++
	nth := st.opens
	st.mu.Unlock()
	switch nth {
	case 1:
		return v.probeChannel.Open(ctx)
	case 2:
		return errors.New("the new settings do not work")
	}
	st.note("replaying")
	<-ctx.Done()
	return ctx.Err()
}

func TestStopEndsTheReplayOfAReloadThatIsTakenBack(t *testing.T) {
	st := newStage(t)
	config := func(mark string) []string {
		return simple("a1.channels.c1.type = vault", "a1.channels.c1.stage = STAGE", "a1.channels.c1.mark = "+mark)
	}
	a := start(t, config("one")...)
	next := plan(t, config("two")...)
	reloaded := make(chan error, 1)
	go func() {
		_, err := a.Reload(t.Context(), next)
		reloaded <- err
	}()
	until(t, "the old channel being opened again", func() bool { return st.has("replaying") })
	a.settings.DrainTimeout = time.Hour
	ended := make(chan End, 1)
	go func() { ended <- a.Stop(context.Background()) }()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the stop waits for the replay")
	}
	if err := <-reloaded; err == nil {
		t.Error("the reload was taken over")
	}
}
