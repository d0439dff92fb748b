package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"goflume/event"
	"goflume/internal/avro"
	"goflume/internal/deadletter"
	"goflume/internal/escape"
	"goflume/internal/kafka"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/vfs"
	"goflume/sinks"
)

// Sink writes to Kafka.
type Sink struct {
	settings Settings
	env      registry.Env
	client   *kafka.Client
	topic    *escape.Template // nil where kafka.topic is taken as it is
	headers  []headerName

	counters  metric.SinkCounters
	sendTimer *metric.Counter // milliseconds
	rollbacks *metric.Counter
	repeated  *metric.Counter

	producer *kafka.Producer // nil while closed
	warned   time.Time

	boxMu sync.Mutex
	box   *deadletter.Box
}

// headerName is a header in Flume and in Kafka.
type headerName struct {
	flume string
	kafka []byte
}

var _ sinks.Pipelined = (*Sink)(nil)

// New returns a kafka sink.
func New(env registry.Env, set Settings) (sinks.Sink, error) {
	s := &Sink{settings: set, env: env, client: set.client(), counters: metric.NewSink(env.Metrics)}
	if set.AllowTopicOverride {
		var err error
		if s.topic, err = escape.Compile(set.Topic, escape.Options{}); err != nil {
			return nil, fmt.Errorf("kafka.topic: %w", err)
		}
		if len(s.topic.Headers()) == 0 && !s.topic.NeedsTimestamp() {
			s.topic = nil
		}
	}
	for flume, name := range set.Headers {
		s.headers = append(s.headers, headerName{flume, []byte(name)})
	}
	slices.SortFunc(s.headers, func(a, b headerName) int { return slices.Compare(a.kafka, b.kafka) })
	m := env.Metrics
	m.Hide("EventWriteFail", "ChannelReadFail")
	s.sendTimer = m.Counter("KafkaEventSendTimer", "flume_sink_kafka_send_milliseconds_total", "Milliseconds from sending each batch to its acknowledgement; batches overlap.")
	s.rollbacks = m.Counter("RollbackCount", "flume_sink_kafka_rollbacks_total", "Batches that went back to the channel.")
	s.repeated = m.Counter("", "flume_sink_kafka_repeated_events_total", "Events that were sent again under a new epoch, as the broker had lost track: they may be in the topic twice.")
	s.box = deadletter.NewBox(set.OnError, env, vfs.OS{})
	return s, nil
}

// Open connects, and looks up the topic where there is but one.
func (s *Sink) Open(ctx context.Context) error {
	if s.producer != nil {
		s.producer.Close()
		s.producer = nil
	}
	cfg, err := s.client.ProducerConfig()
	if err != nil {
		return err
	}
	cfg.Brokers = s.settings.Servers
	cfg.Log = s.env.Log
	cfg.Created, cfg.Closed, cfg.Failed = s.counters.ConnectionCreated, s.counters.ConnectionClosed, s.counters.ConnectionFailed
	cfg.Repeated = s.repeated
	cfg.Refused = func(e *kafka.RecordError) error { return s.refuse(e.Event, e) }
	p := kafka.NewProducer(cfg)
	var topics []string
	if s.topic == nil {
		topics = append(topics, s.settings.Topic)
	}
	if err := p.Open(ctx, topics...); err != nil {
		return err
	}
	s.producer = p
	return nil
}

// refuse does with an event that can never be delivered what onError says. It comes from Start and from the producer.
func (s *Sink) refuse(e *event.Event, why error) error {
	s.boxMu.Lock()
	defer s.boxMu.Unlock()
	if e == nil {
		return why
	}
	if err := s.box.Refuse(e, why); err != nil {
		return err
	}
	return s.box.Commit()
}

// BatchSize is flumeBatchSize.
func (s *Sink) BatchSize() int { return s.settings.BatchSize }

// Window is how many transactions may be open.
func (s *Sink) Window() int { return window }

// Start sends the events. They are acknowledged when done is called with nil.
func (s *Sink) Start(ctx context.Context, events []event.Event, done func(error)) error {
	if s.producer == nil {
		return errors.New("kafka sink: not open")
	}
	t := s.producer.NewTransaction(len(events))
	t.Events = events
	if err := s.fill(ctx, t); err != nil {
		s.producer.Discard(t)
		s.rollbacks.Add(1)
		return err
	}
	began := time.Now()
	return s.producer.Send(ctx, t, func(err error) {
		s.sendTimer.Add(int(time.Since(began).Milliseconds()))
		if err != nil {
			s.rollbacks.Add(1)
		}
		done(err)
	})
}

// fill makes records of the transaction's events.
func (s *Sink) fill(ctx context.Context, t *kafka.Transaction) error {
	now := time.Now()
	for i := range t.Events {
		e := &t.Events[i]
		err := s.add(ctx, t, e, i, now)
		if err == nil {
			continue
		}
		if rec := (*kafka.RecordError)(nil); !errors.As(err, &rec) {
			return err
		}
		if err := s.refuse(e, err); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sink) add(ctx context.Context, t *kafka.Transaction, e *event.Event, i int, now time.Time) error {
	name, err := s.topicOf(e, now)
	if err != nil {
		return err
	}
	m := kafka.Message{Partition: s.settings.DefaultPartitionID, Value: e.Body, Time: now, Event: i}
	if h := s.settings.PartitionIDHeader; h != "" {
		if v, ok := e.Header(h); ok {
			n, err := strconv.ParseInt(v, 10, 32)
			if err != nil || n < 0 {
				return &kafka.RecordError{Topic: name, Partition: -1, Err: fmt.Errorf("Non integer partition id specified: header %s is %.40q", h, v)}
			}
			m.Partition = int32(n)
		}
	}
	if m.Topic, err = s.producer.Topic(ctx, name, m.Partition+1); err != nil {
		return err
	}
	if key, ok := e.Header("key"); ok {
		m.Key = t.String(key)
	}
	if h := s.settings.TimestampHeader; h != "" {
		if v, ok := e.Header(h); ok {
			m.Time = s.timestamp(v, now)
		}
	}
	for _, h := range s.headers {
		if v, ok := e.Header(h.flume); ok {
			t.Header(h.kafka, t.String(v))
		}
	}
	if m.Value == nil {
		m.Value = []byte{} // no value at all is Kafka's mark of a deleted key
	}
	if s.settings.UseFlumeEventFormat {
		m.Value = avro.AppendEvent(t.Bytes(avro.EventSize(e))[:0], e)
	}
	return t.Add(m)
}

// topicOf returns the event's topic. Whether it is a good one the producer tells.
func (s *Sink) topicOf(e *event.Event, now time.Time) (string, error) {
	if s.settings.AllowTopicOverride && s.settings.TopicHeader != "" {
		if v, ok := e.Header(s.settings.TopicHeader); ok {
			return v, nil
		}
	}
	if s.topic == nil {
		return s.settings.Topic, nil
	}
	name, err := s.topic.Render(e, now)
	if err != nil {
		err = &kafka.RecordError{Topic: s.settings.Topic, Partition: -1, Err: err}
	}
	return name, err
}

func (s *Sink) timestamp(v string, now time.Time) time.Time {
	ms, err := strconv.ParseInt(v, 10, 64)
	if err == nil && ms >= 0 && ms < 1<<53 {
		return time.UnixMilli(ms)
	}
	if now.Sub(s.warned) >= warnEvery {
		s.warned = now
		s.env.Log.Warn("A header that should hold the record's time holds no milliseconds, the time of writing is taken",
			"header", s.settings.TimestampHeader)
	}
	return now
}

// Write is Start that waits.
func (s *Sink) Write(ctx context.Context, events []event.Event) error {
	done := make(chan error, 1)
	if err := s.Start(ctx, events, func(err error) { done <- err }); err != nil {
		if s.producer != nil {
			s.producer.Abort()
		}
		return err
	}
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		s.producer.Abort()
		if err = <-done; err != nil {
			return context.Cause(ctx)
		}
		return nil
	}
	if err != nil {
		s.producer.Abort()
	}
	return err
}

// Abort gives up what is in flight, after which Start works again.
func (s *Sink) Abort() {
	if s.producer != nil {
		s.producer.Abort()
	}
}

// Close disconnects. What is not acknowledged then is given up.
func (s *Sink) Close(context.Context) error {
	if s.producer != nil {
		s.producer.Close()
		s.producer = nil
	}
	return nil
}
