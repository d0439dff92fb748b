package kafka

import (
	"math"
	"slices"
	"time"
)

// batch is one record batch: records of one partition that are acknowledged together. From its first send on it is not changed
// any more, except for its numbers when an epoch begins.
type batch struct {
	q       *partition
	records []*record
	parts   []part
	size    int // bytes at most, before compression
	queued  time.Time

	sealed      bool
	first, last int64 // times, milliseconds since 1970
	producer    int64 // -1 for none, and so are the next two
	epoch       int16
	sequence    int32
	wire        []byte // once it was sent; its connection's while it is in flight
}

// part is how many of a batch's records, in order, are a transaction's.
type part struct {
	t *Transaction
	n int
}

// partition is the queue to one partition. It belongs to the loop.
type partition struct {
	topic  string
	id     int32
	leader int32 // broker id, -1 where it is not known

	queue    []*batch  // not acknowledged, in order
	next     int       // index in queue of the next to send
	via      *conn     // that the batches in flight went through
	inFlight int       // batches
	sequence int32     // of the next record that is sealed
	limit    int       // bytes of a batch
	known    time.Time // when the broker last took a batch of the epoch now

	failed    bool      // a batch failed; nothing is sent until inFlight is 0
	refused   *refusal  // dealt with then
	lastErr   error     // of the last failure, until something is acknowledged
	tries     int       // failures in a row
	notBefore time.Time // of the next send after a failure
	active    bool      // in the loop's list
}

// add queues records of t, in batches of at most the partition's limit. The last batch takes them if it was never sent.
func (q *partition) add(t *Transaction, records []*record, now time.Time) {
	for len(records) > 0 {
		var b *batch
		if n := len(q.queue); n > 0 && !q.queue[n-1].sealed {
			b = q.queue[n-1]
		}
		if b == nil || b.size+records[0].size() > q.limit {
			b = &batch{q: q, queued: now}
			q.queue = append(q.queue, b)
		}
		n := 0
		for n < len(records) {
			size := records[n].size()
			if b.size+size > q.limit && b.size > 0 {
				break
			}
			b.size += size
			n++
		}
		b.records = append(b.records, records[:n]...)
		b.parts = append(b.parts, part{t, n})
		records = records[n:]
	}
}

// isOpen tells whether the last batch of the queue still takes records.
func (q *partition) isOpen() bool { return len(q.queue) > 0 && !q.queue[len(q.queue)-1].sealed }

// full tells whether nothing more is to be expected in b.
func (b *batch) full() bool {
	return b.sealed || b.size >= b.q.limit-b.q.limit/8 || b != b.q.queue[len(b.q.queue)-1]
}

// seal gives b its times and numbers.
func (b *batch) seal(l *loop) {
	b.first, b.last = math.MaxInt64, math.MinInt64
	for _, r := range b.records {
		b.first, b.last = min(b.first, r.millis), max(b.last, r.millis)
	}
	b.producer, b.epoch, b.sequence = -1, -1, -1
	b.sealed = true
	b.number(l)
}

// unseal makes b what it was before its first send, for a batch that the broker certainly did not append.
func (b *batch) unseal(l *loop) {
	b.sealed = false
	l.spare(b)
}

// number gives a sealed b the partition's next sequence numbers.
func (b *batch) number(l *loop) {
	if !l.p.cfg.Idempotent {
		return
	}
	b.producer, b.epoch, b.sequence = l.id, l.epoch, b.q.sequence
	b.q.sequence = int32((int64(b.q.sequence) + int64(len(b.records))) & math.MaxInt32)
}

// unsealFrom takes the numbers back from the sealed batches from index at on, which the broker certainly did not append and of
// which none is in flight. They are sealed again when their turn comes.
func (q *partition) unsealFrom(l *loop, at int) {
	for i, b := range q.queue[at:] {
		if !b.sealed {
			break
		}
		if i == 0 && b.sequence >= 0 {
			q.sequence = b.sequence
		}
		b.unseal(l)
	}
	q.next = min(q.next, at)
}

// cut replaces the batch at index at, which is not sealed, by two halves. From now on batches are no bigger than these.
func (q *partition) cut(at int) {
	b := q.queue[at]
	half := len(b.records) / 2
	rest := &batch{q: q, queued: b.queued, records: slices.Clone(b.records[half:])}
	parts, left := b.parts, half
	b.records, b.parts = b.records[:half:half], nil
	for _, p := range parts {
		n := min(p.n, left)
		left -= n
		if n > 0 {
			b.parts = append(b.parts, part{p.t, n})
		}
		if p.n > n {
			rest.parts = append(rest.parts, part{p.t, p.n - n})
		}
	}
	b.measure()
	rest.measure()
	q.queue = slices.Insert(q.queue, at+1, rest)
	q.limit = min(q.limit, max(b.size, rest.size))
}

// drop takes the record at index i out of b, which is not sealed, and returns its transaction.
func (b *batch) drop(i int) *Transaction {
	b.records = slices.Delete(b.records, i, i+1)
	b.measure()
	for at := range b.parts {
		if i < b.parts[at].n {
			t := b.parts[at].t
			if b.parts[at].n--; b.parts[at].n == 0 {
				b.parts = slices.Delete(b.parts, at, at+1)
			}
			return t
		}
		i -= b.parts[at].n
	}
	panic("kafka: a record without a transaction")
}

func (b *batch) measure() {
	b.size = 0
	for _, r := range b.records {
		b.size += r.size()
	}
}

// remove takes b out of the queue.
func (q *partition) remove(b *batch) {
	at := slices.Index(q.queue, b)
	if at < 0 {
		return
	}
	q.queue = slices.Delete(q.queue, at, at+1)
	if q.next > at {
		q.next--
	}
}
