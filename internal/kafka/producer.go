package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"goflume/event"
	"goflume/internal/metric"
)

// ProducerConfig is what a Producer needs to know. All durations and sizes are above 0 unless said otherwise.
type ProducerConfig struct {
	Brokers    []string
	Conn       *sarama.Config // client id, TLS, SASL and socket time-outs; not changed while the producer lives
	Acks       sarama.RequiredAcks
	Idempotent bool // needs sarama.WaitForAll
	Codec      sarama.CompressionCodec
	Level      int

	InFlight   int           // requests a connection, and batches a partition
	BatchBytes int           // of a record batch before compression
	MaxRecord  int           // bytes of one record
	Sticky     int           // bytes of records without key that go to one partition before the next has its turn
	Linger     time.Duration // how long a batch that is not full waits for more; 0: not at all
	Buffer     int64         // bytes of records that may wait for acknowledgement
	IgnoreKeys bool          // of records: they choose no partition
	MaxTopics  int           // that are written to in one run

	RequestTimeout  time.Duration // of one request
	DeliveryTimeout time.Duration // of a transaction from Send to acknowledgement
	MaxBlock        time.Duration // until a topic that the brokers do not know is taken for wrong
	Backoff         time.Duration // before a retry, growing to MaxBackoff
	MaxBackoff      time.Duration
	Retries         int           // of a batch, after which its transaction fails; below 0: until DeliveryTimeout
	MetadataAge     time.Duration // after which topics are looked up again

	CreateTopics bool // let the broker create a topic that is missing, if it does that
	// Heals makes the producer go on by itself after a failed transaction, whose fellows fail too. Without it the producer stops
	// until Abort.
	Heals bool

	// Refused is asked what becomes of a record that the broker can never take: nil means it was dealt with and counts as delivered,
	// an error fails the transaction. It is called by one goroutine at a time.
	Refused func(*RecordError) error

	Log                     *slog.Logger
	Created, Closed, Failed *metric.Counter // connections
	Repeated                *metric.Counter // records sent again that may stand in the topic already
}

// RecordError is a record that cannot be delivered, ever.
type RecordError struct {
	Event     *event.Event // nil where it is not known
	Topic     string
	Partition int32 // -1 where none was chosen yet
	Err       error
}

func (e *RecordError) Error() string {
	if e.Partition < 0 {
		return fmt.Sprintf("record for topic %q: %v", e.Topic, e.Err)
	}
	return fmt.Sprintf("record for topic %q partition %d: %v", e.Topic, e.Partition, e.Err)
}

func (e *RecordError) Unwrap() error { return e.Err }

// What Send and done return besides the broker's own errors.
var (
	// ErrAborted: the transaction was given up by Abort or Close, or failed with another one.
	ErrAborted = errors.New("kafka producer aborted")
	// ErrDelivery: the transaction was not acknowledged within delivery.timeout.ms.
	ErrDelivery = errors.New("not acknowledged by the brokers in time")
)

// Producer sends transactions. Open starts it and Close ends it, once each; the other methods may be called from many goroutines
// between.
type Producer struct {
	cfg     ProducerConfig
	inbox   chan func() // run by the loop
	ended   chan struct{}
	free    chan *Transaction
	buffers chan []byte // of batches, for the next ones
	topics  atomic.Pointer[map[string]*Topic]
	broken  atomic.Pointer[failure] // set while no transaction is taken
	wg      sync.WaitGroup
	ctx     context.Context // of look-ups and connections; ends in Close
	cancel  context.CancelCauseFunc

	mu       sync.Mutex
	buffered int64         // bytes of open transactions
	room     chan struct{} // closed and replaced when buffered falls

	loop loop
}

// failure is why the producer takes no transactions.
type failure struct{ err error }

// NewProducer returns a producer that is not open.
func NewProducer(cfg ProducerConfig) *Producer {
	p := &Producer{
		cfg:     cfg,
		inbox:   make(chan func(), 128), // a burst of transactions, so that the loop sees and merges them together
		ended:   make(chan struct{}),
		free:    make(chan *Transaction, 64), // as many as a sink has open
		room:    make(chan struct{}),
		buffers: make(chan []byte, spareBuffers),
	}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	p.topics.Store(&map[string]*Topic{})
	p.loop.init(p)
	return p
}

// Open starts the producer and waits until a broker answered: for the topics given, and with a producer id if it is idempotent. An
// unknown topic is no error here. After an error the producer is closed.
func (p *Producer) Open(ctx context.Context, topics ...string) error {
	p.Start()
	ready := make(chan error, 1)
	p.post(func() { p.loop.openFor(topics, ready) })
	var err error
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		p.Close()
	}
	return err
}

// Start is Open that does not wait: what is not reachable now is tried when there is something to send.
func (p *Producer) Start() {
	p.wg.Go(func() {
		defer close(p.ended)
		p.loop.run()
	})
}

// Close gives up what is open, closes the connections and ends all goroutines.
func (p *Producer) Close() {
	p.cancel(ErrAborted)
	p.post(p.loop.close)
	p.wg.Wait()
}

// post hands f to the loop; it tells whether the loop still runs.
func (p *Producer) post(f func()) bool {
	select {
	case p.inbox <- f:
		return true
	case <-p.ended:
		return false
	}
}

// Topic returns what is known of the topic and has it looked up if need be: until MaxBlock, or ctx ends. atLeast is a number of
// partitions below which the knowledge counts as old and is renewed once. The error is a *RecordError where the topic is at
// fault and not the way to the brokers.
func (p *Producer) Topic(ctx context.Context, name string, atLeast int32) (*Topic, error) {
	if t := (*p.topics.Load())[name]; t != nil && t.Partitions() >= atLeast {
		return t, nil
	}
	if err := validTopic(name); err != nil {
		return nil, &RecordError{Topic: name, Partition: -1, Err: err}
	}
	found := make(chan error, 1)
	if !p.post(func() { p.loop.awaitTopic(name, found) }) {
		return nil, ErrAborted
	}
	select {
	case err := <-found:
		if err != nil {
			return nil, err
		}
		if t := (*p.topics.Load())[name]; t != nil {
			return t, nil
		}
		return nil, ErrAborted
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-p.ended:
		return nil, ErrAborted
	}
}

// validTopic tells what is wrong with a topic's name (Kafka's Topic.validate).
func validTopic(name string) error {
	switch {
	case name == "":
		return errors.New("the topic's name is empty")
	case name == "." || name == "..":
		return fmt.Errorf("%q is no topic name", name)
	case len(name) > 249:
		return fmt.Errorf("the topic's name has %d characters, at most 249 are allowed", len(name))
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return fmt.Errorf("the topic's name holds %q; letters, digits, dot, underscore and hyphen are allowed", name[i:i+1])
		}
	}
	return nil
}

// NewTransaction returns an empty transaction with room for n records.
func (p *Producer) NewTransaction(n int) *Transaction {
	var t *Transaction
	select {
	case t = <-p.free:
	default:
		t = &Transaction{ignoreKeys: p.cfg.IgnoreKeys, max: p.cfg.MaxRecord}
	}
	t.reset(n)
	return t
}

// Discard gives back a transaction that is not sent.
func (p *Producer) Discard(t *Transaction) { p.recycle(t) }

// Send waits for room and takes the transaction, or returns an error and then done is never called. done is called once, by the
// loop: it must not block. nil means that all records are acknowledged or were dealt with by Refused. Transactions are sent
// in the order of the calls.
func (p *Producer) Send(ctx context.Context, t *Transaction, done func(error)) error {
	if f := p.broken.Load(); f != nil {
		p.recycle(t)
		return f.err
	}
	if t.left == 0 {
		p.recycle(t)
		done(nil)
		return nil
	}
	if err := p.reserve(ctx, t.bytes); err != nil {
		p.recycle(t)
		return err
	}
	t.done = done
	if !p.post(func() { p.loop.accept(t) }) {
		p.release(t.bytes)
		p.recycle(t)
		return ErrAborted
	}
	return nil
}

// reserve waits until n more bytes may be open. One transaction alone is always taken.
func (p *Producer) reserve(ctx context.Context, n int64) error {
	for {
		p.mu.Lock()
		if p.buffered == 0 || p.buffered+n <= p.cfg.Buffer {
			p.buffered += n
			p.mu.Unlock()
			return nil
		}
		room := p.room
		p.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.ended:
			return ErrAborted
		}
	}
}

func (p *Producer) release(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buffered -= n
	close(p.room)
	p.room = make(chan struct{})
}

func (p *Producer) recycle(t *Transaction) {
	t.reset(0)
	select {
	case p.free <- t:
	default:
	}
}

// Abort gives up all transactions that are open and returns when each done was called; then Send works again. It takes no longer
// than the closing of the connections.
func (p *Producer) Abort() {
	done := make(chan struct{})
	if p.post(func() { p.loop.abort(done) }) {
		select {
		case <-done:
		case <-p.ended:
		}
	}
}
