package twitter

import (
	"context"
	"net"
	"net/url"
	"os"
	"strconv"

	"goflume/internal/probe"
)

var _ probe.Prober = (*Source)(nil)

// Probe tells whether the API's host, or the proxy, takes connections, or whether the replay is there. It does not log in:
// an account may have few connections.
func (s *Source) Probe(ctx context.Context) (string, error) {
	if s.s.Replay != "" {
		f, err := os.Open(s.s.Replay)
		if err != nil {
			return "", err
		}
		return s.s.Replay + " can be read", f.Close()
	}
	u, err := url.Parse(s.s.APIURL)
	if err != nil {
		return "", err
	}
	addr := u.Host
	if u.Port() == "" {
		addr = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	if s.s.ProxyHost != "" {
		addr = net.JoinHostPort(s.s.ProxyHost, strconv.Itoa(s.s.ProxyPort))
	}
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	return addr + " takes connections", c.Close()
}
