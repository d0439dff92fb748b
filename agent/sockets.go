package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// sockets owns every listening socket of the sources. A source gets a lease: closing it ends the source's Accept, but the
// socket stays open, and its backlog with it, until another source leases it or sweep closes it. So no client is refused
// while a source is exchanged for one with other settings.
type sockets struct {
	wg sync.WaitGroup

	mu   sync.Mutex
	open []*socket
}

// tenant is a source as one that leases sockets. Two sources of the same name, at a reload, are two tenants.
type tenant struct{ name string }

// socket is one listening socket with a goroutine that accepts, at most one connection ahead of its lease.
type socket struct {
	network, addr string  // as the source asked for them
	owner         *tenant // that had it last
	l             net.Listener
	conns         chan accepted
	closed        chan struct{} // by shut
	lease         *lease        // nil: nobody's
}

type accepted struct {
	conn net.Conn
	err  error
}

// listen leases the socket of that address to the source, a kept one if there is one. Its signature without owner is
// registry.Env's Listen.
func (s *sockets) listen(ctx context.Context, owner *tenant, network, addr string) (net.Listener, error) {
	if l := s.kept(owner, network, addr); l != nil {
		return l, nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, network, addr)
	if errors.Is(err, syscall.EADDRINUSE) && s.shutPort(network, addr) {
		l, err = lc.Listen(ctx, network, addr) // the port was only kept for a source that has another address now
	}
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = &PortError{Network: network, Addr: addr, Err: err}
		}
		return nil, err
	}
	k := &socket{network: network, addr: addr, l: l, conns: make(chan accepted), closed: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = append(s.open, k)
	s.wg.Go(k.accept)
	return k.leaseTo(owner), nil
}

// kept leases a socket of that address that is open and nobody's, or returns nil. One on a port of the system's choice stays
// with the name that had it.
func (s *sockets) kept(owner *tenant, network, addr string) net.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.open {
		if k.lease == nil && k.network == network && k.addr == addr && (k.owner.name == owner.name || !anyPort(addr)) {
			return k.leaseTo(owner)
		}
	}
	return nil
}

// sweep closes the sockets that nobody leases; of, where not nil, only those that this source had last.
func (s *sockets) sweep(of *tenant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = slices.DeleteFunc(s.open, func(k *socket) bool {
		gone := k.lease == nil && (of == nil || k.owner == of)
		if gone {
			k.shut()
		}
		return gone
	})
}

// close closes all of them, leased or not, and waits for their goroutines.
func (s *sockets) close() {
	s.mu.Lock()
	for _, k := range s.open {
		k.shut()
	}
	s.open = nil
	s.mu.Unlock()
	s.wg.Wait()
}

// addresses returns where the source listens now.
func (s *sockets) addresses(owner *tenant) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, k := range s.open {
		if k.owner == owner && k.lease != nil {
			all = append(all, k.l.Addr().String())
		}
	}
	return all
}

// shutPort closes kept sockets of that port, whatever their host, and tells whether there were any.
func (s *sockets) shutPort(network, addr string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, port, _ := net.SplitHostPort(addr)
	before := len(s.open)
	s.open = slices.DeleteFunc(s.open, func(k *socket) bool {
		_, kept, _ := net.SplitHostPort(k.l.Addr().String())
		gone := k.lease == nil && k.network == network && kept == port
		if gone {
			k.shut()
		}
		return gone
	})
	return len(s.open) < before
}

func anyPort(addr string) bool { return strings.HasSuffix(addr, ":0") }

func (k *socket) leaseTo(owner *tenant) net.Listener {
	k.owner = owner
	k.lease = &lease{socket: k, ended: make(chan struct{})}
	return k.lease
}

func (k *socket) shut() {
	close(k.closed)
	k.l.Close()
}

func (k *socket) accept() {
	for {
		conn, err := k.l.Accept()
		select {
		case k.conns <- accepted{conn, err}:
			if errors.Is(err, net.ErrClosed) {
				return
			}
		case <-k.closed:
			if conn != nil {
				conn.Close()
			}
			return
		}
	}
}

// lease is a source's use of a socket.
type lease struct {
	socket *socket
	once   sync.Once
	ended  chan struct{}
}

// Accept implements net.Listener.
func (l *lease) Accept() (net.Conn, error) {
	select {
	case <-l.ended: // first: a closed lease takes no connection away from the next one
		return nil, l.closedErr()
	default:
	}
	select {
	case a := <-l.socket.conns:
		return a.conn, a.err
	case <-l.ended:
	case <-l.socket.closed:
	}
	return nil, l.closedErr()
}

func (l *lease) closedErr() error {
	return &net.OpError{Op: "accept", Net: l.socket.network, Addr: l.Addr(), Err: net.ErrClosed}
}

// Close implements net.Listener; the socket stays open.
func (l *lease) Close() error {
	l.once.Do(func() { close(l.ended) })
	return nil
}

// Addr implements net.Listener.
func (l *lease) Addr() net.Addr { return l.socket.l.Addr() }

// release ends every lease of the source, whether or not the source closed it, and keeps the sockets for the next one.
func (s *sockets) release(owner *tenant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.open {
		if k.owner == owner && k.lease != nil {
			k.lease.Close()
			k.lease = nil
		}
	}
}

// PortError says that an address to listen on is taken.
type PortError struct {
	Network, Addr string
	Holder        string // such as `pid 4121 (java)`, filled in by Explain; empty where it cannot be told
	Err           error
}

func (e *PortError) Error() string {
	s := fmt.Sprintf("listen on %s: address already in use", e.Addr)
	if e.Holder != "" {
		s += ": " + e.Holder + " has it"
	}
	return s
}

// Explain looks for who has the port, which may take a while.
func (e *PortError) Explain() { e.Holder = portHolder(e.Addr) }

// Unwrap returns the error of the system call.
func (e *PortError) Unwrap() error { return e.Err }
