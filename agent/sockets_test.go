package agent

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// The sources of these tests.
var r1, r2, r3 = &tenant{name: "r1"}, &tenant{name: "r2"}, &tenant{name: "r3"}

// lease listens for the owner and fails the test where it cannot.
func mustListen(t *testing.T, s *sockets, owner *tenant, addr string) net.Listener {
	t.Helper()
	l, err := s.listen(t.Context(), owner, "tcp", addr)
	if err != nil {
		t.Fatalf("listen %s for %s: %v", addr, owner.name, err)
	}
	return l
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestSocketOutlivesItsLease(t *testing.T) {
	s := new(sockets)
	defer s.close()
	first := mustListen(t, s, r1, "127.0.0.1:0")
	addr := first.Addr().String()
	waiting := make(chan error, 1)
	go func() { _, err := first.Accept(); waiting <- err }()
	first.Close()
	if err := <-waiting; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept of a closed lease: %v, want net.ErrClosed", err)
	}
	s.release(r1)

	c := dial(t, addr) // nobody leases the socket: the connection waits
	second := mustListen(t, s, r1, "127.0.0.1:0")
	defer second.Close()
	if got := second.Addr().String(); got != addr {
		t.Fatalf("second lease of the same port 0: %s, want %s", got, addr)
	}
	if _, err := first.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept of the old lease: %v, want net.ErrClosed", err)
	}
	served, err := second.Accept()
	if err != nil {
		t.Fatalf("accept the waiting connection: %v", err)
	}
	defer served.Close()
	if served.RemoteAddr().String() != c.LocalAddr().String() {
		t.Errorf("accepted %s, want %s", served.RemoteAddr(), c.LocalAddr())
	}
}

func TestSweepClosesWhatNobodyLeases(t *testing.T) {
	s := new(sockets)
	defer s.close()
	kept := mustListen(t, s, r1, "127.0.0.1:0")
	gone := mustListen(t, s, r2, "127.0.0.1:0")
	addr := gone.Addr().String()
	s.release(r2)
	s.sweep(nil)
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("dial a swept socket: connected, want refused")
	}
	dial(t, kept.Addr().String())
	if got := s.addresses(r1); len(got) != 1 || got[0] != kept.Addr().String() {
		t.Errorf("addresses of r1: %v, want %s", got, kept.Addr())
	}
	if got := s.addresses(r2); len(got) != 0 {
		t.Errorf("addresses of r2: %v, want none", got)
	}
}

func TestPortMovesToAnotherSource(t *testing.T) {
	s := new(sockets)
	defer s.close()
	addr := mustListen(t, s, r1, "127.0.0.1:0").Addr().String()
	s.release(r1)
	fixed := mustListen(t, s, r2, addr) // a kept socket with port 0 in its address does not match: it is closed first
	if fixed.Addr().String() != addr {
		t.Errorf("port of r2: %s, want %s", fixed.Addr(), addr)
	}
	s.release(r2)
	if moved := mustListen(t, s, r3, addr); moved.Addr().String() != addr {
		t.Errorf("port of r3: %s, want %s", moved.Addr(), addr)
	}
}

func TestWiderAddressTakesAKeptPort(t *testing.T) {
	s := new(sockets)
	defer s.close()
	_, port, _ := net.SplitHostPort(mustListen(t, s, r1, "127.0.0.1:0").Addr().String())
	s.release(r1)
	mustListen(t, s, r1, "127.0.0.2:"+port)
	s.release(r1)
	mustListen(t, s, r1, ":"+port)
}

func TestPortInUseNamesItsHolder(t *testing.T) {
	s := new(sockets)
	defer s.close()
	l := mustListen(t, s, r1, "127.0.0.1:0")
	_, err := s.listen(t.Context(), r2, "tcp", l.Addr().String())
	var pe *PortError
	if !errors.As(err, &pe) || !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("second listener: %v, want a PortError", err)
	}
	pe.Explain()
	if _, statErr := os.Stat("/proc/net/tcp"); statErr == nil && pe.Holder != "another component of this agent" {
		t.Errorf("holder: %q, want this agent", pe.Holder)
	}
	if !strings.HasPrefix(err.Error(), "listen on "+l.Addr().String()+": address already in use") {
		t.Errorf("error: %q", err)
	}
}

func TestListeningReadsTheKernelsTable(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:AD9C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1234 1 0 100 0 0 10 0
   1: 0100007F:AD9C 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 99 1 0 100 0 0 10 0
   2: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5678 1 0 100 0 0 10 0
   3: broken
`
	if got := listening([]byte(table), 44444); len(got) != 1 || got[0] != "1234" {
		t.Errorf("listeners on 44444: %v, want [1234]", got)
	}
	if got := listening([]byte(table), 1); got != nil {
		t.Errorf("listeners on 1: %v, want none", got)
	}
}
