package flow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/sources"
	"goflume/sources/selector"
)

// to wires the inlet to channels by name.
func to(in *Inlet, s selector.Selector, names []string, cs ...*flowtest.FakeChannel) func(context.Context) error {
	w := &InletWiring{Selector: s}
	for i, c := range cs {
		w.Channels = append(w.Channels, ref(names[i], c))
	}
	return in.Rewire(w)
}

func full() *flowtest.FakeChannel {
	return &flowtest.FakeChannel{OnPut: func([]event.Event) error { return refuse(event.ErrFull) }}
}

func TestRefusedBatchTakesTheNewRouteWhenNobodyHasIt(t *testing.T) {
	in, _ := wire(nil, nil, full())
	b := numbers(0, 3)
	mustRefuse(t, in, b, event.ErrFull)
	c1, c2 := &flowtest.FakeChannel{}, &flowtest.FakeChannel{}
	to(in, nil, []string{"c8", "c9"}, c1, c2)
	mustSend(t, in, b)
	wantBodies(t, c1, texts(0, 3))
	wantBodies(t, c2, texts(0, 3))
	wantCount(t, "received", in.count.Received.Value(), 3)
}

func TestBatchOwedToAChannelThatStaysGoesThereAlone(t *testing.T) {
	c1 := &flowtest.FakeChannel{}
	in, _ := wire(nil, nil, c1, full(), full())
	b := numbers(0, 3)
	mustRefuse(t, in, b, event.ErrFull)
	c2, c4 := &flowtest.FakeChannel{}, &flowtest.FakeChannel{}
	to(in, nil, []string{"c1", "c2", "c4"}, c1, c2, c4) // c3 is gone, c4 is new, c2 was built again
	mustSend(t, in, b)
	wantBodies(t, c1, texts(0, 3))
	wantBodies(t, c2, texts(0, 3))
	wantBodies(t, c4, nil)
}

func TestBatchHeldByARemovedChannelIsDone(t *testing.T) {
	c1 := &flowtest.FakeChannel{}
	in, _ := wire(nil, nil, c1, full())
	b := numbers(0, 3)
	mustRefuse(t, in, b, event.ErrFull)
	c9 := &flowtest.FakeChannel{}
	to(in, nil, []string{"c9"}, c9)
	mustSend(t, in, b)
	wantBodies(t, c9, nil)
}

func TestRestOfABatchInPiecesIsNotLostWithItsChannel(t *testing.T) {
	puts := 0
	c1 := &flowtest.FakeChannel{MaxTx: 2, OnPut: func([]event.Event) error {
		if puts++; puts > 2 {
			return refuse(event.ErrFull)
		}
		return nil
	}}
	in, _ := wire(nil, nil, c1)
	b := numbers(0, 10)
	mustRefuse(t, in, b, event.ErrFull)
	wantBodies(t, c1, texts(0, 4))
	c9 := &flowtest.FakeChannel{}
	to(in, nil, []string{"c9"}, c9)
	mustSend(t, in, b)
	wantBodies(t, c9, texts(4, 10))
}

func TestEventsOfARemovedChannelAreSelectedAnew(t *testing.T) {
	even := pickBy(func(e *event.Event) (selector.Set, selector.Set) { return 1 << (e.Body[0] % 2), 0 })
	c1 := &flowtest.FakeChannel{}
	in, _ := wire(even, nil, c1, full())
	b := numbers(0, 6)
	mustRefuse(t, in, b, event.ErrFull)
	c9 := &flowtest.FakeChannel{}
	to(in, even, []string{"c1", "c9"}, c1, c9)
	mustSend(t, in, b)
	wantBodies(t, c1, []string{"0", "2", "4"})
	wantBodies(t, c9, []string{"1", "3", "5"})
}

func TestRewireSettlesWhenTheLastSendHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c1 := &flowtest.FakeChannel{Capacity: 1}
		in, _ := wire(nil, nil, c1)
		mustSend(t, in, numbers(0, 1))
		done := make(chan error)
		go func() { done <- in.Send(t.Context(), numbers(1, 2)) }()
		synctest.Wait()
		c2 := &flowtest.FakeChannel{}
		settled := to(in, nil, []string{"c2"}, c2)
		mustSend(t, in, numbers(2, 3)) // the next goes the new way at once
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := settled(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("settled while a Send waits for room: %v", err)
		}
		tx, err := c1.Take(t.Context(), 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Errorf("Send under way at the rewiring: %v", err)
		}
		if err := settled(t.Context()); err != nil {
			t.Errorf("settled: %v", err)
		}
		wantBodies(t, c1, texts(1, 2))
		wantBodies(t, c2, texts(2, 3))
	})
}

// TestNothingIsLostUnderRewiring has sources send while the channels behind them come and go.
func TestNothingIsLostUnderRewiring(t *testing.T) {
	const senders, batches = 4, 200
	names := []string{"c1", "c2", "c3"}
	var cs []*flowtest.FakeChannel
	for i := range names {
		n := 0
		var mu sync.Mutex
		cs = append(cs, &flowtest.FakeChannel{MaxTx: 3, OnPut: func([]event.Event) error {
			mu.Lock()
			defer mu.Unlock()
			if n++; n%(i+4) == 0 {
				return refuse(event.ErrFull)
			}
			return nil
		}})
	}
	in, _ := wire(nil, nil, cs...)
	ctx, cancel := context.WithCancel(t.Context())
	var changer, wg sync.WaitGroup
	changer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			at := i % 3
			split := pickBy(func(e *event.Event) (selector.Set, selector.Set) { return 1 << (e.Body[0] % 2), 0 })
			settled := to(in, []selector.Selector{nil, split}[i%2], append(names[at:], names[:at]...)[:2], append(cs[at:], cs[:at]...)[:2]...)
			if err := settled(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	for s := range senders {
		wg.Go(func() {
			for i := range batches {
				at := (s*batches + i) * 7
				b := numbers(at, at+7)
				for in.Send(ctx, b) != nil {
				}
			}
		})
	}
	wg.Wait()
	cancel()
	changer.Wait()
	var all []string
	for _, c := range cs {
		all = append(all, c.Bodies()...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	want := texts(0, senders*batches*7)
	slices.Sort(want)
	if !slices.Equal(all, want) {
		t.Errorf("%d different events in the channels, want %d", len(all), len(want))
	}
}

func TestRefusalIsWhatTheSourceSees(t *testing.T) {
	in, _ := wire(nil, nil, full())
	var out sources.Output = in
	var r *event.Refused
	if err := out.Send(t.Context(), numbers(0, 1)); !errors.As(err, &r) || r.Text != "no" {
		t.Errorf("Send: %v, want the channel's own words", fmt.Sprint(err))
	}
}

func TestSettledWaitsForEveryWiringBefore(t *testing.T) {
	var s slot[int]
	s.swap(new(int))
	first := s.enter()
	s.swap(nil)                 // a change that is taken back
	settled := s.swap(new(int)) // and the next one
	if err := settled(expired); err == nil {
		t.Error("settled while the wiring before the last is in use")
	}
	first.leave()
	if err := settled(t.Context()); err != nil {
		t.Errorf("settled: %v", err)
	}
}
