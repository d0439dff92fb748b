package kafka

import (
	"cmp"
	"context"
	"sync"
	"time"

	"goflume/internal/deadletter"
	"goflume/internal/javaregex"
	"goflume/internal/kafka"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/safe"
	"goflume/internal/vfs"
	"goflume/sources"
)

// Source reads topics.
type Source struct {
	settings Settings
	env      registry.Env
	client   *kafka.Client
	pattern  *javaregex.Regexp // nil: topics by name

	joined, left          *metric.Counter
	getTimer, commitTimer *metric.Counter // milliseconds
	empty                 *metric.Counter
	bad, repeated         *metric.Counter
	lag                   *lags
	box                   *deadletter.Box
}

// New returns a kafka source.
func New(env registry.Env, set Settings) (sources.Source, error) {
	s := &Source{settings: set, env: env, client: set.client()}
	if set.TopicsRegex != "" {
		var err error
		if s.pattern, err = javaregex.Compile(set.TopicsRegex); err != nil {
			return nil, err
		}
	}
	m := env.Metrics
	metric.NewSource(m)
	m.Hide("EventReadFail", "ChannelWriteFail", "GenericProcessingFail")
	s.getTimer = m.Counter("KafkaEventGetTimer", "flume_source_kafka_get_milliseconds_total", "Milliseconds spent waiting for records.")
	s.commitTimer = m.Counter("KafkaCommitTimer", "flume_source_kafka_commit_milliseconds_total", "Milliseconds spent committing offsets.")
	s.empty = m.Counter("KafkaEmptyCount", "flume_source_kafka_empty_total", "Times that nothing came for as long as a batch waits.")
	s.joined = m.Counter("", "flume_source_kafka_joins_total", "Times that the group was joined.")
	s.left = m.Counter("", "flume_source_kafka_leaves_total", "Times that the group was left.")
	s.bad = m.Counter("", "flume_source_kafka_bad_records_total", "Records that were no Flume event and went as onError says.")
	s.repeated = m.Counter("", "flume_source_kafka_repeated_records_total", "Records that came again after the group lost its session, and were left out as they had been delivered.")
	s.lag = &lags{set: m}
	filing := env // the box counts as a sink's would, which a source does not show
	filing.Metrics = metric.NewSet(metric.Sink, env.Agent, env.Name, "kafka")
	s.box = deadletter.NewBox(set.OnError, filing, vfs.OS{})
	return s, nil
}

// Run reads until ctx is cancelled.
func (s *Source) Run(ctx context.Context, out sources.Output) error {
	cfg, err := s.client.GroupConfig()
	if err != nil {
		return err
	}
	cfg.Brokers, cfg.Group, cfg.Topics = s.settings.Servers, s.settings.Group, s.settings.Topics
	if s.pattern != nil {
		cfg.Topics, cfg.Match = nil, func(topic string) bool {
			ok, err := s.pattern.FullMatch([]byte(topic))
			return ok && err == nil
		}
	}
	cfg.Health, cfg.Log = s.env.Report, s.env.Log
	cfg.Created, cfg.Closed = s.joined, s.left
	cfg.Committed = func(d time.Duration) { s.commitTimer.Add(int(d.Milliseconds())) }

	s.lag.restart()
	b := newBatcher(s, out)
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() {
		safe.Go(func() error { b.run(ctx); return nil }, func(err error) { failed = err })
		b.end()
	})
	err = kafka.Consume(ctx, cfg, func(c *kafka.Claim) error { return b.read(ctx, c) })
	close(b.done)
	wg.Wait()
	return cmp.Or(failed, err)
}
