package kafka

import (
	"context"

	"goflume/internal/kafka"
	"goflume/internal/probe"
)

var _ probe.Prober = (*Channel)(nil)

// Probe tells whether brokers answer and the topic is there.
func (c *Channel) Probe(ctx context.Context) (string, error) {
	cfg, err := c.settings.producer().ProducerConfig()
	if err != nil {
		return "", err
	}
	return kafka.Probe(ctx, cfg.Conn, c.settings.Servers, []string{c.settings.Topic})
}
