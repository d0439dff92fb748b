package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// lookups is the loop's knowledge of topics and how it is renewed: one look-up at a time, in a goroutine of its own.
type lookups struct {
	looking  bool
	wanted   map[string]bool // topics to look up
	wantID   bool
	waiters  []waiter
	missing  map[string]time.Time // topics that the brokers do not know, since when
	tries    int                  // look-ups that failed in a row, or that left something missing
	next     time.Time            // no look-up before
	endedAt  time.Time            // of the last
	lookedAt time.Time            // of the last that succeeded
	lookErr  error                // of the last that failed, in a row
}

// waiter waits for a look-up to succeed: of a topic, or of anything where that is empty.
type waiter struct {
	topic    string
	deadline time.Time
	found    chan<- error
}

func (k *lookups) init() {
	k.wanted, k.missing = map[string]bool{}, map[string]time.Time{}
}

// openFor answers ready after the first look-up.
func (l *loop) openFor(topics []string, ready chan<- error) {
	for _, t := range topics {
		l.want(t)
	}
	l.wantID = l.p.cfg.Idempotent
	l.waiters = append(l.waiters, waiter{deadline: time.Now().Add(l.p.cfg.MaxBlock), found: ready})
}

// awaitTopic answers found once the topic was looked up after now.
func (l *loop) awaitTopic(topic string, found chan<- error) {
	if len(*l.p.topics.Load()) >= l.p.cfg.MaxTopics && (*l.p.topics.Load())[topic] == nil {
		found <- &RecordError{Topic: topic, Partition: -1,
			Err: fmt.Errorf("%d other topics are written to already, no more are allowed", l.p.cfg.MaxTopics)}
		return
	}
	l.want(topic)
	if soon := l.endedAt.Add(l.p.cfg.Backoff); soon.Before(l.next) {
		l.next = soon
	}
	l.waiters = append(l.waiters, waiter{topic, time.Now().Add(l.p.cfg.MaxBlock), found})
}

// want has a topic looked up.
func (l *loop) want(topic string) { l.wanted[topic] = true }

// look starts a look-up if one is wanted.
func (l *loop) look(now time.Time) {
	if l.closing {
		l.answer(func(waiter) error { return ErrAborted })
		return
	}
	l.waiters = slices.DeleteFunc(l.waiters, func(w waiter) bool {
		if w.deadline.IsZero() || now.Before(w.deadline) {
			return false
		}
		w.found <- l.overdue(w.topic)
		return true
	})
	for _, w := range l.waiters {
		if !w.deadline.IsZero() {
			l.wakeAt(w.deadline)
			if w.topic != "" {
				l.want(w.topic)
			}
		}
	}
	if age := l.lookedAt.Add(l.p.cfg.MetadataAge); !l.lookedAt.IsZero() {
		if now.Before(age) {
			l.wakeAt(age)
		} else {
			for topic := range *l.p.topics.Load() {
				l.want(topic)
			}
		}
	}
	if l.looking || len(l.wanted) == 0 && !l.wantID && len(l.waiters) == 0 {
		return
	}
	if now.Before(l.next) {
		l.wakeAt(l.next)
		return
	}
	l.looking = true
	topics := slices.Sorted(maps.Keys(l.wanted))
	clear(l.wanted)
	known := slices.Collect(maps.Values(l.brokers))
	wantID := l.wantID
	p := l.p
	p.wg.Go(func() {
		a, err := lookup(p.ctx, p.cfg.Conn, known, p.cfg.Brokers, question{topics: topics, create: p.cfg.CreateTopics, id: wantID})
		l.inbox(func() { l.looked(topics, a, err) })
	})
}

// overdue is what a waiter hears that waited too long.
func (l *loop) overdue(topic string) error {
	if since, ok := l.missing[topic]; ok && l.lookErr == nil && time.Since(since) >= l.p.cfg.MaxBlock/2 {
		return &RecordError{Topic: topic, Partition: -1, Err: sarama.ErrUnknownTopicOrPartition}
	}
	if l.lookErr != nil && topic == "" {
		return l.lookErr
	}
	if l.lookErr != nil {
		return fmt.Errorf("look up topic %q: %w", topic, l.lookErr)
	}
	if topic == "" {
		return fmt.Errorf("no answer from kafka brokers %s within %v", strings.Join(l.p.cfg.Brokers, ", "), l.p.cfg.MaxBlock)
	}
	return fmt.Errorf("look up topic %q: no leader within %v", topic, l.p.cfg.MaxBlock)
}

// answer answers the waiters for which say does not return errWait.
func (l *loop) answer(say func(waiter) error) {
	l.waiters = slices.DeleteFunc(l.waiters, func(w waiter) bool {
		err := say(w)
		if err == errWait {
			return false
		}
		w.found <- err
		return true
	})
}

var errWait = errors.New("wait on")

// loading tells whether a broker that was just started asks for patience.
func loading(err error) bool {
	return errors.Is(err, sarama.ErrOffsetsLoadInProgress) || errors.Is(err, sarama.ErrConsumerCoordinatorNotAvailable) ||
		errors.Is(err, sarama.ErrNotCoordinatorForConsumer)
}

// looked takes in what a look-up found.
func (l *loop) looked(topics []string, a *answers, err error) {
	now := time.Now()
	l.looking, l.endedAt = false, now
	if err != nil {
		l.lookErr = err
		for _, t := range topics {
			l.want(t)
		}
		l.next = now.Add(l.backoff(l.tries))
		l.tries++
		l.answer(func(w waiter) error {
			if w.topic != "" || errors.Is(err, context.Canceled) || loading(err) {
				return errWait
			}
			return err
		})
		return
	}
	l.lookErr, l.lookedAt = nil, now
	l.brokers = a.brokers
	if a.id != nil {
		l.id, l.epoch, l.wantID = a.id.ProducerID, a.id.ProducerEpoch, false
		l.renumber()
	}
	again := false
	known := maps.Clone(*l.p.topics.Load())
	for name, info := range a.topics {
		delete(l.missing, name)
		known[name] = &Topic{info}
		again = again || len(info.usable) < len(info.leaders)
	}
	for name, err := range a.errs {
		if name == "" {
			continue
		}
		again = true
		if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
			delete(known, name)
			if _, ok := l.missing[name]; !ok {
				l.missing[name] = now
			}
		}
	}
	l.p.topics.Store(&known)
	for name := range a.topics {
		l.lead(name)
	}
	if again {
		l.tries++
	} else {
		l.tries = 0
	}
	l.next = now.Add(l.backoff(l.tries))
	l.answer(func(w waiter) error {
		if w.topic == "" {
			return nil
		}
		if a.topics[w.topic] != nil {
			return nil
		}
		switch err := a.errs[w.topic]; {
		case errors.Is(err, sarama.ErrInvalidTopic):
			return &RecordError{Topic: w.topic, Partition: -1, Err: err}
		case errors.Is(err, sarama.ErrTopicAuthorizationFailed):
			return fmt.Errorf("topic %q: %w", w.topic, err)
		}
		return errWait
	})
	for _, w := range l.waiters {
		if w.topic != "" && !slices.Contains(topics, w.topic) {
			l.next = now.Add(l.p.cfg.Backoff) // it came meanwhile: other topics' troubles are not this one's
		}
	}
}

// lead gives the topic's partitions the leaders that are known.
func (l *loop) lead(name string) {
	t := (*l.p.topics.Load())[name]
	if t == nil {
		return
	}
	for i, q := range l.names[name] {
		q.leader = -1
		if i < len(t.info.leaders) {
			q.leader = t.info.leaders[i]
		}
	}
}
