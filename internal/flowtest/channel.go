package flowtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"goflume/channels"
	"goflume/event"
)

// bound is how long a call may take that has nothing to wait for, on a slow machine.
const bound = time.Minute

// OpenChannel returns a new channel, empty and open, with that capacity and transactionCapacity in events. The suite
// closes it. A type without such limits ignores them and says 0 in Stats; what needs them is then left out.
type OpenChannel func(t *testing.T, capacity, maxTx int) channels.Channel

// Channel runs the conformance suite of channels.
func Channel(t *testing.T, open OpenChannel) {
	tests := []struct {
		name string
		test func(t *testing.T, open OpenChannel)
	}{
		{"KeepsOrder", keepsOrder},
		{"KeepsHeadersAndBodies", keepsHeadersAndBodies},
		{"KeepsNoSlice", keepsNoSlice},
		{"TakeIsBounded", takeIsBounded},
		{"TakeWaitsForPut", takeWaitsForPut},
		{"TakeEndsWithContext", takeEndsWithContext},
		{"PutIsAllOrNone", putIsAllOrNone},
		{"PutWaitsForRoom", putWaitsForRoom},
		{"PutRefusesTooLarge", putRefusesTooLarge},
		{"HeldCounts", heldCounts},
		{"RollbackGivesBack", rollbackGivesBack},
		{"RollbackKeepsOrderAmongTakers", rollbackKeepsOrder},
		{"StatsCount", statsCount},
		{"CloseEndsAll", closeEndsAll},
		{"GivesBackWhatItBorrowed", givesBackWhatItBorrowed},
		{"ManyAtOnce", manyAtOnce},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open) })
	}
}

// use opens a channel that is closed at the test's end.
func (open OpenChannel) use(t *testing.T, capacity, maxTx int) channels.Channel {
	t.Helper()
	c := open(t, capacity, maxTx)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return c
}

// within returns a context for a call that must not take long.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	t.Cleanup(cancel)
	return ctx
}

// now is the context of a Put that does not wait for room.
func now(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// Numbered returns events with the bodies from..to-1 in decimal.
func Numbered(from, to int) []event.Event {
	var b event.Batch
	for i := from; i < to; i++ {
		b.Add(fmt.Appendf(nil, "%d", i))
	}
	return b.Events
}

// Numbers returns the bodies of Numbered.
func Numbers(from, to int) []string { return bodies(Numbered(from, to)) }

func bodies(events []event.Event) []string {
	var all []string
	for _, e := range events {
		all = append(all, string(e.Body))
	}
	return all
}

func put(t *testing.T, c channels.Channel, from, to int) {
	t.Helper()
	if err := c.Put(within(t), Numbered(from, to)); err != nil {
		t.Fatalf("Put of %d..%d: %v", from, to-1, err)
	}
}

// take takes up to n events in one transaction.
func take(t *testing.T, c channels.Channel, n int) channels.Tx {
	t.Helper()
	tx, err := c.Take(within(t), n, 0)
	if err != nil {
		t.Fatalf("Take: %v", err)
	}
	return tx
}

// takeAll takes n events in as many transactions as it needs and commits them.
func takeAll(t *testing.T, c channels.Channel, n int) []string {
	t.Helper()
	var all []string
	for len(all) < n {
		tx := take(t, c, n-len(all))
		all = append(all, bodies(tx.Events())...)
		commit(t, tx)
	}
	return all
}

func commit(t *testing.T, tx channels.Tx) {
	t.Helper()
	if err := tx.Commit(); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

func rollback(t *testing.T, tx channels.Tx) {
	t.Helper()
	if err := tx.Rollback(); err != nil {
		t.Fatalf("Rollback: %v", err)
	}
}

func want(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// wantRefused checks a channel's refusal: its kind, and that it has words for the client.
func wantRefused(t *testing.T, err, kind error) {
	t.Helper()
	var r *event.Refused
	if !errors.Is(err, kind) {
		t.Errorf("error is %v, want one that is %q", err, kind)
	} else if !errors.As(err, &r) || r.Text == "" {
		t.Errorf("error is %T, want *event.Refused with the words for a client", err)
	}
}

func keepsOrder(t *testing.T, open OpenChannel) {
	c := open.use(t, 1000, 100)
	at := 0
	for _, n := range []int{1, 2, 100, 7, 90} {
		put(t, c, at, at+n)
		at += n
	}
	want(t, "taken", takeAll(t, c, at), Numbers(0, at))
}

func keepsHeadersAndBodies(t *testing.T, open OpenChannel) {
	c := open.use(t, 100, 100)
	in := []event.Event{
		{Body: []byte("plain")},
		{Body: []byte{0, 0xff, '\r', '\n', 0x80}, Headers: []event.Header{{Key: "host", Value: "h1"}, {Key: "a", Value: ""}, {Key: "ü", Value: "日本"}}},
		{},
		{Headers: []event.Header{{Key: "k", Value: "empty body"}}},
		{Body: make([]byte, 1<<20)},
	}
	if err := c.Put(within(t), in); err != nil {
		t.Fatal(err)
	}
	var out []event.Event
	for len(out) < len(in) {
		tx := take(t, c, len(in))
		for _, e := range tx.Events() {
			out = append(out, event.Event{Body: slices.Clone(e.Body), Headers: slices.Clone(e.Headers)})
		}
		commit(t, tx)
	}
	for i := range in {
		if !slices.Equal(out[i].Body, in[i].Body) {
			t.Errorf("event %d: body of %d bytes differs from the %d put", i, len(out[i].Body), len(in[i].Body))
		}
		if len(out[i].Headers) != len(in[i].Headers) {
			t.Errorf("event %d: headers %v, want %v", i, out[i].Headers, in[i].Headers)
		}
		for _, h := range in[i].Headers {
			if v, ok := out[i].Header(h.Key); !ok || v != h.Value {
				t.Errorf("event %d: header %s is %q, %v, want %q", i, h.Key, v, ok, h.Value)
			}
		}
	}
}

func keepsNoSlice(t *testing.T, open OpenChannel) {
	c := open.use(t, 100, 100)
	events := Numbered(0, 10)
	if err := c.Put(within(t), events); err != nil {
		t.Fatal(err)
	}
	for i := range events {
		events[i] = event.Event{Body: []byte("the caller's again")}
	}
	want(t, "taken after the slice was used again", takeAll(t, c, 10), Numbers(0, 10))
}

func takeIsBounded(t *testing.T, open OpenChannel) {
	c := open.use(t, 100, 100)
	put(t, c, 0, 10)
	tx := take(t, c, 3)
	if n := len(tx.Events()); n < 1 || n > 3 {
		t.Errorf("%d events, want 1 to 3", n)
	}
	rollback(t, tx)

	var big event.Batch
	for range 4 {
		big.Add(make([]byte, 1000))
	}
	want(t, "taken", takeAll(t, c, 10), Numbers(0, 10))
	if err := c.Put(within(t), big.Events); err != nil {
		t.Fatal(err)
	}
	for left := 4; left > 0; {
		tx, err := c.Take(within(t), 100, 1)
		if err != nil {
			t.Fatalf("Take of at most 1 byte: %v", err)
		}
		n := len(tx.Events())
		if n < 1 || n > 2 {
			t.Errorf("%d events of 1000 bytes for a limit of 1 byte, want the first and at most about that", n)
		}
		left -= n
		commit(t, tx)
	}
}

func takeWaitsForPut(t *testing.T, open OpenChannel) {
	c := open.use(t, 100, 100)
	got := make(chan []string)
	go func() {
		var all []string
		for len(all) < 2 {
			tx, err := c.Take(within(t), 2, 0)
			if err != nil {
				all = append(all, err.Error(), "")
				break
			}
			all = append(all, bodies(tx.Events())...)
			if err := tx.Commit(); err != nil {
				all = append(all, err.Error(), "")
			}
		}
		got <- all
	}()
	put(t, c, 0, 1)
	put(t, c, 1, 2)
	want(t, "taken", <-got, Numbers(0, 2))
}

func takeEndsWithContext(t *testing.T, open OpenChannel) {
	c := open.use(t, 100, 100)
	if _, err := c.Take(now(t), 1, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("Take with a cancelled context: %v, want %v", err, context.Canceled)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := c.Take(ctx, 1, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Take from an empty channel: %v, want %v", err, context.DeadlineExceeded)
	}
	put(t, c, 0, 1)
	want(t, "taken after that", takeAll(t, c, 1), Numbers(0, 1))
}
