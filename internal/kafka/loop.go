package kafka

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/IBM/sarama"
)

// nagle is how many bytes a request needs while another is in flight on its connection; with less, more is waited for until an
// answer comes. So transactions that are small travel together, and none waits longer than a round trip.
const nagle = 64 << 10

// maxRequest bounds the bytes of one request, before compression.
const maxRequest = 8 << 20

// loop is the producer's state. Everything here is run by the one goroutine of run.
type loop struct {
	p *Producer

	id    int64 // producer id, -1 for none yet
	epoch int16

	names  map[string][]*partition // partitions by topic
	active []*partition            // those with a queue
	sticky map[string]*stick

	brokers  map[int32]string // addresses
	conns    map[int32]*conn
	troubles map[int32]*trouble // of brokers that could not be reached
	requests []*request         // in flight
	live     int                // connections whose goroutine runs

	open    []*Transaction // in order
	failed  error          // nothing is sent; open transactions end when nothing is in flight
	aborts  []chan struct{}
	drain   bool // for the next epoch
	closing bool

	lookups
	wake  time.Time
	timer *time.Timer
}

// stick is where records without a key go now.
type stick struct {
	partition int32
	bytes     int
	turn      int
}

type trouble struct {
	tries int
	until time.Time
	err   error
}

func (l *loop) init(p *Producer) {
	*l = loop{p: p, id: -1, names: map[string][]*partition{}, sticky: map[string]*stick{}, brokers: map[int32]string{},
		conns: map[int32]*conn{}, troubles: map[int32]*trouble{}}
	l.lookups.init()
}

// run is the loop's goroutine. What came in meanwhile is run before anything is sent, so that small transactions meet.
func (l *loop) run() {
	l.timer = time.NewTimer(time.Hour)
	defer l.timer.Stop()
	for !l.closing || l.live > 0 || l.looking {
		select {
		case f := <-l.p.inbox:
			f()
		case <-l.timer.C:
		}
		for more := true; more; {
			select {
			case f := <-l.p.inbox:
				f()
			default:
				more = false
			}
		}
		now := time.Now()
		l.wake = now.Add(time.Hour)
		l.expire(now)
		l.settle()
		l.dispatch(now)
		l.look(now)
		l.timer.Reset(time.Until(l.wake))
	}
	for {
		select {
		case f := <-l.p.inbox: // posted before the end was known
			f()
		default:
			l.finish(ErrAborted)
			l.answer(func(waiter) error { return ErrAborted })
			for _, done := range l.aborts {
				close(done)
			}
			return
		}
	}
}

// wakeAt has the loop go round at t at the latest.
func (l *loop) wakeAt(t time.Time) {
	if t.Before(l.wake) {
		l.wake = t
	}
}

// accept queues a transaction.
func (l *loop) accept(t *Transaction) {
	if l.failed != nil || l.closing {
		err := l.failed
		if err == nil {
			err = ErrAborted
		}
		l.end(t, err)
		return
	}
	now := time.Now()
	t.sent, t.deadline = now, now.Add(l.p.cfg.DeliveryTimeout)
	l.open = append(l.open, t)
	for i := range t.topics {
		ts := &t.topics[i]
		for j := range ts.shares {
			if s := &ts.shares[j]; s.partition >= 0 {
				l.enqueue(l.partition(ts.topic.name, s.partition), t, s.records, now)
			} else {
				l.spread(ts.topic, t, s.records, now)
			}
		}
	}
}

func (l *loop) enqueue(q *partition, t *Transaction, records []*record, now time.Time) {
	q.add(t, records, now)
	if !q.active {
		q.active = true
		l.active = append(l.active, q)
	}
}

// spread queues records without a key: a stretch for one partition, the next for another. A stretch ends at its size, or
// when the batch that it filled was sent: going on elsewhere costs nothing then.
func (l *loop) spread(topic *topicInfo, t *Transaction, records []*record, now time.Time) {
	s := l.sticky[topic.name]
	if s == nil {
		s = &stick{partition: -1}
		l.sticky[topic.name] = s
	}
	for len(records) > 0 {
		if s.partition < 0 || s.bytes >= l.p.cfg.Sticky || !l.partition(topic.name, s.partition).isOpen() {
			s.bytes = 0
			s.turn++
			if usable := l.usable(topic); len(usable) > 0 {
				s.partition = usable[s.turn%len(usable)]
			} else {
				s.partition = int32(s.turn % len(topic.leaders))
			}
		}
		n := 0
		for n < len(records) && s.bytes < l.p.cfg.Sticky {
			s.bytes += records[n].size()
			n++
		}
		l.enqueue(l.partition(topic.name, s.partition), t, records[:n], now)
		records = records[n:]
	}
}

// usable returns the topic's partitions with a leader by the newest knowledge.
func (l *loop) usable(topic *topicInfo) []int32 {
	if t := (*l.p.topics.Load())[topic.name]; t != nil {
		return t.info.usable
	}
	return topic.usable
}

// partition returns the queue to a partition.
func (l *loop) partition(topic string, id int32) *partition {
	qs := l.names[topic]
	for int32(len(qs)) <= id {
		qs = append(qs, &partition{topic: topic, id: int32(len(qs)), leader: -1, limit: l.p.cfg.BatchBytes})
	}
	if len(qs) > len(l.names[topic]) {
		l.names[topic] = qs
		l.lead(topic)
	}
	return qs[id]
}

// dispatch sends what can be sent.
func (l *loop) dispatch(now time.Time) {
	if l.failed != nil || l.drain || l.closing || len(l.active) == 0 {
		return
	}
	if l.p.cfg.Idempotent && l.id < 0 {
		l.wantID = true
		return
	}
	for {
		// One round: a request for each connection, with a batch of each of its partitions.
		var round []*request
		keep := l.active[:0]
		for _, q := range l.active {
			if len(q.queue) == 0 {
				q.active = false
				continue
			}
			keep = append(keep, q)
			round = l.collect(round, q, now)
		}
		clear(l.active[len(keep):])
		l.active = keep
		sent := false
		for _, r := range round {
			if r.c.inFlight > 0 && r.size < nagle && !slices.ContainsFunc(r.batches, (*batch).full) {
				continue
			}
			l.ship(r, now)
			sent = true
		}
		if !sent {
			return
		}
		// The last partitions come first in the next round, so that a full request starves none.
		if n := len(l.active); n > 1 {
			first := l.active[0]
			copy(l.active, l.active[1:])
			l.active[n-1] = first
		}
	}
}

// collect adds q's next batch to the request for its connection, if it may be sent now.
func (l *loop) collect(round []*request, q *partition, now time.Time) []*request {
	if q.failed || q.next >= len(q.queue) {
		return round
	}
	if now.Before(q.notBefore) {
		l.wakeAt(q.notBefore)
		return round
	}
	c := l.connTo(q, now)
	if c == nil || !c.up || c.inFlight >= l.p.cfg.InFlight || q.inFlight >= l.window(q, now) || q.inFlight > 0 && q.via != c {
		return round
	}
	b := q.queue[q.next]
	if due := b.queued.Add(l.p.cfg.Linger); now.Before(due) && !b.full() {
		l.wakeAt(due)
		return round
	}
	i := slices.IndexFunc(round, func(r *request) bool { return r.c == c })
	if i < 0 {
		i = len(round)
		round = append(round, &request{c: c})
	}
	if r := round[i]; len(r.batches) == 0 || r.size+b.size <= maxRequest {
		r.batches = append(r.batches, b)
		r.size += b.size
	}
	return round
}

// window returns how many of q's batches may be in flight. A broker that knows nothing of this producer takes a batch of any
// number: if it refused the first one, as a leader that is just being made one does, it would take the second, and the order
// would be lost. So the first goes alone, and so does one after a time in which the broker may have forgotten.
func (l *loop) window(q *partition, now time.Time) int {
	if l.p.cfg.Idempotent && now.Sub(q.known) > remembered {
		return 1
	}
	return l.p.cfg.InFlight
}

// remembered is for how long a broker surely knows a producer after its last batch; its own default is a day.
const remembered = 10 * time.Minute

// ship seals the request's batches and hands it to its connection.
func (l *loop) ship(r *request, now time.Time) {
	cfg := &l.p.cfg
	// The broker gives up on its replicas before we give up on the broker.
	r.wire = sarama.ProduceRequest{RequiredAcks: cfg.Acks, Timeout: int32(cfg.RequestTimeout.Milliseconds() * 2 / 3),
		Version: produceVersion(cfg.Conn.Version)}
	for _, b := range r.batches {
		q := b.q
		if !b.sealed {
			b.seal(l)
		}
		q.next++
		q.inFlight++
		q.via = r.c
	}
	r.deadline = now.Add(cfg.RequestTimeout)
	l.wakeAt(r.deadline)
	r.c.inFlight++
	l.requests = append(l.requests, r)
	r.c.work <- r
}

// connTo returns the connection to q's leader, nil where there can be none now.
func (l *loop) connTo(q *partition, now time.Time) *conn {
	if q.leader < 0 {
		l.want(q.topic)
		return nil
	}
	if c := l.conns[q.leader]; c != nil {
		return c
	}
	if t := l.troubles[q.leader]; t != nil && now.Before(t.until) {
		l.wakeAt(t.until)
		return nil
	}
	addr, ok := l.brokers[q.leader]
	if !ok {
		l.want(q.topic)
		return nil
	}
	ctx, give := context.WithCancelCause(l.p.ctx)
	c := &conn{id: q.leader, addr: addr, work: make(chan *request, l.p.cfg.InFlight), give: give,
		deadline: now.Add(l.p.cfg.Conn.Net.DialTimeout + l.p.cfg.RequestTimeout)}
	l.wakeAt(c.deadline)
	l.conns[c.id] = c
	l.live++
	l.p.wg.Go(func() { l.send(ctx, c) })
	return c
}

// connected notes how connecting went.
func (l *loop) connected(c *conn, err error) {
	if err != nil {
		l.p.cfg.Failed.Add(1)
		l.retire(c, err)
		return
	}
	c.up = true
	l.p.cfg.Created.Add(1)
}

// retire gives a connection up. Its requests come back with an error.
func (l *loop) retire(c *conn, err error) {
	if c.retired {
		return
	}
	c.retired = true
	if l.conns[c.id] == c {
		delete(l.conns, c.id)
	}
	close(c.work)
	c.give(err)
	if c.up {
		l.p.cfg.Closed.Add(1)
	}
	t := l.troubles[c.id]
	if t == nil {
		t = new(trouble)
		l.troubles[c.id] = t
	}
	t.err = err
	t.until = time.Now().Add(l.backoff(t.tries))
	t.tries++
	for _, q := range l.active {
		if q.leader == c.id {
			l.want(q.topic)
		}
	}
}

func (l *loop) gone(c *conn) {
	c.give(nil)
	l.live--
}

// backoff returns the wait after so many failures.
func (l *loop) backoff(tries int) time.Duration {
	return min(l.p.cfg.Backoff<<min(tries, 10), l.p.cfg.MaxBackoff)
}

// expire acts on deadlines.
func (l *loop) expire(now time.Time) {
	for _, c := range l.conns {
		if !c.up {
			if now.After(c.deadline) {
				l.retire(c, fmt.Errorf("connect to kafka broker %s: no answer in time", c.addr))
			} else {
				l.wakeAt(c.deadline)
			}
		}
	}
	for _, r := range l.requests {
		if now.After(r.deadline) {
			l.retire(r.c, fmt.Errorf("kafka broker %s: no answer to a produce request in time", r.c.addr))
		} else if !r.c.retired {
			l.wakeAt(r.deadline)
		}
	}
	if len(l.open) > 0 && l.failed == nil {
		if t := l.open[0]; now.After(t.deadline) {
			l.fail(fmt.Errorf("%w: %d records after %v%s", ErrDelivery, t.left, l.p.cfg.DeliveryTimeout, l.why(t)))
		} else {
			l.wakeAt(t.deadline)
		}
	}
}

// why tells what kept the transaction, as far as it is known.
func (l *loop) why(t *Transaction) string {
	for _, q := range l.active {
		for _, b := range q.queue {
			if !slices.ContainsFunc(b.parts, func(p part) bool { return p.t == t }) {
				continue
			}
			where := fmt.Sprintf(" (topic %q partition %d", q.topic, q.id)
			switch tr := l.troubles[q.leader]; {
			case q.lastErr != nil:
				return where + ": " + q.lastErr.Error() + ")"
			case q.leader < 0 && l.lookErr != nil:
				return where + ": " + l.lookErr.Error() + ")"
			case q.leader < 0:
				return where + " has no leader)"
			case tr != nil && tr.err != nil:
				return where + ": " + tr.err.Error() + ")"
			}
			return where + ")"
		}
	}
	if l.p.cfg.Idempotent && l.id < 0 && l.lookErr != nil {
		return " (" + l.lookErr.Error() + ")"
	}
	return ""
}

// fail stops the producer: nothing more is sent, and what is open ends when nothing is in flight any more.
func (l *loop) fail(err error) {
	if l.failed == nil {
		l.failed = err
		l.p.broken.Store(&failure{err})
	}
}

// abort gives up all at once.
func (l *loop) abort(done chan struct{}) {
	l.fail(ErrAborted)
	l.aborts = append(l.aborts, done)
	for _, r := range l.requests {
		l.retire(r.c, ErrAborted)
	}
}

func (l *loop) close() {
	l.closing = true
	l.fail(ErrAborted)
	for _, c := range l.conns {
		l.retire(c, ErrAborted)
	}
}

// settle does what had to wait until nothing is in flight: the end after a failure, or the next epoch.
func (l *loop) settle() {
	if len(l.requests) > 0 {
		return
	}
	if l.failed != nil && (len(l.open) > 0 || len(l.aborts) > 0 || l.p.cfg.Heals) {
		l.finish(l.failed)
		if l.closing || !l.p.cfg.Heals && len(l.aborts) == 0 {
			return
		}
		l.failed = nil
		l.p.broken.Store(nil)
		for _, done := range l.aborts {
			close(done)
		}
		l.aborts = nil
	}
	if l.drain {
		l.drain = false
		l.nextEpoch()
	}
}

// finish ends all open transactions with err and empties the queues. Nothing is in flight.
func (l *loop) finish(err error) {
	unsure := false
	for _, qs := range l.names {
		for _, q := range qs {
			unsure = unsure || slices.ContainsFunc(q.queue, func(b *batch) bool { return b.sealed })
			clear(q.queue)
			q.queue, q.next, q.failed, q.refused = q.queue[:0], 0, false, nil
			q.tries, q.notBefore, q.lastErr = 0, time.Time{}, nil
		}
	}
	for _, t := range l.open {
		l.end(t, err)
	}
	clear(l.open)
	l.open = l.open[:0]
	// Which of the numbers given the broker knows is not sure: the next ones are of a new epoch.
	if unsure {
		l.drain = true
	}
}

// spare keeps the memory of a batch that is not in flight for others.
func (l *loop) spare(b *batch) {
	if b.wire == nil {
		return
	}
	select {
	case l.p.buffers <- b.wire:
	default:
	}
	b.wire = nil
}

// end calls a transaction's done.
func (l *loop) end(t *Transaction, err error) {
	l.p.release(t.bytes)
	done := t.done
	l.p.recycle(t)
	done(err)
}

// nextEpoch numbers all that is queued from 0 again. The new epoch fences off what old connections may still carry; a new id,
// needed after the last epoch, would not.
func (l *loop) nextEpoch() {
	switch {
	case l.id < 0:
	case l.epoch == math.MaxInt16:
		l.id, l.wantID = -1, true
	default:
		l.epoch++
		l.renumber()
	}
}

// renumber gives all sealed batches numbers of the epoch now, from 0.
func (l *loop) renumber() {
	for _, qs := range l.names {
		for _, q := range qs {
			q.sequence, q.next, q.failed, q.known = 0, 0, false, time.Time{}
			for _, b := range q.queue {
				if b.sealed {
					b.number(l)
				}
			}
		}
	}
}
