package kafka

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/IBM/sarama"
)

// verdict is what an error code of a batch means.
type verdict uint8

const (
	again    verdict = iota // may be sent again, as it is
	acked                   // appended
	tooLarge                // not appended; smaller ones may be
	poison                  // not appended; one or more records are at fault
	topicBad                // not appended; all records for the topic are at fault
	number                  // its sequence number was refused
	never                   // and nothing else will be taken either, until somebody changes something
)

// verdicts of Kafka's protocol error codes for an answer to a produce request. What is not here may be sent again.
var verdicts = map[sarama.KError]verdict{
	sarama.ErrNoError:                     acked,
	sarama.ErrDuplicateSequenceNumber:     acked,
	sarama.ErrMessageSizeTooLarge:         tooLarge,
	sarama.ErrMessageSetSizeTooLarge:      tooLarge,
	sarama.ErrInvalidRecord:               poison,
	sarama.ErrInvalidTimestamp:            poison,
	sarama.ErrInvalidTopic:                topicBad,
	sarama.ErrOutOfOrderSequenceNumber:    number,
	sarama.ErrUnknownProducerID:           number,
	sarama.ErrInvalidProducerEpoch:        number,
	sarama.ErrTopicAuthorizationFailed:    never,
	sarama.ErrClusterAuthorizationFailed:  never,
	sarama.ErrInvalidRequiredAcks:         never,
	sarama.ErrUnsupportedVersion:          never,
	sarama.ErrUnsupportedForMessageFormat: never,
	sarama.ErrUnsupportedCompressionType:  never,
	sarama.ErrPolicyViolation:             never,
	sarama.ErrInvalidRequest:              never,
}

// refusal is what was said of a batch that has records at fault.
type refusal struct {
	b       *batch
	verdict verdict
	err     error
	records []sarama.ProduceResponseRecordError
}

var errNoAnswer = errors.New("the answer says nothing about the partition")

// answered acts on the answer to a request, or on the error that came in its place.
func (l *loop) answered(r *request, res *sarama.ProduceResponse, err error) {
	l.requests = slices.DeleteFunc(l.requests, func(o *request) bool { return o == r })
	r.c.inFlight--
	if err != nil {
		err = fmt.Errorf("kafka broker %s: %w", r.c.addr, err)
		l.retire(r.c, err)
	} else {
		delete(l.troubles, r.c.id)
	}
	for _, b := range r.batches {
		l.judge(b, r.wire.RequiredAcks, res, err)
	}
}

func (l *loop) judge(b *batch, acks sarama.RequiredAcks, res *sarama.ProduceResponse, err error) {
	q := b.q
	q.inFlight--
	v := again
	var block *sarama.ProduceResponseBlock
	switch {
	case err != nil:
	case acks == sarama.NoResponse:
		v = acked
	default:
		if block = res.GetBlock(q.topic, q.id); block == nil {
			err = errNoAnswer
		} else if v = verdicts[block.Err]; v != acked {
			err = block.Err
			if block.ErrorMessage != nil && *block.ErrorMessage != "" {
				err = fmt.Errorf("%w: %s", block.Err, *block.ErrorMessage)
			}
		}
	}
	switch v {
	case acked:
		l.acked(b)
	case again:
		q.failed = true
	case number:
		// Behind another failed batch this is only its consequence.
		if q.failed = true; q.queue[0] == b && !l.drain {
			l.drain = true
			l.repeats(q, err)
		}
	case never:
		q.failed = true
		l.fail(fmt.Errorf("topic %q partition %d: %w", q.topic, q.id, err))
	default:
		if q.failed = true; q.refused == nil {
			q.refused = &refusal{b: b, verdict: v, err: err}
			if block != nil {
				q.refused.records = block.RecordErrors
			}
		}
	}
	if err != nil {
		q.lastErr = err
	}
	if q.failed && q.inFlight == 0 {
		l.restart(q)
	}
}

// acked resolves the records of a batch that the broker has.
func (l *loop) acked(b *batch) {
	q := b.q
	q.remove(b)
	l.spare(b)
	q.tries, q.lastErr, q.known = 0, nil, time.Now()
	for _, p := range b.parts {
		l.resolve(p.t, p.n)
	}
}

// resolve counts n records of a transaction as delivered.
func (l *loop) resolve(t *Transaction, n int) {
	if t.left -= n; t.left > 0 {
		return
	}
	l.open = slices.DeleteFunc(l.open, func(o *Transaction) bool { return o == t })
	l.end(t, nil)
}

// repeats notes that what is queued with a number goes out a second time, of which the broker may have a part.
func (l *loop) repeats(q *partition, err error) {
	n := 0
	for _, b := range q.queue {
		if b.sealed {
			n += len(b.records)
		}
	}
	l.p.cfg.Repeated.Add(n)
	l.p.cfg.Log.Warn("Kafka does not know the number of a batch any more, its records are sent once more under a new epoch",
		"topic", q.topic, "partition", q.id, "records", n, "err", err)
}

// restart readies a partition of which a batch failed and none is in flight, for all to be sent again.
func (l *loop) restart(q *partition) {
	now := time.Now()
	q.failed, q.next = false, 0
	if f := q.refused; f != nil {
		q.refused = nil
		l.refuse(q, f)
		return
	}
	q.notBefore = now.Add(l.backoff(q.tries))
	q.tries++
	l.want(q.topic)
	if r := l.p.cfg.Retries; r >= 0 && q.tries > r {
		l.fail(fmt.Errorf("topic %q partition %d: %d tries: %w", q.topic, q.id, q.tries, q.lastErr))
	}
}

// refuse cuts a batch that is too large, and has records that are at fault dealt with. Nothing of it was appended.
func (l *loop) refuse(q *partition, f *refusal) {
	at := slices.Index(q.queue, f.b)
	if at < 0 {
		return
	}
	q.unsealFrom(l, at)
	b := f.b
	var guilty []int
	switch {
	case len(b.records) == 1 || f.verdict == topicBad:
		for i := range b.records {
			guilty = append(guilty, i)
		}
	case f.verdict == poison && len(f.records) > 0:
		for _, r := range f.records {
			if i := int(r.BatchIndex); i >= 0 && i < len(b.records) {
				guilty = append(guilty, i)
			}
		}
		slices.Sort(guilty)
		guilty = slices.Compact(guilty)
	}
	if len(guilty) == 0 {
		q.cut(at) // until a record stands alone
		return
	}
	for n, i := range guilty {
		i -= n // those before are gone
		r := b.records[i]
		rec := &RecordError{Topic: q.topic, Partition: q.id, Err: recordError(f, n)}
		for j, left := 0, i; j < len(b.parts); j++ {
			if left < b.parts[j].n {
				rec.Event = b.parts[j].t.event(r)
				break
			}
			left -= b.parts[j].n
		}
		if err := l.p.cfg.Refused(rec); err != nil {
			l.fail(err)
			return
		}
		l.resolve(b.drop(i), 1)
	}
	if len(b.records) == 0 {
		q.remove(b)
	}
}

// recordError returns what was said of the n-th record at fault.
func recordError(f *refusal, n int) error {
	if n < len(f.records) {
		if m := f.records[n].BatchIndexErrorMessage; m != nil && *m != "" {
			return fmt.Errorf("%w: %s", f.err, *m)
		}
	}
	return f.err
}
