package kafka

import (
	"context"

	"goflume/internal/kafka"
	"goflume/internal/probe"
)

var _ probe.Prober = (*Source)(nil)

// Probe tells whether brokers answer, and which of the topics that are named are there. The group is not joined.
func (s *Source) Probe(ctx context.Context) (string, error) {
	cfg, err := s.client.GroupConfig()
	if err != nil {
		return "", err
	}
	var topics []string
	if s.pattern == nil {
		topics = s.settings.Topics
	}
	return kafka.Probe(ctx, cfg.Conn, s.settings.Servers, topics)
}
