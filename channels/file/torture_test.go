package file

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"goflume/channels"
	"goflume/event"
	"goflume/internal/vfs"
	"goflume/internal/vfs/errfs"
	"goflume/internal/vfs/memfs"
)

// model is what the channel promised: the state of every event ever put, by number.
type model struct {
	states []eventState
	puts   [][2]int // first number and length of each transaction
}

type eventState uint8

const (
	unsure   eventState = iota // Put did not return nil: may be there or not, whole
	queued                     // Put returned nil
	maybe                      // taken; Commit did not return nil before the crash
	finished                   // Commit returned nil
	gone                       // was unsure or maybe, and was not there after a crash
)

// torture runs random steps against the channel on a disk that fails as fail says, until the disk is down or the steps
// are done. It returns an error where the channel breaks a promise.
type torture struct {
	m   model
	rng *rand.Rand
	set Settings

	open []openTx
}

type openTx struct {
	tx      channels.Tx
	numbers []int
}

func (x *torture) bodies(first, n int) []event.Event {
	events := make([]event.Event, n)
	for i := range events {
		b := fmt.Appendf(nil, "%08d", first+i)
		events[i] = event.Event{Body: append(b, make([]byte, 500+x.rng.IntN(3000))...)}
		if x.rng.IntN(3) == 0 {
			events[i].Headers = []event.Header{{Key: "n", Value: fmt.Sprint(first + i)}}
		}
	}
	return events
}

func numberOf(e *event.Event) int {
	n := -1
	if len(e.Body) >= 8 {
		_, _ = fmt.Sscanf(string(e.Body[:8]), "%08d", &n)
	}
	return n
}

// down tells whether the disk has crashed, so that errors mean nothing.
func down(err error) bool { return errors.Is(err, memfs.ErrDown) }

// life opens the channel and does up to steps things with it; it returns whether the disk went down.
func (x *torture) life(fsys vfs.FS, steps int, mayFail bool) (crashed bool, err error) {
	c := newChannel(testEnv(), x.set, fsys)
	if err := c.Open(context.Background()); err != nil {
		if down(err) || mayFail {
			return true, nil
		}
		return false, fmt.Errorf("open: %w", err)
	}
	defer c.Close()
	x.open = nil
	for range steps {
		switch k := x.rng.IntN(20); {
		case k < 9:
			err = x.put(c, mayFail)
		case k < 14:
			err = x.take(c)
		case k < 17:
			err = x.end(c, true)
		case k < 18:
			err = x.end(c, false)
		case k < 19:
			err = c.checkpoint(nil, false)
		default:
			c.housekeep(false)
		}
		if down(err) {
			return true, nil
		}
		if err != nil && !mayFail {
			return false, err
		}
		if errors.Is(err, errBroken) {
			return false, err
		}
		if !mayFail {
			if err := x.counts(c); err != nil {
				return false, err
			}
		}
	}
	if x.rng.IntN(2) == 0 {
		if err := c.Close(); err != nil && !down(err) && !mayFail {
			return false, err
		} else if down(err) {
			return true, nil
		}
		x.forget()
		return false, nil
	}
	x.forget()
	return true, nil
}

// counts compares what the channel says it holds with the model.
func (x *torture) counts(c *Channel) error {
	held := 0
	for _, o := range x.open {
		held += len(o.numbers)
	}
	if s, n := c.Stats(), x.queued(); s.Held != held || s.Size != n-held || n > x.set.Capacity {
		return fmt.Errorf("%w: %+v, want %d queued and %d held of %d", errBroken, s, n-held, held, x.set.Capacity)
	}
	return nil
}

// queued returns how many events the channel holds, as long as nothing failed in this life.
func (x *torture) queued() (n int) {
	for _, s := range x.m.states {
		if s == queued {
			n++
		}
	}
	return n
}

// forget: what was in transactions is queued again.
func (x *torture) forget() { x.open = nil }

var errBroken = errors.New("promise broken")

func (x *torture) put(c *Channel, mayFail bool) error {
	first, n := len(x.m.states), 1+x.rng.IntN(8)
	x.m.states = append(x.m.states, make([]eventState, n)...)
	x.m.puts = append(x.m.puts, [2]int{first, n})
	err := c.Put(context.Background(), x.bodies(first, n))
	if err == nil {
		for i := range n {
			x.m.states[first+i] = queued
		}
	}
	if errors.Is(err, event.ErrFull) && !down(err) {
		if !mayFail && x.queued()+n <= x.set.Capacity {
			return fmt.Errorf("%w: full with %d of %d", errBroken, x.queued(), x.set.Capacity)
		}
		for i := range n {
			x.m.states[first+i] = gone
		}
		err = nil
	}
	return err
}

func (x *torture) take(c *Channel) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	tx, err := c.Take(ctx, 1+x.rng.IntN(12), 0)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	if err != nil {
		return err
	}
	o := openTx{tx: tx}
	last := -1
	for i := range tx.Events() {
		n := numberOf(&tx.Events()[i])
		if n < 0 || n >= len(x.m.states) {
			return fmt.Errorf("%w: delivered what was never put: %d", errBroken, n)
		}
		if n <= last {
			return fmt.Errorf("%w: %d delivered after %d", errBroken, n, last)
		}
		if h, ok := tx.Events()[i].Header("n"); ok && h != fmt.Sprint(n) {
			return fmt.Errorf("%w: header %q of event %d", errBroken, h, n)
		}
		last = n
		switch x.m.states[n] {
		case finished:
			return fmt.Errorf("%w: %d delivered after its acknowledgement", errBroken, n)
		case gone:
			return fmt.Errorf("%w: %d came back", errBroken, n)
		}
		for _, other := range x.open {
			if slices.Contains(other.numbers, n) {
				return fmt.Errorf("%w: %d is in two transactions", errBroken, n)
			}
		}
		o.numbers = append(o.numbers, n)
	}
	x.open = append(x.open, o)
	return nil
}

func (x *torture) end(c *Channel, commit bool) error {
	if len(x.open) == 0 {
		return nil
	}
	i := x.rng.IntN(len(x.open))
	o := x.open[i]
	x.open = slices.Delete(x.open, i, i+1)
	if !commit {
		return o.tx.Rollback()
	}
	for _, n := range o.numbers {
		if x.m.states[n] != finished {
			x.m.states[n] = maybe
		}
	}
	if err := o.tx.Commit(); err != nil {
		return err
	}
	for _, n := range o.numbers {
		x.m.states[n] = finished
	}
	return nil
}

// verify opens the channel, takes everything and compares: every event that was promised is there once, what was
// acknowledged is not, and transactions are whole.
func (x *torture) verify(fsys vfs.FS) error {
	c := newChannel(testEnv(), x.set, fsys)
	if err := c.Open(context.Background()); err != nil {
		return fmt.Errorf("%w: open to verify: %w", errBroken, err)
	}
	defer c.Close()
	size := c.Stats().Size
	seen := map[int]bool{}
	x.open = nil
	for {
		before := len(x.open)
		if err := x.take(c); err != nil {
			return err
		}
		if len(x.open) == before {
			break
		}
	}
	last := -1
	for _, o := range x.open {
		for _, n := range o.numbers {
			if n <= last {
				return fmt.Errorf("%w: after the crash %d comes behind %d", errBroken, n, last)
			}
			seen[n], last = true, n
		}
	}
	if size != len(seen) {
		return fmt.Errorf("%w: %d events counted, %d delivered: %s", errBroken, size, len(seen), c.describe())
	}
	for n, s := range x.m.states {
		if s == queued && !seen[n] {
			return fmt.Errorf("%w: %d is lost", errBroken, n)
		}
	}
	for _, p := range x.m.puts {
		in, out := 0, 0
		for i := range p[1] {
			if x.m.states[p[0]+i] == unsure {
				if seen[p[0]+i] {
					in++
				} else {
					out++
				}
			}
		}
		if in > 0 && out > 0 {
			return fmt.Errorf("%w: of transaction %v %d are there and %d not", errBroken, p, in, out)
		}
	}
	for n, s := range x.m.states {
		switch {
		case seen[n]:
			x.m.states[n] = queued
		case s == unsure || s == maybe:
			x.m.states[n] = gone
		}
	}
	x.open = nil
	return nil
}

func tortureSettings(rng *rand.Rand) Settings {
	s := small()
	s.Capacity, s.TransactionCapacity = 60, 20
	s.CacheBytes = []int64{0, 5000, 1 << 20}[rng.IntN(3)]
	if rng.IntN(3) == 0 {
		s.DataDirs = append(s.DataDirs, "/ch/data2")
	}
	if rng.IntN(3) == 0 {
		s.UseDualCheckpoints, s.BackupCheckpointDir = true, "/ch/backup"
	}
	return s
}

// crashScript runs one script several lives long; in each life but the last the disk goes down at the operation given.
// It returns how many operations an undisturbed life has.
func crashScript(seed uint64, at int64, lives int) (ops int64, err error) {
	rng := rand.New(rand.NewPCG(seed, 77))
	x := &torture{rng: rng, set: tortureSettings(rng)}
	disk := memfs.New()
	disk.CopyOnWrite = rng.IntN(5) == 0
	if x.set.FsyncPerTransaction = rng.IntN(6) > 0; !x.set.FsyncPerTransaction {
		x.set.FsyncInterval = time.Hour
	}
	for life := range lives {
		e := errfs.New(disk, nil)
		e.Fail = func(c errfs.Call) error {
			if at > 0 && c.N == at {
				disk.Halt()
			}
			return nil
		}
		if _, err := x.life(e, 40, false); err != nil {
			return 0, fmt.Errorf("life %d: %w", life, err)
		}
		ops = max(ops, e.Count())
		how := rng
		if rng.IntN(4) == 0 || !x.set.FsyncPerTransaction {
			how = nil // killed, not cut off
		}
		disk = disk.Crash(how)
		if err := x.verify(disk); err != nil {
			return 0, fmt.Errorf("after life %d: %w", life, err)
		}
		disk = disk.Crash(how)
	}
	return ops, nil
}

func TestCrashAtEveryOperation(t *testing.T) {
	for script := range uint64(crashScripts) {
		ops, err := crashScript(script, 0, 1)
		if err != nil {
			t.Fatalf("script %d: %v", script, err)
		}
		for at := int64(1); at <= ops; at++ {
			if _, err := crashScript(script, at, 2); err != nil {
				t.Fatalf("script %d, down at operation %d: %v", script, at, err)
			}
		}
	}
}

func TestRandomCrashes(t *testing.T) {
	for seed := range uint64(randomCrashes) {
		rng := rand.New(rand.NewPCG(seed, 99))
		if _, err := crashScript(1000+seed, 1+rng.Int64N(400), 4); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// describe tells where a channel stands, for the messages of failed tests.
func (c *Channel) describe() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := fmt.Sprintf("next %d, done %+v, gen %d\n", c.next, c.done, c.gen)
	for _, l := range c.lanes {
		s += fmt.Sprintf("lane %d cur %v spilled %v cache %d heads %d\n", l.id, l.cur, l.spilled, len(l.cache), len(l.heads))
		for _, g := range l.segs {
			s += fmt.Sprintf("  segment %d %s end %d size %d events %d..%d closed %v poisoned %v puts %v\n", g.id, g, g.end, g.size, g.first, g.last, g.closed, g.poisoned, g.puts)
		}
	}
	for _, g := range c.dropped {
		s += fmt.Sprintf("dropped %d %s gen %d\n", g.id, g, g.dropped)
	}
	return s
}
