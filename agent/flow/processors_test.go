package flow

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/internal/registry"
	"goflume/sinks/processor"
)

// failing returns a sink that first refuses at once, then hangs for its own limit of 20 s, then works.
func failing() *flowtest.FakeSink {
	tries := 0
	return &flowtest.FakeSink{OnWrite: func(ctx context.Context, _ []event.Event) error {
		switch tries++; tries {
		case 1:
			return errors.New("refused")
		case 2:
			select {
			case <-time.After(20 * time.Second):
			case <-ctx.Done():
			}
			return errors.New("no answer within 20s")
		}
		return nil
	}}
}

// In a group with Flume's processors a sink that fails, hangs and comes back loses nothing, and is used again.
func TestASinkThatFailsHangsAndComesBack(t *testing.T) {
	env := registry.Env{Peers: []string{"k1", "k2"}}
	for name, make := range map[string]func() (processor.Processor, error){
		"failover": func() (processor.Processor, error) {
			return processor.NewFailover(env, processor.FailoverSettings{Priority: map[string]string{"k1": "10", "k2": "5"}, MaxPenalty: 30 * time.Second})
		},
		"load_balance": func() (processor.Processor, error) {
			return processor.NewLoadBalance(env, processor.LoadBalanceSettings{Selector: "round_robin", Backoff: true, MaxTimeOut: 30 * time.Second})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, err := make()
				if err != nil {
					t.Fatal(err)
				}
				c, s1, s2 := &flowtest.FakeChannel{}, failing(), &flowtest.FakeSink{}
				r := start(t, group(p, c, newSink("k1", s1), newSink("k2", s2)))
				const n = 60
				for i := range n {
					fill(t, c, i, i+1)
					time.Sleep(time.Second)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				seen := map[string]int{}
				for _, b := range append(s1.Bodies(), s2.Bodies()...) {
					seen[b]++
				}
				for _, b := range texts(0, n) {
					if seen[b] != 1 {
						t.Errorf("event %s came %d times", b, seen[b])
					}
				}
				if len(s1.Bodies()) == 0 || len(s2.Bodies()) == 0 {
					t.Errorf("%d events by k1 and %d by k2, want both to have some", len(s1.Bodies()), len(s2.Bodies()))
				}
				if err := r.end(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
