package interceptor

import (
	"log/slog"
	"sync/atomic"
	"time"

	"goflume/internal/metric"
	"goflume/internal/registry"
)

// overtime notes events on which a regular expression took too long. They pass as they are: refusing the batch would stop
// the source at that event for ever.
type overtime struct {
	count *metric.Counter
	log   *slog.Logger
	name  string
	said  atomic.Int64 // Unix seconds of the last log line
}

func newOvertime(env registry.Env) *overtime {
	return &overtime{name: env.Name, log: env.Log, count: env.Metrics.Counter("", "flume_interceptor_timeouts_total",
		"Events that passed unchanged because a regular expression took too long on them.", "interceptor", env.Name)}
}

// note counts err, if any, and logs it at most once a minute.
func (o *overtime) note(err error) {
	if err == nil {
		return
	}
	o.count.Add(1)
	now, said := time.Now().Unix(), o.said.Load()
	if now-said >= 60 && o.said.CompareAndSwap(said, now) {
		o.log.Error("Event passed unchanged", "interceptor", o.name, "err", err)
	}
}
