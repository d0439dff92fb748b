// Package kafka is the sink that writes events to Kafka, as Flume's KafkaSink does, with several transactions in flight and
// each event written once for as long as the process lives.
package kafka

import (
	"time"

	"goflume/conf"
	"goflume/internal/deadletter"
	"goflume/internal/kafka"
	"goflume/internal/registry"
	"goflume/sinks"
)

// Settings of the kafka sink.
type Settings struct {
	// Brokers to ask first, host:port separated by commas; the others of the cluster are learnt from them.
	Servers []string `conf:"kafka.bootstrap.servers,required" was:"brokerList" sep:","`
	// Topic to write to. With `allowTopicOverride` it may hold escapes, %{header} and those of time such as %Y-%m-%d.
	Topic string `conf:"kafka.topic" was:"topic"`
	// Most events of one transaction.
	BatchSize int `conf:"flumeBatchSize,batch" was:"batchSize" min:"1"`
	// Whether an event may choose its topic, by a header or by the escapes in `kafka.topic`.
	AllowTopicOverride bool `conf:"allowTopicOverride"`
	// Header that holds the topic of its event, where `allowTopicOverride` is true. It wins over `kafka.topic`.
	TopicHeader string `conf:"topicHeader"`
	// Header that holds the number of the partition for its event. Without one the header `key` chooses, by the same hash as
	// Java's client; events without either go to the partitions in turn.
	PartitionIDHeader string `conf:"partitionIdHeader"`
	// Partition for events without `partitionIdHeader`; -1 is none in particular.
	DefaultPartitionID int32 `conf:"defaultPartitionId" min:"-1"`
	// Writes events with their headers, as Avro records of Flume's own schema, in place of the body alone.
	UseFlumeEventFormat bool `conf:"useFlumeEventFormat"`
	// Header that holds the record's time in milliseconds since 1970. Without it, and where it is no such number, the time of
	// writing is taken.
	TimestampHeader string `conf:"timestampHeader"`
	// Headers to write as headers of the Kafka record: `header.<name in Flume>` is the name in Kafka.
	Headers map[string]string `conf:"header.*"`
	// How many brokers must have an event before it counts as delivered: all that are in sync, 1 for the leader alone, 0 for
	// none. Only with all is an event neither lost with a broker nor written twice by a retry. Flume's default is 1.
	Acks string `conf:"kafka.producer.acks" was:"requiredAcks" enum:"all|-1|1|0"`
	// Any property of Kafka's Java producer, by its name there. What has no effect here is warned of; what would change the
	// promise is an error.
	Producer map[string]string `conf:"kafka.producer.*"`
	// What becomes of an event that can never be delivered, such as one larger than the broker takes or with a topic that
	// cannot be: fail, drop, or file:PATH.
	OnError deadletter.Policy `conf:"onError"`
}

const producerPrefix = "kafka.producer."

func init() {
	registry.Add(sinks.Registry, "kafka", []string{"org.apache.flume.sink.kafka.KafkaSink"}, Settings{
		Topic:              "default-flume-topic",
		BatchSize:          100,
		AllowTopicOverride: true,
		TopicHeader:        "topic",
		DefaultPartitionID: -1,
		Acks:               "all",
	}, New)
}

func (s *Settings) client() *kafka.Client {
	return kafka.ReadProducer(producerPrefix, s.Acks, s.Producer)
}

// Validate checks the producer's properties.
func (s *Settings) Validate() error { return s.client().Err() }

// Advice warns of properties that have no effect.
func (s *Settings) Advice() []conf.Advice { return s.client().Advice() }

// window is the number of transactions that may be open: enough small ones to fill a request while others are on their way.
const window = 64

// warnEvery bounds the lines about timestamps that are none.
const warnEvery = time.Minute
