package elasticsearch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"goflume/event"
	"goflume/internal/retry"
)

// Waits before what a busy server put off is sent again: doubling, with a random half so that agents do not come together.
const (
	firstWait = 100 * time.Millisecond
	maxWait   = 5 * time.Second
)

var errBusy = errors.New("the server is busy")

// write stores the events. It returns nil once every one is stored, or was given up as onError says.
func (k *Sink) write(ctx context.Context, events []event.Event) error {
	now := time.Now()
	k.bulk.reset()
	for i := range events {
		if err := k.add(&events[i], now); err != nil {
			if err := k.box.Refuse(&events[i], err); err != nil {
				return err
			}
		}
	}
	d := delivery{Sink: k, deadline: now.Add(k.s.RetryTimeout)}
	for rest := k.bulk.items; len(rest) > 0; {
		n := k.fitting(rest)
		if err := d.send(ctx, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	if err := d.judge(); err != nil {
		return err
	}
	return k.box.Commit()
}

// fitting is how many of the items one request takes.
func (k *Sink) fitting(items []item) int {
	for i := range items {
		if i > 0 && items[i].to-items[0].from > k.s.MaxBulkBytes {
			return i
		}
	}
	return len(items)
}

// delivery is the sending of one batch.
type delivery struct {
	*Sink
	deadline time.Time // of sending again
	waits    int

	suspects []suspect // single documents for which a whole request was refused
	stored   int       // documents
}

// suspect is a document that was alone in a request that was refused as a whole.
type suspect struct {
	event *event.Event
	why   error
}

// send stores the items in one request, in more where the server does not take it as it is.
func (d *delivery) send(ctx context.Context, items []item) error {
	for len(items) > 0 {
		body := d.bulk.body(items)
		a, err := d.hosts.send(ctx, body)
		if err != nil {
			return err
		}
		d.bytes.Add(len(body))
		var busy error
		switch a.status {
		case http.StatusOK, http.StatusCreated:
			if items, busy, err = d.sort(a, items); err != nil {
				return err
			}
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			why := fmt.Errorf("%s answered %d: %s", a.from, a.status, a.problem())
			if len(items) == 1 {
				d.suspects = append(d.suspects, suspect{items[0].event, why})
				return nil
			}
			// One bad document fails its whole request, as does a request that is too large: halves show which.
			half := len(items) / 2
			if err := d.send(ctx, items[:half]); err != nil {
				return err
			}
			items = items[half:]
			continue
		case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway,
			http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			busy = fmt.Errorf("%s answered %d: %s", a.from, a.status, a.problem())
		case http.StatusUnauthorized, http.StatusForbidden:
			return fmt.Errorf("%s answered %d: %s; check username and password, or apiKey, and what its role may do", a.from, a.status, a.problem())
		default:
			return fmt.Errorf("%s answered %d: %s; is this an Elasticsearch or OpenSearch server?", a.from, a.status, a.problem())
		}
		if len(items) > 0 {
			if err := d.wait(ctx, busy); err != nil {
				return err
			}
			d.again.Add(len(items))
		}
	}
	return nil
}

// sort reads what became of each document: those put off are returned with the reason of one of them, those refused go to
// the dead letters.
func (d *delivery) sort(a answer, items []item) (again []item, busy, err error) {
	verdicts, err := a.verdicts(len(items))
	if err != nil {
		return nil, nil, err
	}
	for i, v := range verdicts {
		switch {
		case v.Status/100 == 2, v.Status == http.StatusConflict && items[i].create:
			d.stored++
		case v.Status == http.StatusTooManyRequests || v.Status >= 500 || v.Status == 0:
			again = append(again, items[i])
			busy = fmt.Errorf("%s put documents off with %d: %s", a.from, v.Status, v.Error)
		case d.s.Pipeline != "" && strings.HasPrefix(v.Error.Reason, "pipeline with id ["):
			return nil, nil, fmt.Errorf("%s: %s; create it, or change the property pipeline", a.from, v.Error.Reason)
		default:
			d.stored++ // the request itself was good
			if err := d.box.Refuse(items[i].event, fmt.Errorf("the server answered %d: %s", v.Status, v.Error)); err != nil {
				return nil, nil, err
			}
		}
	}
	return again, busy, nil
}

// wait waits before the next try, or fails where it would come too late.
func (d *delivery) wait(ctx context.Context, busy error) error {
	wait := retry.Doubled(firstWait, d.waits, maxWait)
	wait = wait/2 + rand.N(wait/2+1)
	d.waits++
	if time.Now().Add(wait).After(d.deadline) {
		return fmt.Errorf("%w: %w", errBusy, busy)
	}
	return retry.Sleep(ctx, wait)
}

// judge gives up the documents that are to blame for a refused request. When all of a batch are, it is rather the request
// itself that is wrong, such as a pipeline that is not there: the batch fails.
func (d *delivery) judge() error {
	if len(d.suspects) > 1 && d.stored == 0 {
		return fmt.Errorf("every document was refused: %w", d.suspects[0].why)
	}
	for _, s := range d.suspects {
		if err := d.box.Refuse(s.event, s.why); err != nil {
			return err
		}
	}
	return nil
}
