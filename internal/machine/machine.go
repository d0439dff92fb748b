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

// found holds the names; they do not change while the agent runs.
var found = struct {
	mu    sync.Mutex
	known map[string]string
}{known: map[string]string{}}

// Name returns the machine's name of that kind. What was found is kept; a failure is not.
func Name(which string) (string, error) {
	m := &found
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.known[which]; ok {
		return s, nil
	}
	s, err := lookUp(which)
	if err != nil {
		return "", fmt.Errorf("look up this machine's %s: %w", which, err)
	}
	m.known[which] = s
	return s, nil
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
