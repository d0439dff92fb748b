package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"

	"goflume/internal/metric"
	"goflume/internal/retry"
	"goflume/internal/safe"
)

// GroupConfig is what a group consumer needs to know.
type GroupConfig struct {
	Brokers []string
	Conn    *sarama.Config
	Group   string
	Topics  []string          // or
	Match   func(string) bool // the topics to read, also those that come later

	Internal bool // Match may name Kafka's own topics
	NoReset  bool // a partition without a committed offset is an error

	// Health hears of what keeps the consumer from reading, and with nil that it reads. It may be nil.
	Health          func(error)
	Committed       func(time.Duration) // hears how long each commit took
	Log             *slog.Logger
	Created, Closed *metric.Counter // memberships
}

// Waits of a group consumer.
const (
	// leave is how long a stop waits for offsets to be committed and the group to be left, before connections are closed.
	leave = 10 * time.Second
	// missing is how often topics are looked for that were named and are not there: soon at first, as the first look-up may have
	// made one, and later this often.
	missingStep, missing = 200 * time.Millisecond, 10 * time.Second
	// recheck is the wait before a session whose last one found offsets outside of the log.
	recheck = time.Second
	// lookForWait is how often a stop looks whether the member waits for others.
	lookForWait = 50 * time.Millisecond
	// quiet is how often errors are logged that come again and again while Sarama retries.
	quiet = 30 * time.Second
)

// Claim is one partition that this member of the group reads, until Messages is closed.
type Claim struct {
	Topic     string
	Partition int32

	claim   sarama.ConsumerGroupClaim
	offsets *committer
	ctx     context.Context
}

// Context ends when all of the member's partitions must be given up.
func (c *Claim) Context() context.Context { return c.ctx }

// Messages are the partition's records. The channel is closed when the partition must be given up; the function that reads it
// then ends what it has begun, marks it and returns, within max.poll.interval.ms.
func (c *Claim) Messages() <-chan *sarama.ConsumerMessage { return c.claim.Messages() }

// Start is the offset that the group had committed for the partition when the claim began; below 0 where it had none.
func (c *Claim) Start() int64 { return c.claim.InitialOffset() }

// HighWater is the offset that the partition's next record will have.
func (c *Claim) HighWater() int64 { return c.claim.HighWaterMarkOffset() }

// Repeats tells whether the record at offset was done with before, when this process had done with all before done: the
// group lost its session before it could commit that. Numbers that cannot be of the same log, as the topic was made anew,
// do not count.
func (c *Claim) Repeats(offset, done int64) bool {
	return offset < done && c.Start() > 0 && c.HighWater() >= done
}

// Mark notes that all records before next are done with. A lower number than before changes nothing, nor does it after
// the partition was given up.
func (c *Claim) Mark(next int64) { c.offsets.mark(place{c.Topic, c.Partition}, next) }

// CommitSoon has what is marked committed, in the background: while one commit is under way, marks gather for the next.
func (c *Claim) CommitSoon() { c.offsets.soon() }

// Consume is a member of the group until ctx ends, and then returns nil: it joins, has each partition that it is given read by
// read, in a goroutine of its own, and starts over after a failure. What read marked is committed before its partition
// goes to another member. An error of read ends the membership, which is begun anew after a wait.
func Consume(ctx context.Context, cfg GroupConfig, read func(*Claim) error) error {
	wait := retry.Default()
	var lost outOfRange
	for {
		m := &member{cfg: cfg, read: read, lost: &lost}
		err := m.run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if m.joined {
			wait.Reset()
		}
		m.health(err)
		if err := retry.Sleep(ctx, wait.Next()); err != nil {
			return nil
		}
	}
}

// member is one membership, with a client of its own. It implements Sarama's ConsumerGroupHandler.
type member struct {
	cfg     GroupConfig
	read    func(*Claim) error
	lost    *outOfRange
	dialer  *dialer
	client  sarama.Client
	offsets *committer
	reading atomic.Int64 // claims
	joined  bool         // at least once

	mu      sync.Mutex
	failed  error     // of read
	lastLog time.Time // of an error that Sarama retries
}

func (m *member) health(err error) {
	if m.cfg.Health != nil {
		m.cfg.Health(err)
	}
}

// run joins and reads until ctx ends or something fails.
func (m *member) run(ctx context.Context) error {
	conn := *m.cfg.Conn
	m.dialer = newDialer(conn.Net.DialTimeout)
	m.dialer.takeOver(&conn)
	m.dialer.alive = func(addr string) bool {
		_, err := lookupAt(m.dialer.ctx, m.cfg.Conn, addr, question{})
		return err == nil
	}
	defer m.dialer.abandon()
	defer conn.MetricRegistry.UnregisterAll()
	defer metrics.DefaultRegistry.UnregisterAll() // where Sarama notes the name of each topic that it fetches

	topics, err := m.topics(ctx)
	if err != nil {
		return err
	}
	// Sarama's calls take no context. While there is nothing to hand over, a stop cuts the connections at once.
	cut := context.AfterFunc(ctx, m.dialer.abandon)
	if m.client, err = sarama.NewClient(m.cfg.Brokers, &conn); err != nil {
		cut()
		return fmt.Errorf("join group %q: %w", m.cfg.Group, explainConnect(err, m.cfg.Conn))
	}
	group, err := sarama.NewConsumerGroupFromClient(m.cfg.Group, m.client)
	if err != nil {
		cut()
		return errors.Join(fmt.Errorf("join group %q: %w", m.cfg.Group, err), m.client.Close())
	}
	commits, stop := context.WithCancel(context.Background()) // a stop hands over first
	defer stop()
	m.offsets = newCommitter(commits, &m.cfg, m.known)
	var side sync.WaitGroup
	side.Go(func() { m.drain(group.Errors()) })
	over := make(chan struct{})
	side.Go(func() { m.bound(ctx, over, stop) })
	err = m.sessions(ctx, group, topics, cut)

	cut()
	closed := errors.Join(group.Close(), m.client.Close())
	close(over)
	side.Wait()
	m.offsets.close()
	if m.joined {
		m.cfg.Closed.Add(1)
	}
	return errors.Join(err, closed)
}

// bound lets a stop be polite for a while only: then the connections are closed, and whatever Sarama waits for ends. While the
// member waits for others to join, politeness is ours alone.
func (m *member) bound(ctx context.Context, over <-chan struct{}, stop func()) {
	select {
	case <-over:
		return
	case <-ctx.Done():
	}
	late := time.NewTimer(leave)
	defer late.Stop()
	look := time.NewTicker(lookForWait)
	defer look.Stop()
	for finished := false; ; {
		select {
		case <-over:
			return
		case <-look.C:
			if m.reading.Load() > 0 {
				continue
			}
			if !finished { // Sarama waits for its own readers first
				finished = true
				m.offsets.finish()
			}
			if !m.dialer.groupWaits() {
				continue
			}
			m.offsets.leave()
		case <-late.C:
		}
		stop()
		m.dialer.abandon()
		return
	}
}

// known returns the addresses of the brokers that Sarama knows.
func (m *member) known() []string {
	var addrs []string
	for _, b := range m.client.Brokers() {
		addrs = append(addrs, b.Addr())
	}
	return addrs
}

// sessions consumes in one session after the other: a rebalance ends one, and so do topics that come or go.
func (m *member) sessions(ctx context.Context, group sarama.ConsumerGroup, topics []string, cut func() bool) error {
	for ctx.Err() == nil {
		session, end := context.WithCancel(ctx)
		var watch sync.WaitGroup
		watch.Go(func() {
			if m.watch(session, topics) {
				end()
			}
		})
		h := &handler{member: m, cut: cut}
		err := group.Consume(session, topics, h)
		end()
		watch.Wait()
		m.mu.Lock()
		failed := m.failed
		m.mu.Unlock()
		if failed != nil {
			return failed
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("group %q: %w", m.cfg.Group, err)
		}
		if ctx.Err() != nil {
			return nil
		}
		if m.lost.any() && retry.Sleep(ctx, recheck) != nil {
			return nil
		}
		if topics, err = m.topics(ctx); err != nil {
			return err
		}
	}
	return nil
}

// topics returns those to read now, waiting for the first to exist.
func (m *member) topics(ctx context.Context) ([]string, error) {
	wait := retry.Backoff{Step: missingStep, Max: missing}
	for {
		topics, err := m.existing(ctx)
		if err != nil || len(topics) > 0 {
			return topics, err
		}
		m.health(m.none())
		if err := retry.Sleep(ctx, wait.Next()); err != nil {
			return nil, err
		}
	}
}

func (m *member) none() error {
	if m.cfg.Match != nil {
		return errors.New("no topic matches kafka.topics.regex")
	}
	return fmt.Errorf("topics %s do not exist", strings.Join(m.cfg.Topics, ", "))
}

// existing returns those of the wanted topics that exist, sorted.
func (m *member) existing(ctx context.Context) ([]string, error) {
	q := question{topics: m.cfg.Topics, create: m.cfg.Conn.Metadata.AllowAutoTopicCreation}
	if m.cfg.Match != nil {
		q = question{all: true}
	}
	a, err := lookup(ctx, m.cfg.Conn, nil, m.cfg.Brokers, q)
	if err != nil {
		return nil, err
	}
	var refused []error
	for topic, err := range a.errs {
		if m.cfg.Match == nil && !errors.Is(err, sarama.ErrUnknownTopicOrPartition) && !errors.Is(err, sarama.ErrLeaderNotAvailable) {
			refused = append(refused, fmt.Errorf("topic %q: %w", topic, err))
		}
	}
	if len(refused) > 0 {
		return nil, errors.Join(refused...)
	}
	topics := slices.Sorted(maps.Keys(a.topics))
	if m.cfg.Match != nil {
		topics = slices.DeleteFunc(topics, func(t string) bool {
			return !m.cfg.Match(t) || !m.cfg.Internal && strings.HasPrefix(t, "__")
		})
	}
	return topics, nil
}

// watch returns true once other topics are to be read than these, or false when ctx ends.
func (m *member) watch(ctx context.Context, topics []string) bool {
	wait := retry.Backoff{Step: m.cfg.Conn.Metadata.RefreshFrequency, Max: m.cfg.Conn.Metadata.RefreshFrequency}
	switch {
	case m.cfg.Match == nil && len(topics) == len(m.cfg.Topics):
		return false
	case m.cfg.Match == nil:
		wait = retry.Backoff{Step: missingStep, Max: min(wait.Max, missing)}
	}
	for {
		if retry.Sleep(ctx, wait.Next()) != nil {
			return false
		}
		if now, err := m.existing(ctx); err == nil && len(now) > 0 && !slices.Equal(now, topics) {
			return true
		}
	}
}

// drain logs what Sarama retries by itself, a few lines only.
func (m *member) drain(errs <-chan error) {
	for err := range errs {
		m.lost.note(err)
		m.mu.Lock()
		if now := time.Now(); now.Sub(m.lastLog) >= quiet {
			m.lastLog = now
			m.cfg.Log.Warn("Reading from Kafka is disturbed, it is tried again", "group", m.cfg.Group, "err", err)
		}
		m.mu.Unlock()
	}
}

// handler is one session.
type handler struct {
	*member
	cut     func() bool
	commits sync.WaitGroup
	over    chan struct{}
}

// Setup implements Sarama's ConsumerGroupHandler: the member has joined.
func (h *handler) Setup(s sarama.ConsumerGroupSession) error {
	h.cut() // from here on a stop hands over first
	if !h.joined {
		h.joined = true
		h.cfg.Created.Add(1)
	}
	if err := h.reset(s); err != nil {
		h.fail(err)
		return err
	}
	h.over = make(chan struct{})
	h.commits.Go(func() {
		for {
			select {
			case <-h.offsets.wish:
				h.offsets.commit(s.Context())
			case <-h.over:
				return
			}
		}
	})
	h.health(nil)
	return nil
}

// Cleanup implements Sarama's ConsumerGroupHandler: all claims have ended.
func (h *handler) Cleanup(s sarama.ConsumerGroupSession) error {
	if h.over == nil {
		return nil // Setup failed
	}
	close(h.over)
	h.commits.Wait()
	h.offsets.finish()
	h.offsets.endAll()
	return nil
}

func (h *handler) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failed == nil {
		h.failed = err
	}
}

// ConsumeClaim implements Sarama's ConsumerGroupHandler.
func (h *handler) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	h.lost.clear(claim.Topic(), claim.Partition())
	h.reading.Add(1)
	defer h.reading.Add(-1)
	at := place{claim.Topic(), claim.Partition()}
	h.offsets.begin(s, at)
	c := &Claim{Topic: at.topic, Partition: at.partition, claim: claim, offsets: h.offsets, ctx: s.Context()}
	err := safe.Call(func() error {
		if h.cfg.NoReset && claim.InitialOffset() < 0 {
			return fmt.Errorf("topic %q partition %d: group %q has no committed offset, and auto.offset.reset is none",
				c.Topic, c.Partition, h.cfg.Group)
		}
		return h.read(c)
	})
	if err != nil {
		h.fail(err)
	}
	if s.Context().Err() == nil {
		h.offsets.finish() // the partition alone is given up, before it goes to another member
		h.offsets.end(at)
	}
	return nil
}
