package kafka

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"goflume/event"
	"goflume/internal/avro"
	"goflume/internal/kafka"
	"goflume/sources"
)

// batcher puts the records of all claims together and delivers them, in one goroutine. Claims hand it slabs: what a partition
// had ready at once.
type batcher struct {
	s     *Source
	out   sources.Output
	slabs chan *slab
	done  chan struct{} // closed once no claim is left
	ended chan struct{} // closed when nothing is delivered any more

	batch   event.Batch
	readers []*reader // whose records are in the batch, each once
	over    []*slab   // of claims that end, given back once all of theirs is delivered
	headers []event.Header
	text    strings.Builder // of header values
	millis  int64           // of the last timestamp made
	stamp   string
	timer   *time.Timer
	gaveUp  error // a batch was not delivered: nothing behind it is marked any more
}

// slab is records of one claim, in order. It is the batcher's until it comes back by free.
type slab struct {
	r       *reader
	records []*sarama.ConsumerMessage
	last    bool // of its claim: deliver at once, and only then give back
	err     error
}

// slabRecords is the most records of a slab. A batch may be larger; memory for more is taken as they come.
const slabRecords = 1000

// reader is the claim's end. What stands below free is the batcher's.
type reader struct {
	claim     *kafka.Claim
	lag       *lag
	partition string
	free      chan *slab // room for both of the claim's
	failed    chan error // room for one: err, as soon as it is known

	next    int64 // offset behind what is in the batch
	inBatch bool
	err     error // a record that could not be used, behind which nothing is delivered
}

func newBatcher(s *Source, out sources.Output) *batcher {
	return &batcher{s: s, out: out, slabs: make(chan *slab), done: make(chan struct{}), ended: make(chan struct{})}
}

// read is a claim's goroutine: while one slab is delivered, the next one is gathered. It returns when the claim is over and
// what it had handed over is delivered or given up.
func (b *batcher) read(ctx context.Context, c *kafka.Claim) error {
	r := &reader{claim: c, lag: b.s.lag.begin(c), partition: strconv.Itoa(int(c.Partition)), free: make(chan *slab, 2),
		failed: make(chan error, 1)}
	defer b.s.lag.end(r.lag)
	r.free <- &slab{r: r}
	r.free <- &slab{r: r}
	size := min(b.s.settings.BatchSize, slabRecords)
	for {
		sl := <-r.free
		if sl.err != nil {
			return sl.err
		}
		var m *sarama.ConsumerMessage
		var ok bool
		select {
		case m, ok = <-c.Messages():
		case err := <-r.failed:
			return err
		}
		if !ok {
			return b.finish(sl)
		}
		sl.records = append(sl.records[:0], m)
		for ok && len(sl.records) < size {
			select {
			case m, ok = <-c.Messages():
				if ok {
					sl.records = append(sl.records, m)
				}
				continue
			default:
			}
			break
		}
		select {
		case b.slabs <- sl:
		case <-b.ended:
			return nil
		}
	}
}

// finish has the batcher deliver at once, and waits for it.
func (b *batcher) finish(sl *slab) error {
	sl.records, sl.last = sl.records[:0], true
	select {
	case b.slabs <- sl:
	case <-b.ended:
		return nil
	}
	for range 2 {
		select {
		case back := <-sl.r.free:
			if back.err != nil {
				return back.err
			}
		case <-b.ended:
			return nil
		}
	}
	return nil
}

// run delivers until all claims have ended. After ctx has ended each batch has one try more.
func (b *batcher) run(ctx context.Context) {
	b.timer = time.NewTimer(b.s.settings.BatchDuration)
	defer b.timer.Stop()
	waiting := time.Now()
	for {
		select {
		case sl := <-b.slabs:
			b.s.getTimer.Add(int(time.Since(waiting).Milliseconds()))
			b.take(ctx, sl)
			waiting = time.Now()
		case now := <-b.timer.C:
			if len(b.readers) == 0 {
				b.s.empty.Add(1)
				b.timer.Reset(b.s.settings.BatchDuration)
				continue
			}
			b.s.getTimer.Add(int(now.Sub(waiting).Milliseconds()))
			b.deliver(ctx)
			waiting = time.Now()
		case <-b.done:
			return
		}
	}
}

// end lets claims go that still wait, after a panic too.
func (b *batcher) end() { close(b.ended) }

// take moves a slab's records into the batch, and delivers it each time that it is full.
func (b *batcher) take(ctx context.Context, sl *slab) {
	r := sl.r
	if sl.err = cmp.Or(r.err, b.gaveUp); sl.err != nil {
		r.free <- sl
		return
	}
	if len(b.readers) == 0 {
		b.timer.Reset(b.s.settings.BatchDuration)
	}
	size := b.s.settings.BatchSize
	if limit, _ := b.out.Limits(); limit > 0 {
		size = min(size, limit)
	}
	for _, m := range sl.records {
		if r.claim.Repeats(m.Offset, r.lag.done.Load()) {
			b.s.repeated.Add(1)
		} else if r.err = b.add(r, m); r.err != nil {
			// What came before is delivered; the record stays, and with it all that follows in its partition.
			sl.err = r.err
			r.failed <- r.err
			break
		}
		r.next = m.Offset + 1
		if !r.inBatch {
			r.inBatch = true
			b.readers = append(b.readers, r)
		}
		if len(b.batch.Events) >= size {
			b.deliver(ctx)
		}
	}
	clear(sl.records)
	if sl.last || sl.err != nil {
		b.over = append(b.over, sl)
		b.deliver(ctx)
		return
	}
	r.free <- sl
}

// deliver sends the batch until it is held, and notes the offsets.
func (b *batcher) deliver(ctx context.Context) {
	if len(b.batch.Events) > 0 {
		err := ctx.Err()
		if err == nil {
			err = sources.DeliverWith(ctx, b.out, &b.batch, b.s.settings.Retry.Backoff(), b.s.env.Report)
		}
		if err != nil {
			err = b.out.Send(context.WithoutCancel(ctx), &b.batch)
		}
		if err != nil && b.gaveUp == nil {
			b.gaveUp = err
		}
	}
	for _, r := range b.readers {
		r.inBatch = false
		if b.gaveUp == nil {
			r.claim.Mark(r.next)
			r.lag.delivered(r.next)
			r.claim.CommitSoon()
		}
	}
	for _, sl := range b.over {
		sl.err = cmp.Or(sl.err, b.gaveUp)
		sl.r.free <- sl
	}
	clear(b.readers)
	clear(b.over)
	b.readers, b.over = b.readers[:0], b.over[:0]
	b.batch.Reset()
	b.headers = nil
	b.text.Reset()
	b.timer.Reset(b.s.settings.BatchDuration)
}

// add makes an event of the record.
func (b *batcher) add(r *reader, m *sarama.ConsumerMessage) error {
	set := &b.s.settings
	body := m.Value
	if b.headers == nil {
		room := min(set.BatchSize, slabRecords)
		b.headers = make([]event.Header, 0, room*(5+len(set.Headers)))
		b.text.Grow(room * 16)
	}
	at := len(b.headers)
	if set.UseFlumeEventFormat && body != nil {
		var err error
		if b.headers, body, err = avro.DecodeEvent(m.Value, b.headers); err != nil {
			b.headers = b.headers[:at]
			return b.refuse(m, err)
		}
	}
	own := b.headers[at:]
	absent := func(name string) bool {
		for i := range own {
			if own[i].Key == name {
				return false
			}
		}
		return true
	}
	if absent(set.TimestampHeader) {
		if ms := m.Timestamp.UnixMilli(); ms != b.millis || b.stamp == "" {
			b.millis, b.stamp = ms, b.number(ms)
		}
		b.headers = append(b.headers, event.Header{Key: set.TimestampHeader, Value: b.stamp})
	}
	if set.SetTopicHeader && absent(set.TopicHeader) {
		b.headers = append(b.headers, event.Header{Key: set.TopicHeader, Value: r.claim.Topic})
	}
	if absent("partition") {
		b.headers = append(b.headers, event.Header{Key: "partition", Value: r.partition})
	}
	if absent("offset") {
		b.headers = append(b.headers, event.Header{Key: "offset", Value: b.number(m.Offset)})
	}
	if m.Key != nil {
		b.set(at, "key", m.Key)
	}
	for flume, name := range set.Headers {
		for i := len(m.Headers) - 1; i >= 0; i-- {
			if string(m.Headers[i].Key) == name {
				b.set(at, flume, m.Headers[i].Value)
				break
			}
		}
	}
	b.batch.Adopt(body).Headers = b.headers[at:len(b.headers):len(b.headers)]
	return nil
}

// set sets a header of the event whose headers begin at index at.
func (b *batcher) set(at int, name string, value []byte) {
	from := b.text.Len()
	b.text.Write(value)
	v := b.text.String()[from:]
	for i := at; i < len(b.headers); i++ {
		if b.headers[i].Key == name {
			b.headers[i].Value = v
			return
		}
	}
	b.headers = append(b.headers, event.Header{Key: name, Value: v})
}

func (b *batcher) number(n int64) string {
	var digits [20]byte
	from := b.text.Len()
	b.text.Write(strconv.AppendInt(digits[:0], n, 10))
	return b.text.String()[from:]
}

// refuse does with a record that is no Flume event what onError says; an error stops the source.
func (b *batcher) refuse(m *sarama.ConsumerMessage, why error) error {
	e := event.Event{Body: m.Value, Headers: []event.Header{{Key: "topic", Value: m.Topic},
		{Key: "partition", Value: strconv.Itoa(int(m.Partition))}, {Key: "offset", Value: strconv.FormatInt(m.Offset, 10)}}}
	err := b.s.box.Refuse(&e, why)
	if err == nil {
		err = b.s.box.Commit()
	}
	if err != nil {
		return fmt.Errorf("topic %q partition %d offset %d: %w", m.Topic, m.Partition, m.Offset, err)
	}
	b.s.bad.Add(1)
	return nil
}
