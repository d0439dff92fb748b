package agent

import (
	"context"
	"testing"
	"time"

	"goflume/internal/registry"
	"goflume/internal/retry"
	"goflume/sources"
)

type stubbornSettings struct {
	// Where to listen.
	Address string `conf:"address,required"`
}

// stubborn is a source that tries by itself until it can listen, and tells nobody.
type stubborn struct {
	env     registry.Env
	address string
}

func init() {
	registry.Add(sources.Registry, "stubborn", nil, stubbornSettings{}, func(env registry.Env, s stubbornSettings) (sources.Source, error) {
		return &stubborn{env, s.Address}, nil
	})
}

func (s *stubborn) Run(ctx context.Context, _ sources.Output) error {
	for {
		_, err := s.env.Listen(ctx, "tcp", s.address)
		if err == nil {
			<-ctx.Done()
			return nil
		}
		if retry.Sleep(ctx, time.Second) != nil {
			return nil
		}
	}
}

func TestSourceThatTriesToListenByItselfHoldsUpNoStart(t *testing.T) {
	newStage(t)
	a := start(t, simple("a1.sources = r1 r2", "a1.sources.r2.type = stubborn", "a1.sources.r2.address = 127.0.0.1:-1", "a1.sources.r2.channels = c1")...)
	if got := component(t, a, "r1").State; got != Running {
		t.Errorf("r1: %s, want RUNNING", got)
	}
}
