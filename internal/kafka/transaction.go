package kafka

import (
	"fmt"
	"time"

	"goflume/event"
)

// Message is one record before it has a place in a batch.
type Message struct {
	Topic     *Topic
	Partition int32  // -1: by the key, and without a key the producer's choice
	Key       []byte // nil for none
	Value     []byte
	Time      time.Time
	Event     int // index in the transaction's Events, for reports
}

// Topic is a topic as a transaction sees it: its number of partitions when it was looked up.
type Topic struct{ info *topicInfo }

// Name returns the topic's name.
func (t *Topic) Name() string { return t.info.name }

// Partitions returns the number of partitions.
func (t *Topic) Partitions() int32 { return int32(len(t.info.leaders)) }

// Transaction is records that are acknowledged together. It is built by one goroutine and then given to Producer.Send, which
// owns it from then on. Keys and values are read until the transaction is done.
type Transaction struct {
	// Events are what the records were made of, for reports.
	Events []event.Event

	ignoreKeys bool
	max        int      // bytes of a record
	records    []record // one slab; its capacity is set before the first record
	source     []int32  // by record: index in Events
	headers    []header
	next       int // index in headers of the next record's first
	arena      []byte
	topics     []topicShares
	bytes      int64 // of all records

	left     int // records not yet acknowledged or given up
	deadline time.Time
	sent     time.Time
	done     func(error)
}

// topicShares is what a transaction holds for one topic.
type topicShares struct {
	topic  *topicInfo
	slots  []int32 // by partition + 1: index in shares + 1, or 0. The first is of records for no partition in particular.
	shares []share
}

// share is what a transaction holds for one partition, in order; -1 is the producer's choice.
type share struct {
	partition int32
	records   []*record
}

// reset empties t, keeps its memory and readies it for n records.
func (t *Transaction) reset(n int) {
	clear(t.records)
	clear(t.headers)
	for i := range t.topics {
		ts := &t.topics[i]
		for j := range ts.shares {
			clear(ts.shares[j].records)
			ts.shares[j].records = ts.shares[j].records[:0]
		}
		ts.topic, ts.shares = nil, ts.shares[:0]
		clear(ts.slots)
	}
	if cap(t.records) < n {
		t.records = make([]record, 0, n)
	}
	*t = Transaction{records: t.records[:0], source: t.source[:0], headers: t.headers[:0], arena: t.arena[:0],
		topics: t.topics[:0], ignoreKeys: t.ignoreKeys, max: t.max}
}

// Bytes returns n bytes that stay the transaction's until it is done, for a key or a value.
func (t *Transaction) Bytes(n int) []byte {
	if n > cap(t.arena)-len(t.arena) {
		t.arena = make([]byte, 0, max(2*cap(t.arena), n, 4<<10))
	}
	at := len(t.arena)
	t.arena = t.arena[:at+n]
	return t.arena[at : at+n : at+n]
}

// String returns s as bytes of the transaction; never nil.
func (t *Transaction) String(s string) []byte {
	b := t.Bytes(len(s))
	copy(b, s)
	return b
}

// Header sets a header of the record that is added next.
func (t *Transaction) Header(key, value []byte) {
	t.headers = append(t.headers, header{key, value})
}

// Add appends a record with the headers that were set since the last one. It returns a *RecordError, and leaves the record
// out, if no broker would take it.
func (t *Transaction) Add(m Message) error {
	rec := record{key: m.Key, value: m.Value, headers: t.headers[t.next:len(t.headers):len(t.headers)], millis: max(m.Time.UnixMilli(), 0)}
	t.next = len(t.headers)
	size := rec.size()
	switch {
	case size > t.max:
		return &RecordError{Topic: m.Topic.Name(), Partition: m.Partition,
			Err: fmt.Errorf("the record has %d bytes, max.request.size is %d", size, t.max)}
	case m.Partition >= m.Topic.Partitions():
		return &RecordError{Topic: m.Topic.Name(), Partition: m.Partition,
			Err: fmt.Errorf("the topic has %d partitions", m.Topic.Partitions())}
	}
	t.records = append(t.records, rec)
	r := &t.records[len(t.records)-1]
	t.source = append(t.source, int32(m.Event))
	partition := m.Partition
	if partition < 0 && m.Key != nil && !t.ignoreKeys {
		partition = partitionFor(m.Key, m.Topic.Partitions())
	}
	s := t.share(m.Topic.info, partition)
	s.records = append(s.records, r)
	t.bytes += int64(size)
	t.left++
	return nil
}

// Len returns the number of records.
func (t *Transaction) Len() int { return len(t.records) }

// share returns the share of the topic's partition, a new one if need be.
func (t *Transaction) share(topic *topicInfo, partition int32) *share {
	var ts *topicShares
	for i := range t.topics {
		if t.topics[i].topic == topic {
			ts = &t.topics[i]
			break
		}
	}
	if ts == nil {
		t.topics = extend(t.topics)
		ts = &t.topics[len(t.topics)-1]
		ts.topic = topic
		if n := len(topic.leaders) + 1; cap(ts.slots) < n {
			ts.slots = make([]int32, n)
		} else {
			ts.slots = ts.slots[:n]
		}
	}
	if at := ts.slots[partition+1]; at > 0 {
		return &ts.shares[at-1]
	}
	ts.shares = extend(ts.shares)
	ts.slots[partition+1] = int32(len(ts.shares))
	s := &ts.shares[len(ts.shares)-1]
	s.partition = partition
	return s
}

// extend makes s longer by one element, which keeps what memory it had before.
func extend[T any](s []T) []T {
	if len(s) < cap(s) {
		return s[:len(s)+1]
	}
	var zero T
	return append(s, zero)
}

// event returns the event that record r was made of, nil where it is not known.
func (t *Transaction) event(r *record) *event.Event {
	for i := range t.records {
		if &t.records[i] == r && int(t.source[i]) < len(t.Events) {
			return &t.Events[t.source[i]]
		}
	}
	return nil
}
