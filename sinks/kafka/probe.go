package kafka

import (
	"context"

	"goflume/internal/kafka"
	"goflume/internal/probe"
)

var _ probe.Prober = (*Sink)(nil)

// Probe tells whether brokers answer and, where events do not choose it, whether the topic is there.
func (s *Sink) Probe(ctx context.Context) (string, error) {
	cfg, err := s.client.ProducerConfig()
	if err != nil {
		return "", err
	}
	var topics []string
	if s.topic == nil {
		topics = append(topics, s.settings.Topic)
	}
	return kafka.Probe(ctx, cfg.Conn, s.settings.Servers, topics)
}
