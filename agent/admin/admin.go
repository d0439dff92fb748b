// Package admin answers over HTTP how the agent fares: Flume's JSON, Prometheus metrics, health.
//
// The compat listener is the one that Flume opens with `flume.monitoring.type`. It may be reached from elsewhere, so it
// only ever answers GET and HEAD and shows numbers, names and states: no events, no configuration.
package admin

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"goflume/agent"
	"goflume/internal/metric"
)

var goVersion = runtime.Version()

// Limits of a client, so that a slow or greedy one ties up nothing for long.
const (
	readTimeout    = 10 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 16 << 10
	maxConns       = 128 // open at once; more wait in the listen queue
)

// Compat serves the metrics and health of one agent.
type Compat struct {
	Sets   *metric.Registry
	Status func() agent.Status
	Legacy bool // flume.monitoring.type=prometheus: Flume's own Prometheus names at /metrics, for everyone
	Log    *slog.Logger
}

// Handler returns the pages of the compat listener.
func (c Compat) Handler() http.Handler {
	native := c.prometheus(newNative(c.Sets, c.Status))
	legacy := c.prometheus(newLegacy(c.Sets))
	return methods(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/":
			w.Header().Set("Content-Type", "text/html;charset=utf-8")
			io.WriteString(w, index)
		case strings.EqualFold(path, "/metrics"):
			w.Header().Set("Vary", "Accept")
			switch {
			case c.Legacy:
				legacy.ServeHTTP(w, r)
			case wantsPrometheus(r):
				native.ServeHTTP(w, r)
			default:
				c.json(w)
			}
		case path == "/metrics.json":
			c.json(w)
		case path == "/metrics/prometheus":
			native.ServeHTTP(w, r)
		case path == "/healthz":
			st := c.Status()
			health(w, r, "healthz", http.StatusInternalServerError, st, st.Unhealthy())
		case path == "/readyz":
			st := c.Status()
			health(w, r, "readyz", http.StatusServiceUnavailable, st, st.NotReady(r.URL.Query().Get("sinks") == "1"))
		default:
			http.NotFound(w, r)
		}
	}))
}

const index = `<!DOCTYPE html><title>goflume</title>
<p><a href="/metrics">metrics</a> &middot; <a href="/metrics/prometheus">for Prometheus</a> &middot; <a href="/readyz?verbose">state</a></p>
`

// methods lets GET and HEAD through. OPTIONS and TRACE are forbidden as in Flume, the rest is no method here.
func methods(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			next.ServeHTTP(w, r)
		case http.MethodOptions, http.MethodTrace:
			http.Error(w, "forbidden", http.StatusForbidden)
		default:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		}
	})
}

func (c Compat) json(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.Write(AppendFlumeJSON(nil, c.Sets.Sets()))
}

func (c Compat) prometheus(g prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(g, promhttp.HandlerOpts{
		ErrorHandling:     promhttp.ContinueOnError,
		ErrorLog:          promLog{c.Log},
		EnableOpenMetrics: true,
	})
}

// promLog tells of metrics that Prometheus refuses: a bug in a component's names.
type promLog struct{ log *slog.Logger }

func (l promLog) Println(v ...any) { l.log.Error("Metrics are incomplete", "err", fmt.Sprint(v...)) }

// wantsPrometheus tells whether the client names a text format of Prometheus. Everybody else gets Flume's JSON.
func wantsPrometheus(r *http.Request) bool {
	for _, accept := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(accept, ",") {
			kind, params, _ := strings.Cut(strings.TrimSpace(part), ";")
			switch strings.TrimSpace(kind) {
			case "application/openmetrics-text":
				return true
			case "text/plain":
				if strings.Contains(params, "version=0.0.4") {
					return true
				}
			}
		}
	}
	return false
}

// health answers 200, or the code and the reasons why not; ?verbose lists every component.
func health(w http.ResponseWriter, r *http.Request, check string, code int, st agent.Status, why []string) {
	w.Header().Set("Content-Type", "text/plain;charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if len(why) == 0 {
		code = http.StatusOK
	}
	w.WriteHeader(code)
	if r.URL.Query().Has("verbose") {
		for _, c := range st.Components {
			sign := "[-]"
			if c.State == agent.Running {
				sign = "[+]"
			}
			fmt.Fprintln(w, sign+c.Line())
		}
		if st.ReloadErr != "" {
			fmt.Fprintf(w, "[-]reload refused, generation %d runs on: %s\n", st.Generation, st.ReloadErr)
		}
	}
	if len(why) == 0 {
		fmt.Fprintln(w, "ok")
		return
	}
	for _, line := range why {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w, check+" check failed")
}

// Serve answers on l until ctx ends, and closes l. Requests under way get two seconds to finish.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	done := make(chan struct{})
	defer close(done)
	wg.Go(func() {
		select {
		case <-ctx.Done():
		case <-done:
		}
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if srv.Shutdown(end) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(&limited{Listener: l, free: make(chan struct{}, maxConns), closed: make(chan struct{})})
	if err == http.ErrServerClosed {
		return nil
	}
	return err
}
