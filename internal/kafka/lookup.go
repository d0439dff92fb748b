package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/IBM/sarama"
)

// lookupTimeout bounds one try of a look-up on one broker: connecting, authenticating and the answer.
const lookupTimeout = 5 * time.Second

// answers is what a look-up found.
type answers struct {
	brokers map[int32]string // address by broker id
	topics  map[string]*topicInfo
	errs    map[string]error // of the topics asked for that are not in topics
	id      *sarama.InitProducerIDResponse
}

// topicInfo is what is known of a topic. It is not changed once made.
type topicInfo struct {
	name    string
	leaders []int32 // broker id by partition, -1 where there is none now
	usable  []int32 // partitions with a leader
}

// question is what a look-up asks for.
type question struct {
	topics []string
	all    bool // topics, in their stead
	create bool // let the broker create those that are missing
	id     bool // a producer id
}

// lookup asks the first of the brokers that answers. Brokers are tried in random order, those of the configuration last.
func lookup(ctx context.Context, conf *sarama.Config, known, configured []string, q question) (*answers, error) {
	addrs := make([]string, 0, len(known)+len(configured))
	for _, group := range [][]string{known, configured} {
		at := len(addrs)
		addrs = append(addrs, group...)
		rand.Shuffle(len(addrs)-at, func(i, j int) { addrs[at+i], addrs[at+j] = addrs[at+j], addrs[at+i] })
	}
	var errs []error
	tried := map[string]bool{}
	for _, addr := range addrs {
		if ctx.Err() != nil {
			break
		}
		if tried[addr] {
			continue
		}
		tried[addr] = true
		a, err := lookupAt(ctx, conf, addr, q)
		if err == nil {
			return a, nil
		}
		errs = append(errs, err)
	}
	if ctx.Err() != nil {
		errs = append(errs, context.Cause(ctx))
	}
	return nil, errors.Join(errs...)
}

var errLookupTimeout = errors.New("no answer within " + lookupTimeout.String())

func lookupAt(ctx context.Context, conf *sarama.Config, addr string, q question) (*answers, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lookupTimeout, errLookupTimeout)
	defer cancel()
	l, err := openLink(ctx, addr, conf)
	if err != nil {
		return nil, err
	}
	defer l.close()

	a := &answers{brokers: map[int32]string{}, topics: map[string]*topicInfo{}, errs: map[string]error{}}
	req := sarama.NewMetadataRequest(conf.Version, q.topics)
	req.AllowAutoTopicCreation = q.create && len(q.topics) > 0
	if len(q.topics) == 0 && !q.all {
		req.Topics = []string{""} // an empty list means all topics
	}
	meta, err := l.broker.GetMetadata(req)
	if err != nil {
		return nil, fmt.Errorf("look up topics at kafka broker %s: %w", addr, cause(ctx, err))
	}
	for _, b := range meta.Brokers {
		a.brokers[b.ID()] = b.Addr()
	}
	for _, t := range meta.Topics {
		if len(t.Partitions) == 0 {
			a.errs[t.Name] = t.Err
			if t.Err == sarama.ErrNoError {
				a.errs[t.Name] = sarama.ErrLeaderNotAvailable
			}
			continue
		}
		a.topics[t.Name] = newTopicInfo(t)
	}
	if !q.id {
		return a, nil
	}
	id, err := l.broker.InitProducerID(&sarama.InitProducerIDRequest{Version: 1, ProducerID: -1, ProducerEpoch: -1})
	if err != nil {
		return nil, fmt.Errorf("ask kafka broker %s for a producer id: %w", addr, cause(ctx, err))
	}
	if id.Err != sarama.ErrNoError {
		return nil, fmt.Errorf("ask kafka broker %s for a producer id: %w", addr, id.Err)
	}
	a.id = id
	return a, nil
}

func newTopicInfo(t *sarama.TopicMetadata) *topicInfo {
	n := int32(0)
	for _, p := range t.Partitions {
		n = max(n, p.ID+1)
	}
	info := &topicInfo{name: t.Name, leaders: make([]int32, n)}
	for i := range info.leaders {
		info.leaders[i] = -1
	}
	for _, p := range t.Partitions {
		if p.Err == sarama.ErrNoError || p.Err == sarama.ErrReplicaNotAvailable {
			info.leaders[p.ID] = p.Leader
		}
	}
	for i, l := range info.leaders {
		if l >= 0 {
			info.usable = append(info.usable, int32(i))
		}
	}
	return info
}

// cause returns why ctx ended where that explains err.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
