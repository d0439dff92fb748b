package flow

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/sinks"
	"goflume/sources"
)

// luck fails things at random, the same way for a seed. It may be used by many goroutines.
type luck struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (l *luck) n(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.IntN(n)
}

// one tells with a chance of 1 in n.
func (l *luck) one(n int) bool { return l.n(n) == 0 }

func (l *luck) nap(most time.Duration) { time.Sleep(time.Duration(l.n(int(most)))) }

// store is a destination that knows whether first deliveries come in order.
type store struct {
	mu    sync.Mutex
	next  int
	wrong []string
}

func (s *store) deliver(events []event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		n, err := strconv.Atoi(string(e.Body))
		if err != nil || n > s.next {
			s.wrong = append(s.wrong, fmt.Sprintf("%s came when %d was next", e.Body, s.next))
		}
		s.next = max(s.next, n+1)
	}
}

// shaky is a sink whose every call may fail or panic.
type shaky struct {
	*luck
	*store
}

func (s shaky) call() error {
	s.nap(20 * time.Millisecond)
	if s.one(40) {
		panic("sink bug")
	}
	if s.one(10) {
		return errors.New("unlucky")
	}
	return nil
}

func (s shaky) Open(context.Context) error  { return s.call() }
func (s shaky) Close(context.Context) error { return nil }
func (s shaky) BatchSize() int              { return 10 }

func (s shaky) Tick(_ context.Context, now time.Time) (time.Time, error) {
	return now.Add(100 * time.Millisecond), s.call()
}

func (s shaky) Write(_ context.Context, events []event.Event) error {
	err := s.call()
	if err == nil || s.one(2) { // an error does not say that nothing arrived
		s.deliver(events)
	}
	return err
}

// shakyPipe delivers in the order of Start, and reports in any order.
type shakyPipe struct {
	shaky
	queue   chan func()
	mu      *sync.Mutex
	broken  *bool
	pending *sync.WaitGroup
}

func newShakyPipe(s shaky) shakyPipe {
	p := shakyPipe{s, make(chan func(), 100), new(sync.Mutex), new(bool), new(sync.WaitGroup)}
	go func() {
		for f := range p.queue {
			f()
		}
	}()
	return p
}

func (p shakyPipe) Start(_ context.Context, events []event.Event, done func(error)) error {
	p.mu.Lock()
	broken := *p.broken
	p.mu.Unlock()
	if broken || p.one(30) {
		return errors.New("not started")
	}
	p.pending.Add(1)
	p.queue <- func() {
		p.nap(10 * time.Millisecond)
		p.mu.Lock()
		*p.broken = *p.broken || p.one(15)
		broken := *p.broken
		p.mu.Unlock()
		var err error
		if broken {
			err = errors.New("broken")
		} else {
			p.deliver(events)
		}
		go func() {
			p.nap(30 * time.Millisecond)
			done(err)
			p.pending.Done()
		}()
	}
	return nil
}

func (p shakyPipe) Window() int { return 5 }

func (p shakyPipe) Abort() {
	p.pending.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	*p.broken = false
}

// TestNothingIsLostNorOutOfOrderWhateverFails sends numbers through a flow of which everything fails at times, while it
// is rewired. Each must arrive, and for the first time in order.
func TestNothingIsLostNorOutOfOrderWhateverFails(t *testing.T) {
	for seed := range uint64(30) {
		for _, piped := range []bool{false, true} {
			t.Run(fmt.Sprint("seed=", seed, "/piped=", piped), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { torture(t, seed, piped) })
			})
		}
	}
}

func torture(t *testing.T, seed uint64, piped bool) {
	const events = 1000
	l := &luck{r: rand.New(rand.NewPCG(seed, 0))}
	unlucky := func() error {
		if l.one(20) {
			return errors.New("unlucky")
		}
		return nil
	}
	c := &flowtest.FakeChannel{Capacity: 100, MaxTx: 15,
		OnPut: func([]event.Event) error {
			if l.one(10) {
				return refuse(event.ErrFull)
			}
			return nil
		},
		OnTake:   unlucky,
		OnCommit: func([]event.Event) error { return unlucky() },
	}
	dst := new(store)
	var s sinks.Sink = shaky{l, dst}
	if piped {
		p := newShakyPipe(shaky{l, dst})
		defer close(p.queue)
		s = p
	}
	k := newSink("k1", s)
	w := one(k, c)
	w.Sinks[0].Drain = true
	r := start(t, w)
	in, iw := wire(nil, nil, c)

	operating, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for operating.Err() == nil {
			l.nap(2 * time.Second)
			switch l.n(2) {
			case 0:
				if err := r.outlet.Rewire(w)(t.Context()); err != nil {
					t.Error(err)
				}
			case 1:
				in.Rewire(nil)
				l.nap(time.Second)
				in.Rewire(iw)
			}
		}
	})
	for at := 0; at < events; {
		n := min(1+l.n(40), events-at)
		if err := sources.Deliver(t.Context(), in, numbers(at, at+n), nil); err != nil {
			t.Fatal(err)
		}
		at += n
		l.nap(100 * time.Millisecond)
	}
	cancel()
	wg.Wait()
	if err := r.end(); err != nil {
		t.Error(err)
	}
	if err := k.Close(t.Context()); err != nil {
		t.Error(err)
	}
	dst.mu.Lock()
	defer dst.mu.Unlock()
	if dst.next != events || len(dst.wrong) > 0 {
		t.Errorf("%d of %d events arrived; out of order: %v", dst.next, events, dst.wrong)
	}
	wantCount(t, "accepted", in.count.Accepted.Value(), events)
	wantCount(t, "delivered", k.count.DrainSuccess.Value(), events)
}
