package kafka

import (
	"fmt"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"goflume/channels"
	"goflume/event"
	"goflume/internal/avro"
	"goflume/internal/kafka"
)

const (
	// slab is the most records that a partition queues at once.
	slab = 1000
	// handOver is how long a partition that must go waits for the transactions that hold its events.
	handOver = 10 * time.Second
)

// consume joins the group, at the first call.
func (c *Channel) consume() error {
	c.starting.Lock()
	defer c.starting.Unlock()
	if c.consumes || c.ctx.Err() != nil {
		return nil
	}
	cfg, err := c.settings.consumer().GroupConfig()
	if err != nil {
		return err
	}
	cfg.Brokers, cfg.Group, cfg.Topics = c.settings.Servers, c.settings.Group, []string{c.settings.Topic}
	cfg.Log = c.env.Log
	cfg.Created, cfg.Closed = c.counters.joined, c.counters.leaves
	cfg.Health = func(err error) {
		c.queue.health(err)
		c.env.Report(err)
	}
	cfg.Committed = func(d time.Duration) { c.counters.commitTimer.Add(int(d.Milliseconds())) }
	c.consumes = true
	c.wg.Go(func() {
		if err := kafka.Consume(c.ctx, cfg, c.read); err != nil {
			c.queue.health(err)
		}
	})
	return nil
}

// read queues a claim's records until it is over, and then waits for the transactions that hold some.
func (c *Channel) read(claim *kafka.Claim) error {
	p := &partition{mark: func(next int64) {
		claim.Mark(next)
		claim.CommitSoon()
		c.queue.markedLocked(claim.Partition, next)
	}}
	err := c.gather(claim, p)
	idle := c.queue.end(p)
	late := time.NewTimer(handOver)
	defer late.Stop()
	select {
	case <-idle:
	case <-late.C:
	case <-c.ctx.Done():
	}
	c.queue.lose(p)
	return err
}

func (c *Channel) gather(claim *kafka.Claim, p *partition) error {
	ctx := claim.Context()
	done := c.queue.begin(claim.Partition)
	var headers []event.Header
	entries := make([]entry, 0, slab)
	for m := range claim.Messages() {
		entries, headers = entries[:0], make([]event.Header, 0, cap(headers))
		for more := true; more; {
			e := entry{offset: m.Offset, put: m.Timestamp.UnixMilli()}
			var bad error
			repeated := claim.Repeats(m.Offset, done)
			if !repeated {
				e.event, headers, bad = c.event(m, headers)
			}
			if repeated || bad != nil {
				if c.queue.add(ctx, p, entries) != nil { // they are counted in the order of their offsets
					return nil
				}
				entries = entries[:0]
				if bad != nil {
					if err := c.refuse(m, bad); err != nil {
						c.queue.settled(ctx, p) // what came before goes its way first
						return err
					}
				}
				c.queue.skip(p, m.Offset)
			} else {
				entries = append(entries, e)
			}
			if len(entries) == slab {
				break
			}
			select {
			case m, more = <-claim.Messages():
			default:
				more = false
			}
		}
		if err := c.queue.add(ctx, p, entries); err != nil {
			return nil // the claim is over: what is not queued is its next reader's
		}
	}
	return nil
}

// event makes an event of a record. Its headers are appended to slab, which is returned.
func (c *Channel) event(m *sarama.ConsumerMessage, slab []event.Header) (event.Event, []event.Header, error) {
	at := len(slab)
	e := event.Event{Body: m.Value}
	if c.settings.ParseAsFlumeEvent && m.Value != nil {
		var err error
		if slab, e.Body, err = avro.DecodeEvent(m.Value, slab); err != nil {
			return e, slab[:at], err
		}
	}
	if m.Key != nil {
		slab = setKey(slab, at, string(m.Key))
	}
	e.Headers = slab[at:len(slab):len(slab)]
	return e, slab, nil
}

func setKey(slab []event.Header, at int, key string) []event.Header {
	for i := at; i < len(slab); i++ {
		if slab[i].Key == "key" {
			slab[i].Value = key
			return slab
		}
	}
	return append(slab, event.Header{Key: "key", Value: key})
}

// refuse does with a record that is no Flume event what onError says; an error stops the consumer.
func (c *Channel) refuse(m *sarama.ConsumerMessage, why error) error {
	e := event.Event{Body: m.Value, Headers: []event.Header{{Key: "topic", Value: m.Topic},
		{Key: "partition", Value: strconv.Itoa(int(m.Partition))}, {Key: "offset", Value: strconv.FormatInt(m.Offset, 10)}}}
	c.boxMu.Lock()
	defer c.boxMu.Unlock()
	err := c.box.Refuse(&e, why)
	if err == nil {
		err = c.box.Commit()
	}
	if err != nil {
		return fmt.Errorf("topic %q partition %d offset %d: %w", m.Topic, m.Partition, m.Offset, err)
	}
	c.counters.bad.Add(1)
	return nil
}

// tx is a take-transaction.
type tx struct {
	c       *Channel
	entries []entry
	events  []event.Event
	ended   bool
}

func newTx(c *Channel, entries []entry) channels.Tx {
	t := &tx{c: c, entries: entries, events: make([]event.Event, len(entries))}
	for i := range entries {
		t.events[i] = entries[i].event
	}
	return t
}

// PutAt implements channels.Dated, by the record's timestamp.
func (t *tx) PutAt() time.Time { return time.UnixMilli(t.entries[0].put) }

// Events are the transaction's.
func (t *tx) Events() []event.Event { return t.events }

// Commit moves the offsets, which are committed soon after. A partition that has gone to another member is no error: its
// events are delivered twice, which is counted.
func (t *tx) Commit() error {
	t.end()
	if lost := t.c.queue.commit(t.entries); lost > 0 {
		t.c.counters.lost.Add(lost)
	}
	return nil
}

// Rollback has the events delivered again.
func (t *tx) Rollback() error {
	t.end()
	t.c.counters.rollbacks.Add(1)
	t.c.queue.rollback(t.entries)
	return nil
}

func (t *tx) end() {
	if t.ended {
		panic("kafka: transaction ended twice")
	}
	t.ended = true
}
