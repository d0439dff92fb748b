package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"goflume/test/service"
)

// fault is what is done to somebody. It ends when all is well again.
type fault struct {
	name string
	// early faults come in the first half only, so that the last life of the agent is long enough to be judged.
	early  bool
	strike func(ctx context.Context, random *rand.Rand) error
}

// recovery is how long the victim of a fault may take to be well again.
const recovery = 6 * time.Minute

// onAgent are the faults of the agent, its configuration and its disk; one at a time.
func (w *world) onAgent() []fault {
	return []fault{
		{"kill the agent", true, func(ctx context.Context, random *rand.Rand) error {
			w.pid.Store(0)
			w.agent.Kill()
			w.noteDeath()
			return w.restartAgent(ctx, random)
		}},
		{"kill the agent twice", true, func(ctx context.Context, random *rand.Rand) error {
			for range 2 {
				w.pid.Store(0)
				w.agent.Kill()
				w.noteDeath()
				if err := w.agent.Restart(); err != nil {
					return err
				}
				wait(ctx, between(random, 0, 400*time.Millisecond)) // while it starts
			}
			w.agent.Kill()
			return w.restartAgent(ctx, random)
		}},
		{"freeze the agent", false, func(ctx context.Context, random *rand.Rand) error {
			w.agent.Freeze()
			wait(ctx, between(random, time.Second, 10*time.Second))
			w.agent.Thaw()
			return w.agent.AwaitReady(ctx)
		}},
		{"fill the disk", false, func(ctx context.Context, random *rand.Rand) error {
			if err := w.disk.fill(); err != nil {
				return err
			}
			wait(ctx, between(random, 3*time.Second, 15*time.Second))
			return w.disk.empty()
		}},
		{"fill the disk and kill the agent", true, func(ctx context.Context, random *rand.Rand) error {
			if err := w.disk.fill(); err != nil {
				return err
			}
			wait(ctx, between(random, time.Second, 4*time.Second))
			w.pid.Store(0)
			w.agent.Kill()
			w.noteDeath()
			if err := w.agent.Restart(); err != nil {
				return err
			}
			wait(ctx, between(random, time.Second, 3*time.Second)) // it starts on a full disk, or ends
			if err := w.disk.empty(); err != nil {
				return err
			}
			w.pid.Store(int64(w.agent.Pid()))
			if err := w.agent.AwaitReady(ctx); err == nil || w.agent.Running() {
				return err
			}
			w.pid.Store(0)
			w.startsRefused++
			return w.restartAgent(ctx, random)
		}},
		{"reload, nothing changed", false, func(ctx context.Context, _ *rand.Rand) error {
			if err := w.agent.Signal(syscall.SIGHUP); err != nil {
				return err
			}
			return w.awaitReload(ctx, 1)
		}},
		{"reload, a sink changed", false, func(ctx context.Context, random *rand.Rand) error {
			w.batch = 100 + random.IntN(900)
			return w.reload(ctx)
		}},
		{"reload, a channel changed", false, func(ctx context.Context, random *rand.Rand) error {
			w.capacity = 200_000 + random.IntN(1000)
			return w.reload(ctx)
		}},
		{"reload, a mistake", false, func(ctx context.Context, _ *rand.Rand) error {
			if err := w.agent.Reload(strings.Replace(w.conf(), "a1.channels.clog.type = file", "a1.channels.clog.type = fiel", 1)); err != nil {
				return err
			}
			if err := w.awaitReload(ctx, 0); err != nil {
				return err
			}
			return w.reload(ctx)
		}},
	}
}

// restartAgent starts a dead agent again and waits until it is ready.
func (w *world) restartAgent(ctx context.Context, random *rand.Rand) error {
	wait(ctx, between(random, 0, time.Second))
	if err := w.agent.Restart(); err != nil {
		return err
	}
	w.pid.Store(int64(w.agent.Pid()))
	return w.agent.AwaitReady(ctx)
}

// reload puts the current configuration in force.
func (w *world) reload(ctx context.Context) error {
	if err := w.agent.Reload(w.conf()); err != nil {
		return err
	}
	return w.awaitReload(ctx, 1)
}

// awaitReload waits until the last reload has gone well, 1, or not, 0.
func (w *world) awaitReload(ctx context.Context, want float64) error {
	return service.Await(ctx, fmt.Sprintf("flume_config_last_reload_successful %v", want), func(ctx context.Context) error {
		got, err := w.agent.Metric(ctx, `flume_config_last_reload_successful{agent="a1"}`)
		if err == nil && got != want {
			err = fmt.Errorf("it is %v", got)
		}
		return err
	}, w.agent.Process)
}

// onServers are the faults of the servers; one at a time, beside those of the agent.
func (w *world) onServers() []fault {
	var all []fault
	add := func(name string, victims []*service.Process, freeze time.Duration, await func(context.Context) error) {
		pick := func(random *rand.Rand) *service.Process { return victims[random.IntN(len(victims))] }
		all = append(all, fault{"kill " + name, false, func(ctx context.Context, random *rand.Rand) error {
			victim := pick(random)
			victim.Kill()
			wait(ctx, between(random, 0, 5*time.Second))
			if err := victim.Restart(); err != nil {
				return err
			}
			return await(ctx)
		}}, fault{"freeze " + name, false, func(ctx context.Context, random *rand.Rand) error {
			victim := pick(random)
			victim.Freeze()
			wait(ctx, between(random, time.Second, freeze))
			victim.Thaw()
			return await(ctx)
		}})
	}
	add("a broker", w.kafka.Brokers, 15*time.Second, func(ctx context.Context) error { return w.kafka.AwaitBrokers(ctx, len(w.kafka.Brokers)) })
	datanodes := func(ctx context.Context) error { return w.hdfs.AwaitDatanodes(ctx, len(w.hdfs.Datanodes)) }
	add("a datanode", w.hdfs.Datanodes, 20*time.Second, datanodes)
	add("the namenode", []*service.Process{w.hdfs.Namenode}, 10*time.Second, datanodes)
	add("the search server", []*service.Process{w.search.Process}, 15*time.Second, w.search.AwaitReady)
	return all
}

// wreak strikes with one fault after the other until the time is over: each kind once in random order, then again in
// another. The order and all that is random follows from the seed.
func (w *world) wreak(ctx context.Context, faults []fault, seed, lane uint64, length, pause time.Duration) error {
	random := rand.New(rand.NewPCG(seed, lane))
	begin := time.Now()
	for bag := []int(nil); ; {
		if len(bag) == 0 {
			bag = random.Perm(len(faults))
		}
		f := faults[bag[0]]
		bag = bag[1:]
		elapsed := time.Since(begin)
		if elapsed >= length || ctx.Err() != nil {
			return nil
		}
		if f.early && elapsed > length/2 {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, recovery)
		struck := time.Now()
		err := f.strike(limited, random)
		cancel()
		w.report.struck(f.name, time.Since(begin), time.Since(struck), err)
		if err != nil {
			return fmt.Errorf("%s, %v after the start: %w", f.name, elapsed.Round(time.Second), err)
		}
		wait(ctx, between(random, pause/2, pause*3/2))
	}
}

func between(random *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(random.Int64N(int64(high-low)))
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
