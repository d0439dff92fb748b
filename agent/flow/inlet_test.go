package flow

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/sources/interceptor"
	"goflume/sources/selector"
)

// pickBy is a selector that is asked for every event.
type pickBy func(e *event.Event) (required, optional selector.Set)

func (f pickBy) Select(e *event.Event) (required, optional selector.Set) { return f(e) }

// change is an interceptor.
type change func(b *event.Batch) error

func (f change) Intercept(b *event.Batch) error { return f(b) }

func refuse(kind error) error { return &event.Refused{Kind: kind, Text: "no"} }

// wire connects a new inlet to channels named c1, c2 ...
func wire(s selector.Selector, chain []interceptor.Interceptor, cs ...*flowtest.FakeChannel) (*Inlet, *InletWiring) {
	w := &InletWiring{Selector: s, Interceptors: chain}
	for i, c := range cs {
		w.Channels = append(w.Channels, ref([]string{"c1", "c2", "c3"}[i], c))
	}
	in := newInlet()
	in.Rewire(w)
	return in, w
}

func mustSend(t *testing.T, in *Inlet, b *event.Batch) {
	t.Helper()
	if err := in.Send(t.Context(), b); err != nil {
		t.Fatalf("Send: %v", err)
	}
	if b.Route != nil {
		t.Error("a batch that was sent keeps a Route")
	}
}

func mustRefuse(t *testing.T, in *Inlet, b *event.Batch, kind error) {
	t.Helper()
	if err := in.Send(t.Context(), b); !errors.Is(err, kind) {
		t.Fatalf("Send: %v, want %v", err, kind)
	}
}

func wantCount(t *testing.T, what string, got, want int64) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %d, want %d", what, got, want)
	}
}

func TestSendCountsABatchOnceOverItsRetries(t *testing.T) {
	full := 2
	c := &flowtest.FakeChannel{OnPut: func([]event.Event) error {
		if full--; full >= 0 {
			return refuse(event.ErrFull)
		}
		return nil
	}}
	in, w := wire(nil, nil, c)
	b := numbers(0, 10)
	mustRefuse(t, in, b, event.ErrFull)
	mustRefuse(t, in, b, event.ErrFull)
	mustSend(t, in, b)
	wantBodies(t, c, texts(0, 10))
	n, ch := in.count, w.Channels[0].Metrics
	wantCount(t, "received", n.Received.Value(), 10)
	wantCount(t, "batches received", n.AppendBatchReceived.Value(), 1)
	wantCount(t, "accepted", n.Accepted.Value(), 10)
	wantCount(t, "batches accepted", n.BatchAccepted.Value(), 1)
	wantCount(t, "rejected", n.Rejected.Value(), 20)
	wantCount(t, "channel write failures", n.ChannelWriteFail.Value(), 2)
	wantCount(t, "puts attempted", ch.PutAttempt.Value(), 30)
	wantCount(t, "puts", ch.PutSuccess.Value(), 10)
	wantCount(t, "bytes", n.Bytes.Value(), 10)
	wantCount(t, "transactions put", ch.Puts.Value(), 1)
	wantCount(t, "transactions refused", ch.RefusedPuts.Value(), 2)
}

func TestRetryGoesOnWithTheChannelThatIsOwed(t *testing.T) {
	full := true
	c1, c3 := &flowtest.FakeChannel{}, &flowtest.FakeChannel{}
	c2 := &flowtest.FakeChannel{OnPut: func([]event.Event) error {
		if full {
			return refuse(event.ErrFull)
		}
		return nil
	}}
	in, _ := wire(nil, nil, c1, c2, c3)
	b := numbers(0, 3)
	mustRefuse(t, in, b, event.ErrFull)
	wantBodies(t, c1, texts(0, 3))
	wantBodies(t, c3, nil)
	full = false
	mustSend(t, in, b)
	for _, c := range []*flowtest.FakeChannel{c1, c2, c3} {
		wantBodies(t, c, texts(0, 3))
	}
}

func TestLargeBatchIsPutInPiecesAndKeepsItsProgress(t *testing.T) {
	puts := 0
	c := &flowtest.FakeChannel{MaxTx: 4, OnPut: func([]event.Event) error {
		if puts++; puts == 2 || puts == 3 {
			return refuse(event.ErrFull)
		}
		return nil
	}}
	in, _ := wire(nil, nil, c)
	b := numbers(0, 10)
	mustRefuse(t, in, b, event.ErrFull)
	wantBodies(t, c, texts(0, 4))
	mustRefuse(t, in, b, event.ErrFull)
	mustSend(t, in, b)
	wantBodies(t, c, texts(0, 10))
	wantCount(t, "received", in.count.Received.Value(), 10)
}

func TestBatchTooLargeForTheChannelsBytesIsCut(t *testing.T) {
	c := &flowtest.FakeChannel{OnPut: func(events []event.Event) error {
		for _, e := range events {
			if len(events) > 3 || string(e.Body) == "7" {
				return refuse(event.ErrTooLarge)
			}
		}
		return nil
	}}
	in, _ := wire(nil, nil, c)
	mustSend(t, in, numbers(8, 18))
	wantBodies(t, c, texts(8, 18))
	c = &flowtest.FakeChannel{OnPut: c.OnPut}
	in, _ = wire(nil, nil, c)
	mustRefuse(t, in, numbers(0, 10), event.ErrTooLarge)
	wantBodies(t, c, texts(0, 7)) // the one that can never fit stops what is behind it
}

func TestResetAndRebuiltBatchesForgetWhatIsOwed(t *testing.T) {
	fail := true
	c1 := &flowtest.FakeChannel{}
	c2 := &flowtest.FakeChannel{OnPut: func([]event.Event) error {
		if fail {
			return refuse(event.ErrFull)
		}
		return nil
	}}
	in, _ := wire(nil, nil, c1, c2)
	b := numbers(0, 3)
	mustRefuse(t, in, b, event.ErrFull)
	b.Reset()
	b.Add([]byte("a"))
	mustRefuse(t, in, b, event.ErrFull)
	b.Events = b.Events[:0] // built anew without Reset
	b.Add([]byte("b"))
	b.Add([]byte("c"))
	fail = false
	mustSend(t, in, b)
	wantBodies(t, c1, []string{"0", "1", "2", "a", "b", "c"})
	wantBodies(t, c2, []string{"b", "c"})
}

func TestSelectorSplitsAndKeepsOrder(t *testing.T) {
	c1, c2, c3 := &flowtest.FakeChannel{}, &flowtest.FakeChannel{}, &flowtest.FakeChannel{}
	in, _ := wire(pickBy(func(e *event.Event) (selector.Set, selector.Set) {
		switch e.Body[0] % 4 {
		case 0:
			return 1, 0
		case 1:
			return 1 | 2, 0
		case 2:
			return 0, 0
		default:
			return 4, 4 | 2 | 1<<40 // both is required; there is no 41st channel
		}
	}), nil, c1, c2, c3)
	for range 2 { // the second uses the scratch of the first
		mustSend(t, in, numbers(0, 10))
	}
	twice := func(s ...string) []string { return append(s, s...) }
	wantBodies(t, c1, twice("0", "1", "4", "5", "8", "9"))
	wantBodies(t, c2, []string{"1", "5", "9", "3", "7", "1", "5", "9", "3", "7"})
	wantBodies(t, c3, twice("3", "7"))
	wantCount(t, "unrouted", in.unrouted.Value(), 4)
	wantCount(t, "accepted", in.count.Accepted.Value(), 20)
}

func TestOptionalChannelsComeLastOnceAndNeverFailTheSource(t *testing.T) {
	var order []string
	say := func(name string, err error) func([]event.Event) error {
		return func([]event.Event) error {
			order = append(order, name)
			return err
		}
	}
	c1 := &flowtest.FakeChannel{OnPut: say("c1", refuse(event.ErrFull))}
	c2 := &flowtest.FakeChannel{OnPut: say("c2", nil)}
	c3 := &flowtest.FakeChannel{Capacity: 1, OnPut: say("c3", nil)}
	in, _ := wire(pickBy(func(*event.Event) (selector.Set, selector.Set) { return 2, 1 | 4 }), nil, c1, c2, c3)
	b := numbers(0, 2)
	mustSend(t, in, b) // c3 has no room for two: it would wait for ever if it were let
	if !slices.Equal(order, []string{"c2", "c1", "c3"}) {
		t.Errorf("puts into %v, want c2, c1, c3", order)
	}
	wantBodies(t, c2, texts(0, 2))
	wantCount(t, "lost by optional channels", in.optionalLost.Value(), 4)

	c2.OnPut = say("c2", refuse(event.ErrFull))
	order = nil
	mustRefuse(t, in, numbers(0, 2), event.ErrFull)
	if !slices.Equal(order, []string{"c2"}) {
		t.Errorf("puts into %v, want none into the optional ones while a required one refuses", order)
	}
}

func TestInterceptorsRunOnce(t *testing.T) {
	full, broken := true, true
	c := &flowtest.FakeChannel{OnPut: func([]event.Event) error {
		if full {
			return refuse(event.ErrFull)
		}
		return nil
	}}
	var ran []string
	in, _ := wire(nil, []interceptor.Interceptor{
		change(func(b *event.Batch) error { // drops odd ones
			ran = append(ran, "filter")
			kept := b.Events[:0]
			for i, e := range b.Events {
				if i%2 == 0 {
					kept = append(kept, e)
				}
			}
			b.Events = kept
			return nil
		}),
		change(func(*event.Batch) error {
			ran = append(ran, "broken")
			if broken {
				panic("interceptor bug")
			}
			return nil
		}),
		change(func(b *event.Batch) error {
			ran = append(ran, "header")
			for i := range b.Events {
				b.SetHeader(&b.Events[i], "k", "v")
			}
			return nil
		}),
	}, c)
	b := numbers(0, 10)
	if err := in.Send(t.Context(), b); err == nil {
		t.Fatal("Send with an interceptor that panics: no error")
	}
	broken = false
	mustRefuse(t, in, b, event.ErrFull)
	full = false
	mustSend(t, in, b)
	if want := []string{"filter", "broken", "broken", "header"}; !slices.Equal(ran, want) {
		t.Errorf("ran %v, want %v", ran, want)
	}
	wantBodies(t, c, []string{"0", "2", "4", "6", "8"})
	wantCount(t, "received", in.count.Received.Value(), 10)
	wantCount(t, "accepted", in.count.Accepted.Value(), 10)
	wantCount(t, "filtered", in.filtered.Value(), 5)
	wantCount(t, "failures", in.count.Failures.Value(), 1)
}

func TestBatchThatIsFilteredAwayIsAccepted(t *testing.T) {
	c := &flowtest.FakeChannel{OnPut: func([]event.Event) error { return errors.New("put of nothing") }}
	in, _ := wire(nil, []interceptor.Interceptor{change(func(b *event.Batch) error {
		b.Events = b.Events[:0]
		return nil
	})}, c)
	mustSend(t, in, numbers(0, 10))
	mustSend(t, in, &event.Batch{})
	wantCount(t, "accepted", in.count.Accepted.Value(), 10)
	wantCount(t, "batches received", in.count.AppendBatchReceived.Value(), 1)
	wantCount(t, "filtered", in.filtered.Value(), 10)
}

func TestSelectorPanicIsTheBatchesError(t *testing.T) {
	broken := true
	c := &flowtest.FakeChannel{}
	in, _ := wire(pickBy(func(e *event.Event) (selector.Set, selector.Set) {
		if broken && e.Body[0] == '3' {
			panic("selector bug")
		}
		return 1, 0
	}), nil, c)
	b := numbers(0, 5)
	if err := in.Send(t.Context(), b); err == nil {
		t.Fatal("no error")
	}
	broken = false
	mustSend(t, in, b)
	wantBodies(t, c, texts(0, 5))
}

func TestLimitsAreThoseOfTheRequiredChannels(t *testing.T) {
	c1 := &flowtest.FakeChannel{Capacity: 100, MaxTx: 10}
	c2 := &flowtest.FakeChannel{Capacity: 50, MaxTx: 20}
	c3 := &flowtest.FakeChannel{Capacity: 1, MaxTx: 1}
	two := selector.Replicating{}
	if in, _ := wire(two, nil); in != nil {
		if most, room := in.Limits(); most != 0 || room != -1 {
			t.Errorf("without channels: %d, %d, want 0, -1", most, room)
		}
	}
	in, _ := wire(nil, nil, c1, c2)
	fill(t, c2, 0, 15)
	if most, room := in.Limits(); most != 10 || room != 35 {
		t.Errorf("Limits: %d, %d, want 10, 35", most, room)
	}
	in, _ = wire(pickBy(nil), nil, c1, c2, c3)
	fill(t, c3, 0, 1)
	if most, room := in.Limits(); most != 1 || room != 0 {
		t.Errorf("Limits: %d, %d, want 1, 0", most, room)
	}
	in, _ = wire(nil, nil, &flowtest.FakeChannel{})
	if most, room := in.Limits(); most != 0 || room != -1 {
		t.Errorf("without limits: %d, %d, want 0, -1", most, room)
	}
	if most, room := newInlet().Limits(); most != 0 || room != -1 {
		t.Errorf("not wired: %d, %d, want 0, -1", most, room)
	}
}

func TestUnwiredInletHoldsBatchesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInlet()
		began := time.Now()
		mustRefuse(t, in, numbers(0, 1), event.ErrFull)
		if d := time.Since(began); d != holdback {
			t.Errorf("refused after %v, want %v", d, holdback)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began = time.Now()
		if err := in.Send(ctx, numbers(0, 1)); !errors.Is(err, event.ErrFull) || time.Since(began) != 0 {
			t.Errorf("Send with an expired context: %v after %v, want a refusal at once", err, time.Since(began))
		}
		c := &flowtest.FakeChannel{}
		done := make(chan error)
		go func() { done <- in.Send(t.Context(), numbers(0, 3)) }()
		synctest.Wait()
		in.Rewire(&InletWiring{Channels: []ChannelRef{ref("c1", c)}})
		if err := <-done; err != nil {
			t.Errorf("Send that waited for the wiring: %v", err)
		}
		wantBodies(t, c, texts(0, 3))
		in.Rewire(nil)
		mustRefuse(t, in, numbers(0, 1), event.ErrFull)
	})
}

func TestFewSurvivorsAreCopiedOutOfTheirChunk(t *testing.T) {
	pinned := func(c *flowtest.FakeChannel) int64 {
		tx, err := c.Take(t.Context(), 1000, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, n := (&event.Batch{Events: tx.Events()}).Footprint()
		return n
	}
	chunk := make([]byte, 64<<10)
	lines := func(n, size int) *event.Batch {
		var b event.Batch
		for i := range n {
			b.Adopt(chunk[i*size : (i+1)*size])
		}
		return &b
	}
	c := &flowtest.FakeChannel{}
	in, _ := wire(nil, nil, c)
	mustSend(t, in, lines(10, 100))
	if n := pinned(c); n > 1000 {
		t.Errorf("a small read keeps %d bytes alive, want 1000", n)
	}
	mustSend(t, in, lines(100, 100))
	if n := pinned(c); n != 64<<10 {
		t.Errorf("a large read was copied: it keeps %d bytes alive, want the 64 KiB of its chunk", n)
	}
	in, _ = wire(nil, []interceptor.Interceptor{change(func(b *event.Batch) error {
		b.Events = b.Events[10:100]
		return nil
	})}, c)
	mustSend(t, in, lines(110, 100))
	if n := pinned(c); n > 9000 {
		t.Errorf("what a filter left keeps %d bytes alive, want 9000", n)
	}
	mustSend(t, in, lines(600, 100))
	pinned(c)
	c2 := &flowtest.FakeChannel{}
	in, _ = wire(pickBy(func(e *event.Event) (selector.Set, selector.Set) {
		if &e.Body[0] == &chunk[0] {
			return 1, 0
		}
		return 2, 0
	}), nil, c, c2)
	mustSend(t, in, lines(600, 100))
	if n := pinned(c); n > 100 {
		t.Errorf("one event of 600 keeps %d bytes alive in its channel, want 100", n)
	}
	if n := pinned(c2); n < 60000 {
		t.Errorf("599 events of 600 were copied: %d bytes", n)
	}
}
