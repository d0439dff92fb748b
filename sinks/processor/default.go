package processor

import (
	"errors"
	"time"

	"goflume/internal/registry"
)

// DefaultSettings of the default processor, which has one sink and always picks it.
type DefaultSettings struct{}

func init() {
	registry.Add(Registry, "default", []string{"org.apache.flume.sink.DefaultSinkProcessor"}, DefaultSettings{}, NewDefault)
}

// Default always picks the one sink it has. It is also what a sink outside of any group has.
type Default struct{}

// NewDefault returns the processor of a group of one; more than one in Env.Peers is the error.
func NewDefault(env registry.Env, _ DefaultSettings) (Processor, error) {
	if len(env.Peers) > 1 {
		return nil, errors.New("the default sink processor can only handle one sink; use failover or load_balance for several")
	}
	return Default{}, nil
}

// Pick implements Processor. Waits after failures are the flow's own.
func (Default) Pick(time.Time) (sink int, wait time.Duration) { return 0, 0 }

// Done implements Processor.
func (Default) Done(int, error, time.Time) {}
