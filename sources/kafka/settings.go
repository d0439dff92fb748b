// Package kafka is the source that reads topics as a member of a consumer group, as Flume's KafkaSource does. Offsets are
// committed only after every required channel holds the events.
package kafka

import (
	"errors"
	"time"

	"goflume/conf"
	"goflume/internal/deadletter"
	"goflume/internal/javaregex"
	"goflume/internal/kafka"
	"goflume/internal/registry"
	"goflume/internal/retry"
	"goflume/sources"
)

// Settings of the kafka source.
type Settings struct {
	// Brokers to ask first, host:port separated by commas; the others of the cluster are learnt from them.
	Servers []string `conf:"kafka.bootstrap.servers" sep:","`
	// Topics to read, separated by commas. One that does not exist yet is read once it does.
	Topics []string `conf:"kafka.topics" was:"topic" sep:","`
	// Java regular expression of the whole names of the topics to read, also of those that come later
	// (`kafka.consumer.metadata.max.age.ms` says how soon). It wins over `kafka.topics`.
	TopicsRegex string `conf:"kafka.topics.regex"`
	// Consumer group. The members of a group, in whatever process, share the partitions of its topics.
	Group string `conf:"kafka.consumer.group.id" was:"groupId"`
	// Most events sent to the channels at once.
	BatchSize int `conf:"batchSize,batch" min:"1"`
	// How long a batch that is not full waits for more events.
	BatchDuration time.Duration `conf:"batchDurationMillis" unit:"ms" min:"1"`
	// Reads the records as Flume's kafka sink writes them with `useFlumeEventFormat`: headers and body, in Avro.
	UseFlumeEventFormat bool `conf:"useFlumeEventFormat"`
	// Whether an event gets its topic as a header.
	SetTopicHeader bool `conf:"setTopicHeader"`
	// Name of the header with the topic.
	TopicHeader string `conf:"topicHeader"`
	// Name of the header with the record's time in milliseconds since 1970.
	TimestampHeader string `conf:"timestampHeader"`
	// Headers of the Kafka record to take over: `header.<name in Flume>` is the name in Kafka. Of several with one name the
	// last counts.
	Headers map[string]string `conf:"header.*"`
	// Any property of Kafka's Java consumer, by its name there. What has no effect here is warned of; what would change the
	// promise is an error.
	Consumer map[string]string `conf:"kafka.consumer.*"`
	// What becomes of a record that is no Flume event although `useFlumeEventFormat` is set: fail stops reading until somebody
	// acts, drop goes on without it, file:PATH also keeps it there.
	OnError deadletter.Policy `conf:"onError"`
	// Without effect: brokers are not looked up in ZooKeeper.
	ZooKeeper string `conf:"zookeeperConnect"`
	// Without effect: offsets are not read from ZooKeeper.
	MigrateOffsets bool `conf:"migrateZookeeperOffsets"`
	// Waits while the channels refuse.
	Retry retry.Settings `conf:",inline"`
}

const consumerPrefix = "kafka.consumer."

func init() {
	registry.Add(sources.Registry, "kafka", []string{"org.apache.flume.source.kafka.KafkaSource"}, Settings{
		Group:           "flume",
		BatchSize:       1000,
		BatchDuration:   time.Second,
		SetTopicHeader:  true,
		TopicHeader:     "topic",
		TimestampHeader: "timestamp",
		MigrateOffsets:  true,
		Retry:           retry.DefaultSettings,
	}, New)
}

// MaySetHeader implements conf.HeaderSetter: records have a time, and bring headers of their own.
func (s Settings) MaySetHeader(string) bool { return true }

func (s *Settings) client() *kafka.Client { return kafka.ReadConsumer(consumerPrefix, s.Consumer) }

// Validate checks what no single setting can.
func (s *Settings) Validate() error {
	errs := []error{s.client().Err()}
	if len(s.Servers) == 0 {
		text := "is needed"
		if s.ZooKeeper != "" {
			text += ": brokers are not looked up in ZooKeeper, name one or more of them"
		}
		errs = append(errs, conf.Errorf("kafka.bootstrap.servers", "%s", text))
	}
	switch {
	case s.TopicsRegex != "":
		if _, err := javaregex.Compile(s.TopicsRegex); err != nil {
			errs = append(errs, conf.Errorf("kafka.topics.regex", "%v", err))
		}
	case len(s.Topics) == 0:
		errs = append(errs, conf.Errorf("kafka.topics", "is needed, or kafka.topics.regex"))
	}
	return errors.Join(errs...)
}

// Advice warns of properties that have no effect.
func (s *Settings) Advice() []conf.Advice {
	all := s.client().Advice()
	if s.ZooKeeper != "" {
		all = append(all, conf.Advice{Severity: conf.Warning, Code: "FL310", Key: "zookeeperConnect",
			Text: "zookeeperConnect has no effect: brokers and offsets are not read from ZooKeeper",
			Help: []string{"if the group has offsets there alone, let Flume 1.11 run once to move them to Kafka"}})
	}
	if s.TopicsRegex != "" && len(s.Topics) > 0 {
		all = append(all, conf.Advice{Severity: conf.Warning, Code: "FL301", Key: "kafka.topics",
			Text: "kafka.topics has no effect beside kafka.topics.regex"})
	}
	return all
}
