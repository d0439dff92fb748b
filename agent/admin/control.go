package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"goflume/agent"
)

// Control returns the pages of the admin listener: those of the compat listener, and GET /api/v1/status. It is for a
// socket or for loopback: a web page that a browser on this machine shows may not read it, so that requests with another
// host or origin than loopback are refused.
func (c Compat) Control() http.Handler {
	pages := c.Handler()
	return methods(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
		if !local(r.Host) || !sameOrigin(r) {
			http.Error(w, "only for this machine: call it as localhost or 127.0.0.1", http.StatusForbidden)
			return
		}
		if r.URL.Path != "/api/v1/status" {
			pages.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json;charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		out.Encode(statusOf(c.Status())) // an error is the client's: it has left
	}))
}

// local tells whether a Host header, or the host of an address, names this machine.
func local(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// sameOrigin tells whether the request comes from no web page, or from one of this listener.
func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host == r.Host
}

// jsonStatus is agent.Status for programs.
type jsonStatus struct {
	Agent      string          `json:"agent"`
	Version    string          `json:"version"`
	Started    time.Time       `json:"started"`
	Ready      bool            `json:"ready"`
	Draining   bool            `json:"draining"`
	Generation int             `json:"generation"`
	Loaded     time.Time       `json:"loaded"`
	Refused    string          `json:"reloadRefused,omitempty"`
	Components []jsonComponent `json:"components"`
}

type jsonComponent struct {
	Kind      string      `json:"kind"`
	Name      string      `json:"name"`
	Type      string      `json:"type"`
	State     agent.State `json:"state"`
	Since     time.Time   `json:"since"`
	Errors    int         `json:"errors"`
	LastError string      `json:"lastError,omitempty"`
	ErrorAt   *time.Time  `json:"errorAt,omitempty"`
	Delivered *bool       `json:"delivered,omitempty"`
	Dropped   int64       `json:"dropped,omitempty"`
	Addresses []string    `json:"addresses,omitempty"`
}

func statusOf(s agent.Status) jsonStatus {
	j := jsonStatus{Agent: s.Agent, Version: s.Version, Started: s.Started, Ready: s.Ready, Draining: s.Draining,
		Generation: s.Generation, Loaded: s.Loaded, Refused: s.ReloadErr, Components: []jsonComponent{}}
	for _, c := range s.Components {
		p := jsonComponent{Kind: strings.ToLower(string(c.Kind)), Name: c.Name, Type: c.Type, State: c.State, Since: c.Since,
			Errors: c.Errors, LastError: c.LastError, Dropped: c.Dropped, Addresses: c.Addresses}
		if !c.ErrorAt.IsZero() {
			p.ErrorAt = &c.ErrorAt
		}
		if p.Kind == "sink" {
			p.Delivered = &c.Delivered
		}
		j.Components = append(j.Components, p)
	}
	return j
}

// CheckAddr tells what is wrong with the address of the admin listener. It is unix:PATH, or host:port of loopback:
// whoever reaches it is trusted.
func CheckAddr(addr string) error {
	if strings.HasPrefix(addr, "unix:") {
		return nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("admin address %s: neither host:port nor unix:PATH", addr)
	}
	if !local(host) {
		return fmt.Errorf("admin address %s: only loopback is allowed, such as 127.0.0.1:41415, or unix:PATH", addr)
	}
	return nil
}

// Listen opens the admin listener.
func Listen(addr string) (net.Listener, error) {
	if err := CheckAddr(addr); err != nil {
		return nil, err
	}
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return listenUnix(path)
	}
	return net.Listen("tcp", addr)
}

// listenUnix listens on a socket for the user and group of this process, in the place of one that nobody listens on.
func listenUnix(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if c, dialErr := net.Dial("unix", path); dialErr == nil {
			c.Close()
			return nil, fmt.Errorf("admin socket %s: another process listens there", path)
		}
		if info, statErr := os.Lstat(path); statErr != nil || info.Mode().Type() != fs.ModeSocket {
			return nil, fmt.Errorf("admin socket %s: a file is in its place", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("admin socket: %w", err)
		}
		l, err = net.Listen("unix", path)
	}
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	return l, nil
}
