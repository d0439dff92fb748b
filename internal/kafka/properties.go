package kafka

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// property is what becomes of one of the Java clients' properties: it is set; or it is ignored or refused, for the reason given; or
// it is silently fine, because it says nothing that matters here.
type property struct {
	side    side
	set     func(c *Client, value string) error
	ignored string // warned of
	refused string // because without it the promise would be another one
}

// properties are those of Java's clients 4.3 (ProducerConfig, ConsumerConfig, SslConfigs, SaslConfigs), and Flume's own among them.
var properties map[string]property

const (
	buffers  = "the operating system sizes the sockets' buffers"
	measured = "the agent has its own metrics"
	fixed    = "connections are kept as long as the broker keeps them"
	plugin   = "it names a Java class; without it records would not be what they are with it"
	txn      = "transactions are not used: delivery is at least once, and idempotent within a run"
)

func init() {
	properties = map[string]property{
		// Both sides.
		"bootstrap.servers":   {side: both, ignored: "Flume takes `kafka.bootstrap.servers` instead"},
		"client.id":           {both, func(c *Client, v string) error { c.conf.ClientID = v; return nonEmpty(v) }, "", ""},
		"client.dns.lookup":   {both, clientDNS, "", ""},
		"metadata.max.age.ms": {both, metadataAge, "", ""},
		"request.timeout.ms":  {both, requestTimeout, "", ""},
		"socket.connection.setup.timeout.ms": {both, func(c *Client, v string) error {
			return millis(v, time.Millisecond, &c.conf.Net.DialTimeout)
		}, "", ""},
		"socket.connection.setup.timeout.max.ms":   {side: both, ignored: "every try has the same time"},
		"reconnect.backoff.ms":                     {both, backoff, "", ""},
		"reconnect.backoff.max.ms":                 {both, maxBackoff, "", ""},
		"retry.backoff.ms":                         {both, backoff, "", ""},
		"retry.backoff.max.ms":                     {both, maxBackoff, "", ""},
		"connections.max.idle.ms":                  {side: both, ignored: fixed},
		"send.buffer.bytes":                        {side: both, ignored: buffers},
		"receive.buffer.bytes":                     {side: both, ignored: buffers},
		"metric.reporters":                         {side: both, ignored: measured},
		"metrics.num.samples":                      {side: both, ignored: measured},
		"metrics.recording.level":                  {side: both, ignored: measured},
		"metrics.sample.window.ms":                 {side: both, ignored: measured},
		"auto.include.jmx.reporter":                {side: both, ignored: measured},
		"enable.metrics.push":                      {side: both, ignored: measured},
		"metadata.recovery.strategy":               {side: both, ignored: "the configured brokers are always asked again"},
		"metadata.recovery.rebootstrap.trigger.ms": {side: both, ignored: "the configured brokers are always asked again"},
		"interceptor.classes":                      {side: both, refused: plugin},
		"security.providers":                       {side: both, refused: "it names Java classes; Go's own cryptography is used"},
		"config.providers":                         {side: both, refused: "use Flume's ${env:...} and ${file:...} look-ups"},

		// Producer.
		"acks":                                     {side: producerSide},
		"enable.idempotence":                       {producerSide, func(c *Client, v string) error { c.idempotent = new(bool); return boolean(v, c.idempotent) }, "", ""},
		"linger.ms":                                {producerSide, func(c *Client, v string) error { return millis(v, 0, &c.producer.Linger) }, "", ""},
		"batch.size":                               {producerSide, batchSize, "", ""},
		"max.request.size":                         {producerSide, func(c *Client, v string) error { return integer(v, 1<<10, 64<<20, &c.producer.MaxRecord) }, "", ""},
		"buffer.memory":                            {producerSide, func(c *Client, v string) error { return integer(v, 0, math.MaxInt64, &c.producer.Buffer) }, "", ""},
		"max.block.ms":                             {producerSide, func(c *Client, v string) error { return millis(v, time.Millisecond, &c.producer.MaxBlock) }, "", ""},
		"delivery.timeout.ms":                      {producerSide, func(c *Client, v string) error { return millis(v, time.Millisecond, &c.producer.DeliveryTimeout) }, "", ""},
		"retries":                                  {producerSide, func(c *Client, v string) error { return integer(v, 0, math.MaxInt32, &c.producer.Retries) }, "", ""},
		"compression.type":                         {producerSide, compression, "", ""},
		"compression.gzip.level":                   {producerSide, level(sarama.CompressionGZIP), "", ""},
		"compression.lz4.level":                    {producerSide, level(sarama.CompressionLZ4), "", ""},
		"compression.zstd.level":                   {producerSide, level(sarama.CompressionZSTD), "", ""},
		"max.in.flight.requests.per.connection":    {producerSide, func(c *Client, v string) error { return integer(v, 1, 100, &c.inFlight) }, "", ""},
		"key.serializer":                           {producerSide, serializer, "", ""},
		"value.serializer":                         {producerSide, serializer, "", ""},
		"serializer.class":                         {side: producerSide, ignored: "it belongs to Kafka before 0.9"},
		"key.serializer.class":                     {side: producerSide, ignored: "it belongs to Kafka before 0.9"},
		"partitioner.class":                        {producerSide, partitionerClass, "", ""},
		"partitioner.ignore.keys":                  {producerSide, func(c *Client, v string) error { return boolean(v, &c.producer.IgnoreKeys) }, "", ""},
		"partitioner.adaptive.partitioning.enable": {side: producerSide, ignored: "records without a key go to the partitions with a leader in turn"},
		"partitioner.availability.timeout.ms":      {side: producerSide, ignored: "records without a key go to the partitions with a leader in turn"},
		"metadata.max.idle.ms":                     {side: producerSide, ignored: "topics are remembered as long as the agent runs"},
		"transactional.id":                         {side: producerSide, refused: txn},
		"transaction.timeout.ms":                   {side: producerSide, ignored: txn},
		"transaction.two.phase.commit.enable":      {side: producerSide, refused: txn},

		// Consumer.
		"group.id":                {side: consumerSide},
		"group.instance.id":       {consumerSide, func(c *Client, v string) error { c.conf.Consumer.Group.InstanceId = v; return nonEmpty(v) }, "", ""},
		"group.protocol":          {consumerSide, groupProtocol, "", ""},
		"group.remote.assignor":   {side: consumerSide, ignored: "it belongs to group.protocol = consumer"},
		"auto.offset.reset":       {consumerSide, offsetReset, "", ""},
		"enable.auto.commit":      {consumerSide, autoCommit, "", ""},
		"auto.commit.interval.ms": {side: consumerSide, ignored: "offsets are committed once the channels hold the events"},
		"session.timeout.ms": {consumerSide, func(c *Client, v string) error {
			return millis(v, 10*time.Millisecond, &c.conf.Consumer.Group.Session.Timeout)
		}, "", ""},
		"heartbeat.interval.ms": {consumerSide, func(c *Client, v string) error {
			return millis(v, time.Millisecond, &c.conf.Consumer.Group.Heartbeat.Interval)
		}, "", ""},
		"max.poll.interval.ms": {consumerSide, func(c *Client, v string) error {
			return millis(v, 10*time.Millisecond, &c.conf.Consumer.Group.Rebalance.Timeout)
		}, "", ""},
		"max.poll.records":              {side: consumerSide, ignored: "the component's own batch size says how many events travel together"},
		"partition.assignment.strategy": {consumerSide, strategies, "", ""},
		"isolation.level":               {consumerSide, isolation, "", ""},
		"fetch.min.bytes":               {consumerSide, func(c *Client, v string) error { return integer(v, 1, math.MaxInt32, &c.conf.Consumer.Fetch.Min) }, "", ""},
		"fetch.max.bytes":               {consumerSide, func(c *Client, v string) error { return integer(v, 1, 99<<20, &c.conf.Consumer.Fetch.MaxBytes) }, "", ""},
		"fetch.max.wait.ms":             {consumerSide, func(c *Client, v string) error { return millis(v, time.Millisecond, &c.conf.Consumer.MaxWaitTime) }, "", ""},
		"max.partition.fetch.bytes":     {consumerSide, func(c *Client, v string) error { return integer(v, 1, 99<<20, &c.conf.Consumer.Fetch.Default) }, "", ""},
		"default.api.timeout.ms":        {consumerSide, func(c *Client, v string) error { return millis(v, time.Millisecond, &c.conf.Metadata.Timeout) }, "", ""},
		"client.rack":                   {consumerSide, func(c *Client, v string) error { c.conf.RackID = v; return nil }, "", ""},
		"allow.auto.create.topics":      {consumerSide, func(c *Client, v string) error { return boolean(v, &c.conf.Metadata.AllowAutoTopicCreation) }, "", ""},
		"exclude.internal.topics":       {consumerSide, func(c *Client, v string) error { c.group.Internal = strings.EqualFold(v, "false"); return nil }, "", ""},
		"check.crcs":                    {side: consumerSide, ignored: "checksums are always checked"},
		"key.deserializer":              {consumerSide, deserializer, "", ""},
		"value.deserializer":            {consumerSide, deserializer, "", ""},
		"zookeeper.connect":             {side: consumerSide, ignored: "it belongs to Kafka before 0.9"},
	}
	addSecurity(properties)
}

func nonEmpty(v string) error {
	if v == "" {
		return errors.New("is empty")
	}
	return nil
}

// millis reads milliseconds of at least low into d.
func millis(v string, low time.Duration, d *time.Duration) error {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return fmt.Errorf("%q is no number of milliseconds", v)
	}
	if n < low.Milliseconds() {
		return fmt.Errorf("%d is less than %d", n, low.Milliseconds())
	}
	*d = time.Duration(min(n, math.MaxInt32)) * time.Millisecond // 24 days are forever
	return nil
}

func integer[T int | int32 | int64](v string, low, high int64, to *T) error {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return fmt.Errorf("%q is no whole number", v)
	}
	if n < low || n > high {
		return fmt.Errorf("%d: must be %d to %d", n, low, high)
	}
	*to = T(n)
	return nil
}

func boolean(v string, to *bool) error {
	b := strings.ToLower(v)
	if b != "true" && b != "false" {
		return fmt.Errorf("%q is neither true nor false", v)
	}
	*to = b == "true"
	return nil
}

// oneOf checks an enumerated value in any case and returns it as it is spelled in the list.
func oneOf(v string, among ...string) (string, error) {
	for _, a := range among {
		if strings.EqualFold(a, v) {
			return a, nil
		}
	}
	return "", fmt.Errorf("%q is none of %s", v, strings.Join(among, ", "))
}

func clientDNS(c *Client, v string) error {
	v, err := oneOf(v, "use_all_dns_ips", "resolve_canonical_bootstrap_servers_only", "default")
	c.conf.Net.ResolveCanonicalBootstrapServers = v == "resolve_canonical_bootstrap_servers_only"
	return err
}

func metadataAge(c *Client, v string) error {
	err := millis(v, 10*time.Millisecond, &c.producer.MetadataAge)
	c.conf.Metadata.RefreshFrequency = c.producer.MetadataAge
	return err
}

func requestTimeout(c *Client, v string) error {
	err := millis(v, 100*time.Millisecond, &c.producer.RequestTimeout)
	c.conf.Net.ReadTimeout, c.conf.Net.WriteTimeout = c.producer.RequestTimeout, c.producer.RequestTimeout
	return err
}

func backoff(c *Client, v string) error {
	var d time.Duration
	err := millis(v, 0, &d)
	d = max(d, time.Millisecond)
	c.producer.Backoff, c.conf.Metadata.Retry.Backoff = d, d
	c.producer.MaxBackoff = max(c.producer.MaxBackoff, d)
	return err
}

func maxBackoff(c *Client, v string) error {
	err := millis(v, 0, &c.producer.MaxBackoff)
	c.producer.MaxBackoff = max(c.producer.MaxBackoff, c.producer.Backoff)
	return err
}

func batchSize(c *Client, v string) error {
	err := integer(v, 0, 64<<20, &c.producer.BatchBytes)
	c.producer.BatchBytes = max(c.producer.BatchBytes, 1)
	c.producer.Sticky = c.producer.BatchBytes
	return err
}

var codecs = map[string]sarama.CompressionCodec{"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD}

func compression(c *Client, v string) error {
	v, err := oneOf(v, "none", "gzip", "snappy", "lz4", "zstd")
	c.producer.Codec = codecs[v]
	if l, ok := c.values["compression."+v+".level"]; ok && err == nil {
		c.producer.Level, err = strconv.Atoi(l)
	}
	return err
}

// level checks a level for the codec; compression applies it.
func level(codec sarama.CompressionCodec) func(*Client, string) error {
	return func(c *Client, v string) error {
		var n int
		switch codec {
		case sarama.CompressionLZ4:
			c.advise("compression.lz4.level", "has no effect here: lz4 has one level")
			return nil
		case sarama.CompressionGZIP:
			return integer(v, -1, 9, &n)
		}
		return integer(v, -131072, 22, &n)
	}
}

// plainForms are the (de)serializers that hand bytes or UTF-8 through.
var plainForms = []string{"String", "ByteArray", "Bytes", "ByteBuffer"}

func serializer(_ *Client, v string) error   { return plainForm(v, "Serializer") }
func deserializer(_ *Client, v string) error { return plainForm(v, "Deserializer") }

func plainForm(v, suffix string) error {
	for _, f := range plainForms {
		if v == "org.apache.kafka.common.serialization."+f+suffix {
			return nil
		}
	}
	return fmt.Errorf("%q is a Java class that changes the bytes; here they stay as they are in the event", v)
}

func partitionerClass(c *Client, v string) error {
	switch v {
	case "", "org.apache.kafka.clients.producer.internals.DefaultPartitioner",
		"org.apache.kafka.clients.producer.UniformStickyPartitioner", "org.apache.kafka.clients.producer.RoundRobinPartitioner":
	default:
		return fmt.Errorf("%q is a Java class that chooses partitions in its own way: take it out, or set `partitionIdHeader`", v)
	}
	c.producer.IgnoreKeys = strings.HasSuffix(v, "UniformStickyPartitioner") || strings.HasSuffix(v, "RoundRobinPartitioner")
	if strings.HasSuffix(v, "RoundRobinPartitioner") {
		c.producer.Sticky = 1
	}
	return nil
}

func groupProtocol(c *Client, v string) error {
	v, err := oneOf(v, "classic", "consumer")
	if v == "consumer" {
		c.advise("group.protocol", "= consumer has no effect here: the classic protocol is spoken, which the same group may use too")
	}
	return err
}

func offsetReset(c *Client, v string) error {
	v, err := oneOf(v, "latest", "earliest", "none")
	c.group.NoReset = v == "none"
	if v == "earliest" {
		c.conf.Consumer.Offsets.Initial = sarama.OffsetOldest
	}
	return err
}

func autoCommit(c *Client, v string) error {
	var on bool
	if err := boolean(v, &on); err != nil {
		return err
	}
	if on {
		c.advise("enable.auto.commit", "= true has no effect, as in Flume: offsets are committed once the channels hold the events")
	}
	return nil
}

func isolation(c *Client, v string) error {
	v, err := oneOf(v, "read_uncommitted", "read_committed")
	if v == "read_committed" {
		c.conf.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	return err
}

// strategies takes Java's class names, or the assignors' own, separated by commas.
func strategies(c *Client, v string) error {
	var eager, cooperative []sarama.BalanceStrategy
	for name := range strings.SplitSeq(v, ",") {
		name = strings.TrimSpace(name)
		short := strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])
		switch strings.TrimSuffix(short, "assignor") {
		case "range":
			eager = append(eager, sarama.NewBalanceStrategyRange())
		case "roundrobin":
			eager = append(eager, sarama.NewBalanceStrategyRoundRobin())
		case "sticky":
			eager = append(eager, sarama.NewBalanceStrategySticky())
		case "cooperativesticky", "cooperative-sticky":
			cooperative = append(cooperative, sarama.NewBalanceStrategyCooperativeSticky())
		default:
			return fmt.Errorf("%q is none of range, roundrobin, sticky, cooperative-sticky", name)
		}
	}
	if len(eager) > 0 && len(cooperative) > 0 {
		// Java's default list is such a one: a step of a rolling move from one to the other.
		c.advise("partition.assignment.strategy", "names an eager and a cooperative one: the cooperative one is left out")
		cooperative = nil
	}
	c.conf.Consumer.Group.Rebalance.GroupStrategies = append(eager, cooperative...)
	return nil
}
