package agent

import (
	"context"
	"net"
	"testing"
	"time"
)

// muteResolver has every look-up of a name wait until the test ends, as with a name server that does not answer.
func muteResolver(t *testing.T) {
	old := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	t.Cleanup(func() { net.DefaultResolver = old })
}

func TestNameServerThatDoesNotAnswerHoldsUpOneSource(t *testing.T) {
	muteResolver(t)
	st := newStage(t)
	began := time.Now()
	a := start(t, simple("a1.sources = r1 r2", "a1.sources.r2.type = netcat", "a1.sources.r2.bind = far.away.invalid", "a1.sources.r2.port = 0", "a1.sources.r2.channels = c1")...)
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the start took %v", took)
	}
	if c := component(t, a, "r2"); c.State != Starting {
		t.Errorf("r2: %s, want STARTING", c.State)
	}
	if got := a.Status().NotReady(false); len(got) != 1 {
		t.Errorf("not ready for %v, want r2 alone", got)
	}
	st.feed("r1") <- numbered(0, 3)
	until(t, "delivery", func() bool { return len(st.in("k1")) == 3 })
	l := mustListen(t, &a.sockets, &tenant{name: "r3"}, "127.0.0.1:0") // others listen meanwhile
	l.Close()
	began = time.Now()
	a.Stop(t.Context())
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the stop took %v", took)
	}
}

func TestLateEndOfAnOldSourceLeavesTheNewOnesSocket(t *testing.T) {
	s := new(sockets)
	defer s.close()
	old, fresh := &tenant{name: "r1"}, &tenant{name: "r1"}
	mustListen(t, s, old, "127.0.0.1:0")
	s.release(old) // given up at a reload
	l := mustListen(t, s, fresh, "127.0.0.1:0")
	s.release(old) // its Run returns at last
	s.sweep(old)
	c := dial(t, l.Addr().String())
	served, err := l.Accept()
	if err != nil {
		t.Fatalf("accept after the end of the source before: %v", err)
	}
	served.Close()
	c.Close()
}

func TestSourceThatDoesNotStopGivesItsPortToTheNextOne(t *testing.T) {
	st := newStage(t)
	config := func(mark string) []string {
		return simple("a1.sources.r1.type = deaf", "a1.sources.r1.address = 127.0.0.1:0", "a1.sources.r1.mark = "+mark)
	}
	a := start(t, config("one")...)
	a.settings.DrainTimeout = 100 * time.Millisecond
	before := address(t, a, "r1")
	reload(t, a, config("two")...)
	if after := address(t, a, "r1"); before != after {
		t.Errorf("listens on %v, want %v as before", after, before)
	}
	dial(t, before)
	until(t, "the new source accepting", func() bool { return st.has("accepted by two") })
}
