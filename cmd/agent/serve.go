package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"goflume/agent/admin"
	"goflume/internal/retry"
)

// serveMetrics opens Flume's metrics server where it was asked for. The flow does not depend on it.
func (r *runner) serveMetrics() {
	m, err := admin.ParseMonitoring(func(name string) string { return r.define["flume.monitoring."+name] })
	if err != nil {
		r.log.Error("No metrics server: " + err.Error())
		return
	}
	switch m.Type {
	case "":
		return
	case "ganglia":
		g := admin.Ganglia{Sets: r.agent.Metrics(), Hosts: m.Hosts, Every: m.Every, Old: m.Old, Log: r.log}
		r.log.Info("Metrics are sent to Ganglia", "hosts", strings.Join(m.Hosts, " "), "every", m.Every)
		r.workers.Go(func() { g.Run(r.ctx) })
		return
	}
	if ip := net.ParseIP(m.Host); m.Host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		r.log.Warn("Metrics and health can be read from other machines, as in Flume; flume.monitoring.host narrows it", "address", m.Addr())
	}
	c := r.pages()
	c.Legacy = m.Type == "prometheus"
	r.serveHTTP(c.Handler(), "Metrics at http://%s/metrics", func() (net.Listener, error) { return net.Listen("tcp", m.Addr()) })
}

// serveAdmin opens the admin listener where it was asked for.
func (r *runner) serveAdmin() {
	if r.admin == "" {
		return
	}
	r.serveHTTP(r.pages().Control(), "Admin interface at %s", func() (net.Listener, error) { return admin.Listen(r.admin) })
}

func (r *runner) pages() admin.Compat {
	return admin.Compat{Sets: r.agent.Metrics(), Status: r.agent.Status, Log: r.log}
}

// tryTime is how long a start waits for the first try to listen, which may ask a name server.
const tryTime = 500 * time.Millisecond

// serveHTTP answers until the end. What it cannot listen on is tried again. It returns after the first try, so that the log
// tells of it before the flows.
func (r *runner) serveHTTP(h http.Handler, where string, listen func() (net.Listener, error)) {
	first, end := context.WithTimeout(r.ctx, tryTime)
	r.workers.Go(func() {
		defer end()
		wait := retry.Default()
		for {
			l, err := listen()
			if err == nil {
				r.log.Info(fmt.Sprintf(where, l.Addr()))
				end()
				if err = admin.Serve(r.ctx, l, h, r.log); err == nil {
					return
				}
			}
			if wait.Tries() == 0 {
				r.log.Error("A listener for metrics or status does not listen and will try again", "err", err)
			}
			end()
			if retry.Sleep(r.ctx, wait.Next()) != nil {
				return
			}
		}
	})
	<-first.Done()
}
