package escape

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

func knownMachine(name string) bool { return name == "localhost" || name == "ip" || name == "fqdn" }

// machineTimeout bounds the look-up of the machine's own address and full name.
const machineTimeout = 5 * time.Second

// machineNames holds what was found; the machine's names do not change while the agent runs. A failure is not kept.
var machineNames = struct {
	mu    sync.Mutex
	known map[string]string
}{known: map[string]string{}}

// machineName returns what Java's InetAddress.getLocalHost gives: host name, address, or full name.
func machineName(which string) (string, error) {
	m := &machineNames
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.known[which]; ok {
		return s, nil
	}
	s, err := lookUpMachine(which)
	if err != nil {
		return "", fmt.Errorf("look up %%[%s]: %w", which, err)
	}
	m.known[which] = s
	return s, nil
}

func lookUpMachine(which string) (string, error) {
	host, err := os.Hostname()
	if err != nil || which == "localhost" {
		return host, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), machineTimeout)
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
	if which == "ip" {
		return ip.String(), nil
	}
	// The full name is what the address resolves to; Java falls back on the address.
	names, err := net.DefaultResolver.LookupAddr(ctx, ip.String())
	if err != nil || len(names) == 0 {
		return ip.String(), nil
	}
	return strings.TrimSuffix(names[0], "."), nil
}
