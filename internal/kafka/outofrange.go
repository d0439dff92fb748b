package kafka

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// patience is how long a committed offset may seem to be outside of the log before auto.offset.reset takes effect. Just
// after a change of leader the new one may not know yet how far the log goes: to believe it would be to read everything
// again, or to skip what is there.
const patience = 10 * time.Second

// outOfRange keeps which partitions' offsets seem to be outside of the log, over the sessions of a group.
type outOfRange struct {
	mu    sync.Mutex
	since map[place]time.Time
}

type place struct {
	topic     string
	partition int32
}

// note takes an error of Sarama's and tells whether it was one of this kind.
func (o *outOfRange) note(err error) bool {
	var ce *sarama.ConsumerError
	if !errors.As(err, &ce) || !errors.Is(ce.Err, sarama.ErrOffsetOutOfRange) {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since == nil {
		o.since = map[place]time.Time{}
	}
	at := place{ce.Topic, ce.Partition}
	if _, ok := o.since[at]; !ok {
		o.since[at] = time.Now()
	}
	return true
}

// any tells whether there is such a partition.
func (o *outOfRange) any() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.since) > 0
}

// clear forgets the partition, whose claim began.
func (o *outOfRange) clear(topic string, partition int32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.since, place{topic, partition})
}

// due tells whether the partition's offset has been outside for so long that it is not in the log any more.
func (o *outOfRange) due(topic string, partition int32) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	since, ok := o.since[place{topic, partition}]
	return ok && time.Since(since) >= patience
}

// reset moves the session's offsets that are not in the log any more to where auto.offset.reset says, before claims begin.
func (h *handler) reset(s sarama.ConsumerGroupSession) error {
	initial := h.cfg.Conn.Consumer.Offsets.Initial
	for topic, partitions := range s.Claims() {
		for _, partition := range partitions {
			if !h.lost.due(topic, partition) {
				continue
			}
			if h.cfg.NoReset {
				return fmt.Errorf("topic %q partition %d: the offset of group %q is not in the log any more, and auto.offset.reset is none",
					topic, partition, h.cfg.Group)
			}
			to, err := h.client.GetOffset(topic, partition, initial)
			if err != nil {
				return fmt.Errorf("topic %q partition %d: look up where the log begins and ends: %w", topic, partition, err)
			}
			// Of the two one has an effect: the first goes forward only, the second back.
			s.MarkOffset(topic, partition, to, "")
			s.ResetOffset(topic, partition, to, "")
			h.lost.clear(topic, partition)
			h.cfg.Log.Error("The group's offset is not in the log any more, records may be lost; reading goes on as auto.offset.reset says",
				"group", h.cfg.Group, "topic", topic, "partition", partition, "offset", to)
		}
	}
	return nil
}
