// Package kafka is the channel that keeps events in a Kafka topic: durable, replicated, and shared by as many agents as
// there are partitions, as Flume's KafkaChannel.
//
// Putting and taking are two halves that know nothing of each other: the producer starts with the first Put and the consumer
// with the first Take, so that an agent may have only sources or only sinks on it. One member of the consumer group serves all
// sinks of the channel. A commit moves a partition's offset up to the first event that is not committed yet; what is rolled back is
// delivered again from memory, in order.
package kafka

import (
	"errors"
	"maps"
	"strconv"
	"time"

	"goflume/channels"
	"goflume/conf"
	"goflume/internal/deadletter"
	"goflume/internal/kafka"
	"goflume/internal/registry"
)

// Settings of the kafka channel.
type Settings struct {
	// Brokers to ask first, host:port separated by commas; the others of the cluster are learnt from them.
	Servers []string `conf:"kafka.bootstrap.servers,required" was:"brokerList" sep:","`
	// Topic that holds the events. It needs as many partitions as sinks, over all agents, are to drain it at a time.
	Topic string `conf:"kafka.topic" was:"topic"`
	// Consumer group that the sinks of all agents on this channel share.
	Group string `conf:"kafka.consumer.group.id" was:"groupId"`
	// Keeps headers and body, in Avro of Flume's own schema. With false the topic holds bodies alone, as programs other than
	// Flume read and write them, and headers are lost.
	ParseAsFlumeEvent bool `conf:"parseAsFlumeEvent"`
	// How long a broker may hold back its answer while it has nothing new.
	PollTimeout time.Duration `conf:"kafka.pollTimeout" was:"pollTimeout" unit:"ms" min:"1"`
	// How long a source waits while `kafka.producer.buffer.memory` bytes are on their way, before it is told that the channel
	// is full.
	KeepAlive time.Duration `conf:"keep-alive" unit:"s" min:"0"`
	// Header that holds the number of the partition for its event. Without one the header `key` chooses.
	PartitionIDHeader string `conf:"partitionIdHeader"`
	// Partition for events without `partitionIdHeader`; -1 is none in particular.
	DefaultPartitionID int32 `conf:"defaultPartitionId" min:"-1"`
	// Where a group without committed offsets begins: at the earliest event, at the latest, or not at all.
	OffsetReset string `conf:"kafka.consumer.auto.offset.reset" enum:"earliest|latest|none"`
	// Old form of `kafka.consumer.auto.offset.reset`: true is earliest, false latest.
	ReadSmallestOffset string `conf:"readSmallestOffset" enum:"true|false"`
	// How many brokers must have an event before the source is told that it is safe: all that are in sync, 1 for the leader
	// alone, 0 for none. With less than all, what was acknowledged is lost with a broker.
	Acks string `conf:"kafka.producer.acks" was:"requiredAcks" enum:"all|-1|1|0"`
	// Any property of Kafka's Java producer, by its name there.
	Producer map[string]string `conf:"kafka.producer.*"`
	// Any property of Kafka's Java consumer, by its name there.
	Consumer map[string]string `conf:"kafka.consumer.*"`
	// What becomes of a record that is no Flume event although `parseAsFlumeEvent` is set: fail stops the sinks until somebody
	// acts, drop goes on without it, file:PATH also keeps it there.
	OnError deadletter.Policy `conf:"onError"`
	// Without effect: brokers are not looked up in ZooKeeper.
	ZooKeeper string `conf:"zookeeperConnect"`
	// Without effect: offsets are not read from ZooKeeper.
	MigrateOffsets bool `conf:"migrateZookeeperOffsets"`
}

func init() {
	registry.Add(channels.Registry, "kafka", []string{"org.apache.flume.channel.kafka.KafkaChannel"}, Settings{
		Topic:              "flume-channel",
		Group:              "flume",
		ParseAsFlumeEvent:  true,
		PollTimeout:        500 * time.Millisecond,
		KeepAlive:          3 * time.Second,
		DefaultPartitionID: -1,
		OffsetReset:        "earliest",
		Acks:               "all",
		MigrateOffsets:     true,
	}, New)
}

func (s *Settings) producer() *kafka.Client {
	return kafka.ReadProducer("kafka.producer.", s.Acks, s.Producer)
}

func (s *Settings) consumer() *kafka.Client {
	all := maps.Clone(s.Consumer)
	if all == nil {
		all = map[string]string{}
	}
	all["auto.offset.reset"] = s.OffsetReset
	switch s.ReadSmallestOffset {
	case "true":
		all["auto.offset.reset"] = "earliest"
	case "false":
		all["auto.offset.reset"] = "latest"
	}
	if _, ok := all["fetch.max.wait.ms"]; !ok {
		all["fetch.max.wait.ms"] = strconv.FormatInt(s.PollTimeout.Milliseconds(), 10)
	}
	return kafka.ReadConsumer("kafka.consumer.", all)
}

// Validate checks the clients' properties.
func (s *Settings) Validate() error { return errors.Join(s.producer().Err(), s.consumer().Err()) }

// Advice warns of properties that have no effect.
func (s *Settings) Advice() []conf.Advice {
	all := append(s.producer().Advice(), s.consumer().Advice()...)
	if s.ReadSmallestOffset != "" {
		all = append(all, conf.Advice{Severity: conf.Warning, Code: "FL310", Key: "readSmallestOffset",
			Text: "readSmallestOffset is deprecated",
			Help: []string{"write `kafka.consumer.auto.offset.reset = " + map[string]string{"true": "earliest", "false": "latest"}[s.ReadSmallestOffset] + "`"}})
	}
	if s.ZooKeeper != "" {
		all = append(all, conf.Advice{Severity: conf.Warning, Code: "FL310", Key: "zookeeperConnect",
			Text: "zookeeperConnect has no effect: brokers and offsets are not read from ZooKeeper"})
	}
	return all
}
