package twitter

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"goflume/internal/retry"
)

// silence is how long the stream may say nothing; X sends a keep-alive at least every 20 s.
const silence = 20 * time.Second

// waits are the times between connections that X documents for its streams: growing by a step for faults of the network,
// doubling for refusals.
type waits struct {
	network, networkMax time.Duration
	refused, refusedMax time.Duration
	limited, limitedMax time.Duration // HTTP 429
}

var documented = waits{
	network: 250 * time.Millisecond, networkMax: 16 * time.Second,
	refused: 5 * time.Second, refusedMax: 320 * time.Second,
	limited: time.Minute, limitedMax: 16 * time.Minute,
}

// pace keeps count of the failures in a row, by kind.
type pace struct {
	waits
	kind  kind
	tries int
}

type kind uint8

const (
	network kind = iota
	refusal
	limit
)

// next returns how long to wait after err.
func (p *pace) next(err error, now time.Time) time.Duration {
	k := network
	var r *refused
	if errors.As(err, &r) {
		if k = refusal; r.status == http.StatusTooManyRequests {
			k = limit
		}
	}
	if k != p.kind {
		p.kind, p.tries = k, 0
	}
	p.tries++
	switch k {
	case refusal:
		return retry.Doubled(p.refused, p.tries-1, p.refusedMax)
	case limit:
		return max(retry.Doubled(p.limited, p.tries-1, p.limitedMax), min(r.reset.Sub(now), p.limitedMax))
	}
	return min(time.Duration(p.tries)*p.network, p.networkMax)
}

func (p *pace) reset() { p.tries = 0 }

// reset reads when X's window of requests begins anew; the zero time where it does not say.
func reset(h http.Header) time.Time {
	s, err := strconv.ParseInt(h.Get("x-rate-limit-reset"), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(s, 0)
}
