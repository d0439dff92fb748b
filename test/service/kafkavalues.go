package service

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/IBM/sarama"
)

// stalled is how long a partition may give nothing before Values gives up.
const stalled = time.Minute

// Values writes the value of every record that a topic has now, partition after partition, each with a newline.
func (k *KafkaCluster) Values(ctx context.Context, topic string, w io.Writer) error {
	config := sarama.NewConfig()
	config.ClientID = "goflume-test"
	client, err := sarama.NewClient(k.Addrs(), config)
	if err != nil {
		return err
	}
	defer client.Close()
	partitions, err := client.Partitions(topic)
	if err != nil {
		return fmt.Errorf("topic %s: %w", topic, err)
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return err
	}
	defer consumer.Close()
	for _, p := range partitions {
		if err := partitionValues(ctx, client, consumer, topic, p, w); err != nil {
			return fmt.Errorf("topic %s partition %d: %w", topic, p, err)
		}
	}
	return nil
}

func partitionValues(ctx context.Context, client sarama.Client, consumer sarama.Consumer, topic string, p int32, w io.Writer) error {
	start, err := client.GetOffset(topic, p, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	end, err := client.GetOffset(topic, p, sarama.OffsetNewest)
	if err != nil || start == end {
		return err
	}
	records, err := consumer.ConsumePartition(topic, p, start)
	if err != nil {
		return err
	}
	defer records.Close()
	for {
		select {
		case m, ok := <-records.Messages():
			if !ok {
				return fmt.Errorf("reading ended before offset %d", end)
			}
			if _, err := w.Write(append(m.Value, '\n')); err != nil {
				return err
			}
			if m.Offset+1 >= end {
				return nil
			}
		case <-time.After(stalled):
			return fmt.Errorf("nothing comes for %v before offset %d", stalled, end)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
