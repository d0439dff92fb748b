// Package machine finds what this machine is called: its host name, address and full name, as Java's
// InetAddress.getLocalHost gives them.
package machine

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// The names that Name knows.
const (
	Host    = "localhost" // host name
	Address = "ip"        // IPv4 address if there is one, else IPv6
	Full    = "fqdn"      // what the address resolves to, else the address
)

// Known tells whether Name knows which.
func Known(which string) bool { return which == Host || which == Address || which == Full }

// lookUpLimit bounds the look-up of the machine's own address and full name.
const lookUpLimit = 5 * time.Second

// again is how long after a failure the next look-up is made: it may take as long as lookUpLimit, and who asks does so for
// every event.
const again = time.Minute

// found holds the names; they do not change while the agent runs.
var found = names{lookUp: lookUp}

// Name returns the machine's name of that kind. What was found is kept, a failure for a minute.
func Name(which string) (string, error) { return found.name(which) }

type names struct {
	lookUp func(which string) (string, error)

	mu    sync.Mutex
	known map[string]result
}

type result struct {
	name  string
	err   error
	until time.Time // of a failure
}

func (n *names) name(which string) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r, ok := n.known[which]
	if ok && (r.err == nil || time.Now().Before(r.until)) {
		return r.name, r.err
	}
	if r.name, r.err = n.lookUp(which); r.err != nil {
		r = result{err: fmt.Errorf("look up this machine's %s: %w", which, r.err), until: time.Now().Add(again)}
	}
	if n.known == nil {
		n.known = map[string]result{}
	}
	n.known[which] = r
	return r.name, r.err
}

func lookUp(which string) (string, error) {
	host, err := os.Hostname()
	if err != nil || which == Host {
		return host, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookUpLimit)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return "", err
	}
	ip := addrs[0].IP
	for _, a := range addrs {
		if v4 := a.IP.To4(); v4 != nil {
			ip = v4
			break
		}
	}
	if which == Address {
		return ip.String(), nil
	}
	// The full name is what the address resolves to; Java falls back on the address.
	names, err := net.DefaultResolver.LookupAddr(ctx, ip.String())
	if err != nil || len(names) == 0 {
		return ip.String(), nil
	}
	return strings.TrimSuffix(names[0], "."), nil
}
