package flowtest

import (
	"context"
	"testing"
	"time"

	"goflume/event"
	"goflume/sinks"
)

// NewSink returns a sink that is not opened, onto an empty destination, and a function that reads the bodies that are
// there, in order, once the sink is closed. read is nil where nothing can be read. Each call makes a destination of its
// own.
type NewSink func(t *testing.T) (s sinks.Sink, read func() []string)

// Sink runs the conformance suite of sinks. The bodies it writes are decimal numbers; headers are there with some.
func Sink(t *testing.T, open NewSink) {
	tests := []struct {
		name string
		test func(t *testing.T, open NewSink)
	}{
		{"WritesInOrderAndKeepsNothing", writesInOrder},
		{"OpensAgainAfterClose", opensAgain},
		{"ClosesTwiceAndUnopened", closesTwice},
		{"WriteEndsWithContext", writeEndsWithContext},
		{"TicksBetweenWrites", ticksBetweenWrites},
		{"PipelineReportsEachBatchOnce", pipelineReports},
		{"PipelineWorksAfterAbort", pipelineAfterAbort},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open) })
	}
}

func openSink(t *testing.T, s sinks.Sink) {
	t.Helper()
	if err := s.Open(within(t)); err != nil {
		t.Fatalf("Open: %v", err)
	}
}

func closeSink(t *testing.T, s sinks.Sink) {
	t.Helper()
	if err := s.Close(within(t)); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// batch returns events of the numbers, some with headers, for a sink to write.
func batch(from, to int) []event.Event {
	events := Numbered(from, to)
	for i := range events {
		if i%2 == 1 {
			events[i].Headers = []event.Header{{Key: "timestamp", Value: "1700000000000"}, {Key: "host", Value: "h1"}}
		}
	}
	return events
}

// spoil does to events what happens to them after a sink was done with them.
func spoil(events []event.Event) {
	for i := range events {
		for j := range events[i].Body {
			events[i].Body[j] = '#'
		}
		clear(events[i].Headers)
	}
	clear(events)
}

func writeNumbers(t *testing.T, s sinks.Sink, from, to int) {
	t.Helper()
	events := batch(from, to)
	if err := s.Write(within(t), events); err != nil {
		t.Fatalf("Write of %d..%d: %v", from, to-1, err)
	}
	spoil(events)
}

func wantRead(t *testing.T, read func() []string, want []string) {
	t.Helper()
	if read == nil {
		return
	}
	got := read()
	if len(got) != len(want) {
		t.Errorf("%d events at the destination, want %d: %.200q", len(got), len(want), got)
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("event %d at the destination is %q, want %q (##: the sink kept the body)", i, got[i], want[i])
			return
		}
	}
}

func writesInOrder(t *testing.T, open NewSink) {
	s, read := open(t)
	n := s.BatchSize()
	if n < 1 {
		t.Fatalf("BatchSize is %d, want at least 1", n)
	}
	openSink(t, s)
	at := 0
	for _, size := range []int{1, min(n, 1000), max(n/2, 1), 1} {
		writeNumbers(t, s, at, at+size)
		at += size
	}
	closeSink(t, s)
	wantRead(t, read, Numbers(0, at))
}

func opensAgain(t *testing.T, open NewSink) {
	s, read := open(t)
	for i := range 3 {
		openSink(t, s)
		writeNumbers(t, s, i, i+1)
		closeSink(t, s)
	}
	wantRead(t, read, Numbers(0, 3))
}

func closesTwice(t *testing.T, open NewSink) {
	s, _ := open(t)
	openSink(t, s)
	closeSink(t, s)
	closeSink(t, s)
	s, _ = open(t)
	closeSink(t, s)
}

// writeEndsWithContext: whatever a Write whose context has ended does, it returns, and the sink is good for another.
func writeEndsWithContext(t *testing.T, open NewSink) {
	s, read := open(t)
	openSink(t, s)
	done := make(chan error, 1)
	go func() { done <- s.Write(now(t), batch(0, 1)) }()
	var wrote []string
	select {
	case err := <-done:
		if err == nil {
			wrote = Numbers(0, 1)
		}
	case <-within(t).Done():
		t.Fatalf("Write with a cancelled context has not returned after %v", bound)
	}
	writeNumbers(t, s, 1, 2)
	closeSink(t, s)
	if read == nil {
		return
	}
	if got := read(); len(wrote) == 0 && len(got) == 2 {
		wrote = Numbers(0, 1) // an error does not say that nothing arrived
	}
	wantRead(t, read, append(wrote, Numbers(1, 2)...))
}

func ticksBetweenWrites(t *testing.T, open NewSink) {
	s, read := open(t)
	k, ok := s.(sinks.Ticker)
	if !ok {
		t.Skip("no Ticker")
	}
	openSink(t, s)
	tick := func(at time.Time) {
		t.Helper()
		if _, err := k.Tick(within(t), at); err != nil {
			t.Errorf("Tick at %v: %v", at, err)
		}
	}
	start := time.Now()
	tick(start)
	writeNumbers(t, s, 0, 1)
	tick(start.Add(time.Second))
	tick(start.Add(24 * time.Hour)) // all that rolls or closes by time is due
	writeNumbers(t, s, 1, 3)
	tick(start.Add(48 * time.Hour))
	tick(start.Add(48 * time.Hour))
	closeSink(t, s)
	wantRead(t, read, Numbers(0, 3))
}

func pipelined(t *testing.T, open NewSink) (sinks.Pipelined, func() []string) {
	t.Helper()
	s, read := open(t)
	p, ok := s.(sinks.Pipelined)
	if !ok {
		t.Skip("not Pipelined")
	}
	if p.Window() < 1 {
		t.Fatalf("Window is %d, want at least 1", p.Window())
	}
	openSink(t, s)
	return p, read
}

func pipelineReports(t *testing.T, open NewSink) {
	p, read := pipelined(t, open)
	const batches = 20
	slots := make(chan struct{}, p.Window())
	done := make(chan error, 2*batches) // room for reports too many
	size := min(p.BatchSize(), 10)
	for i := range batches {
		events := batch(i*size, (i+1)*size)
		slots <- struct{}{}
		err := p.Start(within(t), events, func(err error) {
			spoil(events)
			done <- err
			<-slots
		})
		if err != nil {
			t.Fatalf("Start of batch %d: %v", i, err)
		}
	}
	for i := range batches {
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("a batch failed: %v", err)
			}
		case <-within(t).Done():
			t.Fatalf("%d of %d batches were reported within %v", i, batches, bound)
		}
	}
	closeSink(t, p)
	if n := len(done); n > 0 {
		t.Errorf("%d reports too many", n)
	}
	wantRead(t, read, Numbers(0, batches*size))
}

func pipelineAfterAbort(t *testing.T, open NewSink) {
	p, read := pipelined(t, open)
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	started, reported := 0, make(chan error, p.Window()+1)
	for i := range min(p.Window(), 3) {
		if p.Start(ctx, batch(i, i+1), func(err error) { reported <- err }) == nil {
			started++
		}
	}
	cancel()
	p.Abort()
	if n := len(reported); n != started {
		t.Errorf("%d of %d batches were reported when Abort returned", n, started)
	}
	before := 0
	for range len(reported) {
		if <-reported == nil {
			before++
		}
	}
	if err := p.Start(within(t), batch(100, 101), func(err error) { reported <- err }); err != nil {
		t.Fatalf("Start after Abort: %v", err)
	}
	select {
	case err := <-reported:
		if err != nil {
			t.Errorf("the batch after Abort failed: %v", err)
		}
	case <-within(t).Done():
		t.Fatalf("the batch after Abort was not reported within %v", bound)
	}
	closeSink(t, p)
	if read == nil {
		return
	}
	if got := read(); len(got) < before+1 || got[len(got)-1] != "100" {
		t.Errorf("at the destination: %v, want at least %d acknowledged ones and 100 at the end", got, before)
	}
}
