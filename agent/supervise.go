package agent

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"goflume/agent/flow"
	"goflume/conf"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/retry"
	"goflume/internal/safe"
	"goflume/sources"
)

const (
	// grace is how long a source that tells nothing, neither by listening nor by its health, counts as starting.
	grace = 500 * time.Millisecond
	// lookup is how long a start or reload waits for a source that looks up the name to listen on.
	lookup = time.Second
	// steady is how long a source must have run for its back-off to begin anew.
	steady = 10 * time.Second
)

// source is one source under supervision: its Run is called again, with back-off, until it is stopped.
type source struct {
	tenant
	plan    registry.Plan[sources.Source]
	node    atomic.Pointer[conf.Node] // its latest place in the file
	source  sources.Source
	set     *metric.Set
	inlet   *flow.Inlet
	health  health
	log     *slog.Logger
	sockets *sockets

	slow    atomic.Pointer[time.Timer] // of grace
	settled chan struct{}              // closed once it runs or has failed, the first time
	once    sync.Once
	cancel  context.CancelFunc
	done    chan struct{} // closed when it has stopped
}

// start runs the source until stop.
func (s *source) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.set.Start(time.Now())
	go func() {
		defer close(s.done)
		s.run(ctx)
		s.set.Stop(time.Now())
		s.settle()
	}()
}

// stop has the source end and waits for it; it tells whether it did before ctx.
func (s *source) stop(ctx context.Context) bool {
	s.cancel()
	select {
	case <-s.done:
		return true
	case <-ctx.Done():
		s.sockets.release(&s.tenant) // the next one is to have them
		err := errors.New("it has not returned after it was told to stop")
		s.health.fail(Failed, err)
		s.log.Error("Source does not stop", "err", err)
		return false
	}
}

func (s *source) settle() { s.once.Do(func() { close(s.settled) }) }

// up notes that the source runs, unless it has told otherwise.
func (s *source) up() {
	s.health.turn(Starting, Running)
	s.settle()
}

func (s *source) run(ctx context.Context) {
	wait := retry.Default()
	for {
		began := time.Now()
		s.health.set(Starting)
		s.slow.Store(time.AfterFunc(grace, s.up))
		err := safe.Call(func() error { return s.source.Run(ctx, s.inlet) })
		s.slow.Load().Stop()
		s.sockets.release(&s.tenant)
		if ctx.Err() != nil || err == nil {
			s.ended(ctx, err)
			return
		}
		s.sockets.sweep(&s.tenant) // rather refused than left waiting
		if time.Since(began) > steady {
			wait.Reset()
		}
		var taken *PortError
		if errors.As(err, &taken) {
			taken.Explain()
		}
		d := wait.Next()
		if s.health.fail(Backoff, err) {
			s.tell(err, d)
		}
		s.settle()
		if retry.Sleep(ctx, d) != nil {
			s.ended(ctx, nil)
			return
		}
	}
}

// ended notes the end of the last Run: by stop, or by itself.
func (s *source) ended(ctx context.Context, err error) {
	s.health.set(Stopped)
	switch {
	case ctx.Err() == nil:
		s.sockets.sweep(&s.tenant)
		s.log.Info("Source has come to its end")
	case err != nil && !errors.Is(err, context.Canceled):
		s.log.Warn("Source ended with an error when it was stopped", "err", err)
	}
}

// tell logs a failure: where, why, what to do, and when it is tried again.
func (s *source) tell(err error, wait time.Duration) {
	n := s.node.Load()
	var taken *PortError
	if errors.As(err, &taken) {
		facts := []any{"code", "FL610", "retry", wait}
		if taken.Holder != "" {
			facts = append(facts, "held_by", taken.Holder)
		}
		if p, ok := n.Get("port"); ok {
			facts = append(facts, "at", p.ValueAt.String(), "help", "stop what has the port, or change "+n.Path()+".port")
		}
		s.log.Error("Source cannot listen on "+taken.Addr+": address already in use", facts...)
		return
	}
	s.log.Error("Source failed and will be started again", failure(err, "retry", wait)...)
}

// failure are the attributes of an error: its text, and the stack where it was a panic.
func failure(err error, more ...any) []any {
	facts := append([]any{"err", err}, more...)
	var p *safe.Panic
	if errors.As(err, &p) {
		facts = append(facts, "stack", string(p.Stack))
	}
	return facts
}

// report is the Env's Health.
func (s *source) report(err error) {
	if err == nil {
		s.health.set(Running)
	} else if s.health.fail(Backoff, err) {
		s.log.Warn("Source waits and will try again", "err", err)
	}
	s.settle()
}

// listen is the Env's Listen.
func (s *source) listen(ctx context.Context, network, addr string) (net.Listener, error) {
	t := s.slow.Load()
	if t != nil {
		t.Stop() // it tells now
	}
	late := time.AfterFunc(lookup, s.settle)
	l, err := s.sockets.listen(ctx, &s.tenant, network, addr)
	late.Stop()
	if err == nil {
		s.log.Info("Listening", "address", l.Addr())
		s.up()
	} else if t != nil {
		t.Reset(grace) // if it neither fails nor tells, it is not waited for
	}
	return l, err
}
