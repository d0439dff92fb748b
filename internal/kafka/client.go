package kafka

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"

	"goflume/conf"
)

// Client is what the properties of Java's producer or consumer, by their names there, come to here. Reading them does no I/O.
type Client struct {
	side   side
	prefix string
	values map[string]string

	conf     *sarama.Config
	producer ProducerConfig
	group    GroupConfig

	idempotent *bool // as configured
	inFlight   int
	security   security

	errs   []error
	advice []conf.Advice
}

// side is which of Java's clients a property belongs to.
type side uint8

const (
	producerSide side = 1 << iota
	consumerSide
	both = producerSide | consumerSide
)

// ReadProducer reads the properties below prefix, such as `kafka.producer.`, for a producer. acks has a key of its own in the
// components: 0, 1 or all.
func ReadProducer(prefix, acks string, values map[string]string) *Client {
	c := read(producerSide, prefix, values)
	p := &c.producer
	switch acks {
	case "0":
		p.Acks = sarama.NoResponse
	case "1":
		p.Acks = sarama.WaitForLocal
	case "all", "-1":
		p.Acks = sarama.WaitForAll
	default:
		c.fail("acks", "%q is none of 0, 1, all", acks)
	}
	p.Idempotent = p.Acks == sarama.WaitForAll
	if c.idempotent != nil {
		if *c.idempotent && !p.Idempotent {
			c.fail("enable.idempotence", "needs acks = all, not %s", acks)
		}
		p.Idempotent = p.Idempotent && *c.idempotent
	}
	switch p.InFlight = c.inFlight; {
	case p.InFlight == 0 && p.Idempotent:
		p.InFlight = maxInFlight
	case p.InFlight == 0:
		p.InFlight = 1
	case p.Idempotent && p.InFlight > maxInFlight:
		c.fail("max.in.flight.requests.per.connection", "%d: an idempotent producer may have 1 to %d", p.InFlight, maxInFlight)
	case !p.Idempotent && p.InFlight > 1:
		c.advise("max.in.flight.requests.per.connection",
			"several requests in flight without idempotence: a retry can change the order and write twice")
	}
	if p.BatchBytes == 0 {
		p.BatchBytes = p.MaxRecord - 4<<10 // of a megabyte, less the batch's own header
	}
	p.BatchBytes = min(p.BatchBytes, p.MaxRecord)
	return c
}

// maxInFlight is how many batches of a producer and partition a broker remembers, to know them again.
const maxInFlight = 5

// ReadConsumer reads the properties below prefix, such as `kafka.consumer.`, for a group consumer.
func ReadConsumer(prefix string, values map[string]string) *Client {
	c := read(consumerSide, prefix, values)
	g := &c.conf.Consumer.Group
	if g.Heartbeat.Interval >= g.Session.Timeout {
		c.fail("heartbeat.interval.ms", "%v must be below session.timeout.ms, %v", g.Heartbeat.Interval, g.Session.Timeout)
	}
	return c
}

func read(s side, prefix string, values map[string]string) *Client {
	c := &Client{side: s, prefix: prefix, values: values, conf: sarama.NewConfig()}
	c.defaults()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		p, ok := properties[name]
		switch {
		case !ok || p.side&s == 0:
			c.unknown(name)
		case p.set != nil:
			if err := p.set(c, values[name]); err != nil {
				c.fail(name, "%v", err)
			}
		case p.refused != "":
			c.fail(name, "%s", p.refused)
		case p.ignored != "":
			c.advise(name, "has no effect here: %s", p.ignored)
		}
	}
	c.security.finish(c)
	return c
}

// defaults sets Java's defaults, and Sarama's where Java has no such thing.
func (c *Client) defaults() {
	s := c.conf
	s.ClientID = "goflume"
	s.Version = sarama.V2_8_0_0 // what is asked for at most; brokers of 2.1 and later answer
	s.Net.DialTimeout = 10 * time.Second
	s.Net.ReadTimeout, s.Net.WriteTimeout = 30*time.Second, 30*time.Second
	s.Net.MaxOpenRequests = maxInFlight + 1 // the last one would block with a lock held
	s.Metadata.Full = false
	s.Metadata.Timeout = 60 * time.Second
	s.Metadata.RefreshFrequency = 5 * time.Minute
	s.Consumer.Return.Errors = true
	s.Consumer.Offsets.AutoCommit.Enable = false
	s.Consumer.Offsets.Initial = sarama.OffsetNewest
	s.Consumer.Group.ResetInvalidOffsets = false // see outOfRange
	s.Consumer.Group.Session.Timeout = 45 * time.Second
	s.Consumer.Group.Rebalance.Timeout = 5 * time.Minute
	s.Consumer.MaxProcessingTime = time.Second
	s.ChannelBufferSize = 1024 // records a partition, between Sarama's fetching and ours
	c.producer = ProducerConfig{
		Level: sarama.CompressionLevelDefault, MaxRecord: 1 << 20, Sticky: 64 << 10, Buffer: 32 << 20, MaxTopics: 10_000,
		RequestTimeout: 30 * time.Second, DeliveryTimeout: 2 * time.Minute, MaxBlock: time.Minute,
		Backoff: 100 * time.Millisecond, MaxBackoff: time.Second, MetadataAge: 5 * time.Minute, Retries: -1, CreateTopics: true,
	}
}

func (c *Client) fail(name, format string, args ...any) {
	c.errs = append(c.errs, conf.Errorf(c.prefix+name, format, args...))
}

func (c *Client) advise(name, format string, args ...any) {
	c.advice = append(c.advice, conf.Advice{Severity: conf.Warning, Code: "FL301", Key: c.prefix + name,
		Text: c.prefix + name + " " + fmt.Sprintf(format, args...)})
}

func (c *Client) unknown(name string) {
	var known []string
	for n, p := range properties {
		if p.side&c.side != 0 {
			known = append(known, n)
		}
	}
	slices.Sort(known)
	a := conf.Advice{Severity: conf.Warning, Code: "FL301", Key: c.prefix + name,
		Text: fmt.Sprintf("%q is no property of Kafka's Java client that is known here: ignored", name)}
	if near := conf.Nearest(name, known); near != "" {
		a.Help = []string{"did you mean `" + c.prefix + near + "`?"}
	}
	c.advice = append(c.advice, a)
}

// Err returns what is wrong, each problem blaming its key; for a settings struct's Validate.
func (c *Client) Err() error { return errors.Join(c.errs...) }

// Advice returns what has no effect here; for a settings struct's Advice.
func (c *Client) Advice() []conf.Advice { return c.advice }

// ProducerConfig returns the configuration of a producer without Brokers, Refused, Log and counters. It reads key stores and
// certificates. Each call returns connections of its own.
func (c *Client) ProducerConfig() (ProducerConfig, error) {
	p := c.producer
	s, err := c.connection()
	if err != nil {
		return p, err
	}
	p.Conn = s
	// Our own deadlines come first; Sarama's are the net below.
	s.Net.ReadTimeout, s.Net.WriteTimeout = 2*p.RequestTimeout, 2*p.RequestTimeout
	return p, nil
}

// GroupConfig returns the configuration of a group consumer without brokers, group and topics. It reads key stores and
// certificates.
func (c *Client) GroupConfig() (GroupConfig, error) {
	g := c.group
	s, err := c.connection()
	g.Conn = s
	return g, err
}

func (c *Client) connection() (*sarama.Config, error) {
	s := *c.conf
	s.MetricRegistry = metrics.NewRegistry() // of its own: what is left in it goes with the component
	if err := c.security.apply(&s); err != nil {
		return nil, err
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return &s, nil
}
