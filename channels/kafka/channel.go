package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"goflume/channels"
	"goflume/event"
	"goflume/internal/avro"
	"goflume/internal/deadletter"
	"goflume/internal/kafka"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/vfs"
)

var _ channels.Durable = (*Channel)(nil)

// Channel keeps events in a topic.
type Channel struct {
	settings Settings
	env      registry.Env
	counters counters
	box      *deadletter.Box // of the claims, under boxMu

	ctx    context.Context // of the consumer; ends in Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // of the consumer

	puts   sync.RWMutex // held by every Put for reading, by Close for writing
	closed bool         // under puts

	starting sync.Mutex // of producer and consumer
	producer *kafka.Producer
	consumes bool

	boxMu sync.Mutex
	queue queue
}

// counters are those of Flume's KafkaChannelCounter, times in milliseconds, and ours.
type counters struct {
	getTimer, sendTimer, commitTimer *metric.Counter
	rollbacks, lost, bad             *metric.Counter
	connected, left, failed          *metric.Counter
	joined, leaves, repeated         *metric.Counter
	blocked                          *metric.Gauge
}

// New returns a kafka channel that is not open.
func New(env registry.Env, s Settings) (channels.Channel, error) {
	c := &Channel{settings: s, env: env}
	m := env.Metrics
	count := metric.NewChannel(m)
	metric.OldestAge(m, func() float64 {
		if at := c.queue.oldest(); !at.IsZero() {
			return max(0, time.Since(at).Seconds())
		}
		return 0
	})
	c.counters = counters{
		blocked:     count.Blocked,
		getTimer:    m.Counter("KafkaEventGetTimer", "flume_channel_kafka_get_milliseconds_total", "Milliseconds that sinks waited for events."),
		sendTimer:   m.Counter("KafkaEventSendTimer", "flume_channel_kafka_send_milliseconds_total", "Milliseconds from sending each transaction to its acknowledgement."),
		commitTimer: m.Counter("KafkaCommitTimer", "flume_channel_kafka_commit_milliseconds_total", "Milliseconds spent committing offsets."),
		rollbacks:   m.Counter("RollbackCount", "flume_channel_kafka_rollbacks_total", "Transactions that were rolled back or could not be written."),
		lost:        m.Counter("", "flume_channel_kafka_lost_commits_total", "Events committed after their partition had gone to another member: they are delivered twice."),
		bad:         m.Counter("", "flume_channel_kafka_bad_records_total", "Records that were no Flume event and went as onError says."),
		connected:   m.Counter("", "flume_channel_kafka_connections_created_total", "Connections to brokers."),
		left:        m.Counter("", "flume_channel_kafka_connections_closed_total", "Connections closed."),
		failed:      m.Counter("", "flume_channel_kafka_connections_failed_total", "Connections that could not be made."),
		joined:      m.Counter("", "flume_channel_kafka_joins_total", "Times that the group was joined."),
		leaves:      m.Counter("", "flume_channel_kafka_leaves_total", "Times that the group was left."),
		repeated:    m.Counter("", "flume_channel_kafka_repeated_events_total", "Events that were sent again under a new epoch: they may be in the topic twice."),
	}
	filing := env // the box counts as a sink's would, which a channel does not show
	filing.Metrics = metric.NewSet(metric.Sink, env.Agent, env.Name, "kafka")
	c.box = deadletter.NewBox(s.OnError, filing, vfs.OS{})
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.queue.init()
	return c, nil
}

// Open does nothing yet: brokers may be down. The first Put and the first Take connect.
func (c *Channel) Open(context.Context) error { return nil }

var errClosed = &event.Refused{Kind: event.ErrClosed, Text: "Kafka channel is closed"}

// started returns the producer, with the first call of a new one.
func (c *Channel) started() (*kafka.Producer, error) {
	c.starting.Lock()
	defer c.starting.Unlock()
	if c.producer != nil {
		return c.producer, nil
	}
	cfg, err := c.settings.producer().ProducerConfig()
	if err != nil {
		return nil, err
	}
	cfg.Brokers, cfg.Heals = c.settings.Servers, true
	cfg.Log = c.env.Log
	cfg.Created, cfg.Closed, cfg.Failed = c.counters.connected, c.counters.left, c.counters.failed
	cfg.Repeated = c.counters.repeated
	cfg.Refused = func(e *kafka.RecordError) error { return e }
	c.producer = kafka.NewProducer(cfg)
	c.producer.Start()
	return c.producer, nil
}

// Put writes the events as one transaction and returns nil once the brokers have all of them.
func (c *Channel) Put(ctx context.Context, events []event.Event) error {
	c.puts.RLock()
	defer c.puts.RUnlock()
	if c.closed {
		return errClosed
	}
	if len(events) == 0 {
		return nil
	}
	p, err := c.started()
	if err != nil {
		return err
	}
	t := p.NewTransaction(len(events))
	t.Events = events
	if err := c.fill(context.WithoutCancel(ctx), p, t); err != nil {
		p.Discard(t)
		c.counters.rollbacks.Add(1)
		return refusal(err)
	}
	room, cancel := context.WithTimeoutCause(ctx, c.settings.KeepAlive, errFull)
	defer cancel()
	done := make(chan error, 1)
	began := time.Now()
	err = p.Send(room, t, func(err error) { done <- err })
	c.counters.blocked.Add(time.Since(began).Seconds())
	if err != nil {
		if room.Err() != nil {
			return &event.Refused{Kind: event.ErrFull, Text: errFull.Error()}
		}
		return refusal(err)
	}
	err = <-done // by delivery.timeout.ms at the latest
	c.counters.sendTimer.Add(int(time.Since(began).Milliseconds()))
	if err != nil {
		c.counters.rollbacks.Add(1)
	}
	return refusal(err)
}

var errFull = errors.New("Kafka channel: as much is on its way to the brokers as buffer.memory allows")

// refusal tells a source whose event can never be written so.
func refusal(err error) error {
	if rec := (*kafka.RecordError)(nil); errors.As(err, &rec) {
		return &event.Refused{Kind: event.ErrTooLarge, Text: rec.Error()}
	}
	return err
}

func (c *Channel) fill(ctx context.Context, p *kafka.Producer, t *kafka.Transaction) error {
	now := time.Now()
	for i := range t.Events {
		e := &t.Events[i]
		m := kafka.Message{Partition: c.settings.DefaultPartitionID, Value: e.Body, Time: now, Event: i}
		if h := c.settings.PartitionIDHeader; h != "" {
			if v, ok := e.Header(h); ok {
				n, err := strconv.ParseInt(v, 10, 32)
				if err != nil || n < 0 {
					return &kafka.RecordError{Topic: c.settings.Topic, Partition: -1,
						Err: fmt.Errorf("Non integer partition id specified: header %s is %.40q", h, v)}
				}
				m.Partition = int32(n)
			}
		}
		var err error
		if m.Topic, err = p.Topic(ctx, c.settings.Topic, m.Partition+1); err != nil {
			return err
		}
		if key, ok := e.Header("key"); ok {
			m.Key = t.String(key)
		}
		switch {
		case c.settings.ParseAsFlumeEvent:
			m.Value = avro.AppendEvent(t.Bytes(avro.EventSize(e))[:0], e)
		case m.Value == nil:
			m.Value = []byte{}
		}
		if err := t.Add(m); err != nil {
			return err
		}
	}
	return nil
}

// Take returns the oldest events that this agent has and no transaction holds. While the consumer fails and there are
// none, it returns its error.
func (c *Channel) Take(ctx context.Context, maxEvents int, maxBytes int64) (channels.Tx, error) {
	if err := c.consume(); err != nil {
		return nil, err
	}
	began := time.Now()
	entries, err := c.queue.take(ctx, maxEvents, maxBytes)
	c.counters.getTimer.Add(int(time.Since(began).Milliseconds()))
	if err != nil {
		return nil, err
	}
	return newTx(c, entries), nil
}

// Stats knows what is held; how much the topic holds only the brokers know.
func (c *Channel) Stats() channels.Stats {
	held, bytes := c.queue.stats()
	return channels.Stats{Size: -1, Held: held, Bytes: bytes}
}

// Close waits for Puts, commits the offsets, leaves the group and disconnects.
func (c *Channel) Close() error {
	c.queue.close()
	c.cancel()
	c.wg.Wait()
	c.puts.Lock()
	defer c.puts.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	if c.producer != nil {
		c.producer.Close()
	}
	return nil
}

// Durable tells that what Put took is on the brokers: events outlive this process.
func (c *Channel) Durable() bool { return true }
