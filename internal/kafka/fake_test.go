package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"goflume/event"
	"goflume/internal/metric"
)

// fake is an in-process cluster, gone at the test's end.
func fake(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// quick is a configuration for a broker next door.
func quick(t *testing.T, c *kfake.Cluster) ProducerConfig {
	conn := sarama.NewConfig()
	conn.ClientID = "test"
	conn.Net.DialTimeout, conn.Net.ReadTimeout, conn.Net.WriteTimeout = 20*time.Second, 20*time.Second, 20*time.Second
	return ProducerConfig{
		Brokers: c.ListenAddrs(), Conn: conn, Acks: sarama.WaitForAll, Idempotent: true, Level: sarama.CompressionLevelDefault,
		InFlight: 5, BatchBytes: 900_000, MaxRecord: 1 << 20, Sticky: 64 << 10, Buffer: 32 << 20, MaxTopics: 100,
		RequestTimeout: 2 * time.Second, DeliveryTimeout: time.Minute, MaxBlock: 20 * time.Second, Backoff: 5 * time.Millisecond,
		MaxBackoff: 50 * time.Millisecond, MetadataAge: time.Minute, Retries: -1,
		Refused: func(err *RecordError) error { return err },
		Log:     slog.New(slog.DiscardHandler),
		Created: new(metric.Counter), Closed: new(metric.Counter), Failed: new(metric.Counter), Repeated: new(metric.Counter),
	}
}

func open(t *testing.T, cfg ProducerConfig, topics ...string) *Producer {
	t.Helper()
	p := NewProducer(cfg)
	if err := p.Open(t.Context(), topics...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// results collects what done said, by transaction.
type results struct {
	wg   sync.WaitGroup
	mu   sync.Mutex
	errs map[int]error
}

// send sends values as transaction i; a value "k=v" has the key k.
func (r *results) send(t *testing.T, p *Producer, i int, topic string, values ...string) {
	t.Helper()
	tp, err := p.Topic(t.Context(), topic, 0)
	if err != nil {
		t.Fatal(err)
	}
	tx := p.NewTransaction(len(values))
	for j, v := range values {
		m := Message{Topic: tp, Partition: -1, Value: []byte(v), Time: time.UnixMilli(1_700_000_000_000 + int64(j)), Event: j}
		tx.Events = append(tx.Events, event.Event{Body: m.Value})
		if k, _, ok := cutKey(v); ok {
			m.Key = []byte(k)
		}
		if err := tx.Add(m); err != nil {
			t.Fatal(err)
		}
	}
	r.wg.Add(1)
	if err := p.Send(t.Context(), tx, func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.errs == nil {
			r.errs = map[int]error{}
		}
		if _, ok := r.errs[i]; ok {
			panic("done called twice")
		}
		r.errs[i] = err
		r.wg.Done()
	}); err != nil {
		r.wg.Done()
		t.Fatal(err)
	}
}

func cutKey(v string) (string, string, bool) {
	for i := range v {
		if v[i] == '=' {
			return v[:i], v[i+1:], true
		}
	}
	return "", v, false
}

// wait returns the errors of all transactions, nil ones left out.
func (r *results) wait(t *testing.T) map[int]error {
	t.Helper()
	done := make(chan struct{})
	go func() { r.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		t.Fatal("a transaction is never done")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	bad := map[int]error{}
	for i, err := range r.errs {
		if err != nil {
			bad[i] = err
		}
	}
	return bad
}

// log reads all of a topic, by partition.
func readLog(t *testing.T, addrs []string, topic string) map[int32][]*sarama.ConsumerMessage {
	t.Helper()
	return readLogWith(t, sarama.NewConfig(), addrs, topic)
}

// readLogWith is readLog with conf's security.
func readLogWith(t *testing.T, conf *sarama.Config, addrs []string, topic string) map[int32][]*sarama.ConsumerMessage {
	t.Helper()
	conf.ClientID = "reader"
	conf.Version = sarama.V2_8_0_0
	conf.Consumer.MaxWaitTime = 10 * time.Millisecond
	client, err := sarama.NewClient(addrs, conf)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	ids, err := client.Partitions(topic)
	if err != nil {
		t.Fatal(err)
	}
	all := map[int32][]*sarama.ConsumerMessage{}
	for _, id := range ids {
		end, err := client.GetOffset(topic, id, sarama.OffsetNewest)
		if err != nil {
			t.Fatal(err)
		}
		if end == 0 {
			continue
		}
		pc, err := consumer.ConsumePartition(topic, id, 0)
		if err != nil {
			t.Fatal(err)
		}
		for int64(len(all[id])) < end {
			select {
			case m := <-pc.Messages():
				all[id] = append(all[id], m)
			case <-time.After(time.Minute):
				t.Fatalf("partition %d: %d of %d records read", id, len(all[id]), end)
			}
		}
		pc.Close()
	}
	return all
}

// numbered makes n values "<prefix><number>" from first on.
func numbered(prefix string, first, n int) []string {
	v := make([]string, n)
	for i := range v {
		v[i] = fmt.Sprintf("%s%d", prefix, first+i)
	}
	return v
}

// checkOnce fails unless the topic holds each of the values exactly once, and each partition in the order of want.
func checkOnce(t *testing.T, got map[int32][]*sarama.ConsumerMessage, want []string) {
	t.Helper()
	place := map[string]int{}
	for i, v := range want {
		place[v] = i
	}
	seen := map[string]int{}
	for id, ms := range got {
		last := -1
		for i, m := range ms {
			if m.Offset != int64(i) {
				t.Fatalf("partition %d: offset %d at place %d", id, m.Offset, i)
			}
			at, ok := place[string(m.Value)]
			if !ok {
				t.Fatalf("partition %d offset %d: %q was never sent", id, m.Offset, m.Value)
			}
			if at < last {
				t.Errorf("partition %d offset %d: %q is out of order", id, m.Offset, m.Value)
			}
			last = at
			seen[string(m.Value)]++
		}
	}
	lost, doubled := 0, 0
	for _, v := range want {
		switch n := seen[v]; {
		case n == 0:
			lost++
		case n > 1:
			doubled += n - 1
		}
	}
	if lost > 0 || doubled > 0 {
		t.Errorf("%d of %d lost, %d doubled; want each once", lost, len(want), doubled)
	}
}

var errTest = errors.New("test")

func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
