package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"

	"goflume/internal/probe"
)

// Probe asks the brokers, all at once, for the topics, of which none is made. A topic that is not there is told and is no
// error: it may come.
func Probe(ctx context.Context, conf *sarama.Config, brokers, topics []string) (found string, err error) {
	return probe.Servers(ctx, brokers, func(ctx context.Context, addr string) (string, error) {
		a, err := lookupAt(ctx, conf, addr, question{topics: topics})
		if err != nil {
			return "", err
		}
		text := fmt.Sprintf("%d brokers", len(a.brokers))
		for _, name := range topics {
			switch t, err := a.topics[name], a.errs[name]; {
			case t != nil:
				text += fmt.Sprintf(", topic %s with %d partitions", name, len(t.leaders))
			case err == nil || errors.Is(err, sarama.ErrUnknownTopicOrPartition):
				text += fmt.Sprintf(", topic %s is not there yet", name)
			default:
				return "", fmt.Errorf("topic %s at kafka broker %s: %w", name, addr, err)
			}
		}
		return text, nil
	})
}
