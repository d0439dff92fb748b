package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"goflume/internal/retry"
)

// committer commits what a member's claims mark, over a connection of its own: Sarama's commits stand still while the member
// waits for others to join, and what is delivered meanwhile would come again if the member died or left.
type committer struct {
	cfg   *GroupConfig
	ctx   context.Context // of the connection; nothing is tried after its end
	known func() []string // addresses of brokers
	wish  chan struct{}   // room for one

	mu      sync.Mutex
	session sarama.ConsumerGroupSession
	claims  map[place]*offsets // those that this member has
	lastLog time.Time

	one  sync.Mutex // held for one commit
	link *link
	give context.CancelCauseFunc // of the link's context
}

// offsets of one claim: what all before is done with, and what of it is committed.
type offsets struct{ marked, committed int64 }

const (
	// commitLimit is how long a commit is tried before a partition goes to another member.
	commitLimit = 5 * time.Second
	// commitRetry and commitMaxRetry are the waits between tries.
	commitRetry, commitMaxRetry = 50 * time.Millisecond, time.Second
)

// errLost is a membership that the broker has ended.
var errLost = errors.New("the group goes on without this member")

func newCommitter(ctx context.Context, cfg *GroupConfig, known func() []string) *committer {
	return &committer{cfg: cfg, ctx: ctx, known: known, wish: make(chan struct{}, 1), claims: map[place]*offsets{}}
}

// begin notes a claim, whose marks count until end.
func (c *committer) begin(s sarama.ConsumerGroupSession, at place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = s
	c.claims[at] = &offsets{-1, -1}
}

func (c *committer) end(at place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.claims, at)
}

func (c *committer) endAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.claims)
}

func (c *committer) mark(at place, next int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.claims[at]; o != nil {
		o.marked = max(o.marked, next)
	}
}

func (c *committer) soon() {
	select {
	case c.wish <- struct{}{}:
	default:
	}
}

// pending makes the request that commits all that is marked, nil if that is nothing.
func (c *committer) pending() (*sarama.OffsetCommitRequest, map[place]int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var what map[place]int64
	for at, o := range c.claims {
		if o.marked > o.committed {
			if what == nil {
				what = map[place]int64{}
			}
			what[at] = o.marked
		}
	}
	if what == nil {
		return nil, nil
	}
	r := sarama.NewOffsetCommitRequest(c.cfg.Conn, c.cfg.Group)
	r.ConsumerID, r.ConsumerGroupGeneration = c.session.MemberID(), c.session.GenerationID()
	if id := c.cfg.Conn.Consumer.Group.InstanceId; id != "" {
		r.GroupInstanceId = &id
	}
	for at, next := range what {
		r.AddBlockWithLeaderEpoch(at.topic, at.partition, next, -1, 0, "")
	}
	return r, what
}

// finish is commit for the last time, bounded by itself.
func (c *committer) finish() {
	ctx, cancel := context.WithTimeout(c.ctx, commitLimit)
	defer cancel()
	c.commit(ctx)
}

// commit commits what is marked, in as many tries as fit into ctx. What it could not commit is delivered again, to whoever
// reads the partition next.
func (c *committer) commit(ctx context.Context) {
	c.one.Lock()
	defer c.one.Unlock()
	began := time.Now()
	wait := retry.Backoff{Step: commitRetry, Max: commitMaxRetry}
	for tried := false; ; tried = true {
		r, what := c.pending()
		if r == nil {
			if tried && c.cfg.Committed != nil {
				c.cfg.Committed(time.Since(began))
			}
			return
		}
		err := c.try(ctx, r, what)
		if err == nil {
			continue
		}
		lost := errors.Is(err, errLost)
		if lost || wait.Tries() == 5 {
			c.told(len(what), err)
		}
		if lost || retry.Sleep(ctx, wait.Next()) != nil {
			return
		}
	}
}

func (c *committer) told(partitions int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.lastLog) >= quiet {
		c.lastLog = now
		c.cfg.Log.Warn("Offsets are not committed, what stands behind them may be delivered again", "group", c.cfg.Group,
			"partitions", partitions, "err", err)
	}
}

// try sends the request once. Partitions whose commit succeeded are noted; the error is of one of the others. A generation that
// is refused may be behind the broker's, whose number is on the way to us.
func (c *committer) try(ctx context.Context, r *sarama.OffsetCommitRequest, what map[place]int64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lookupTimeout, errLookupTimeout)
	defer cancel()
	if err := c.connect(ctx); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, c.link.dialer.abandon)
	res, err := c.link.broker.CommitOffset(r)
	if !stop() && err == nil {
		c.unlink() // it was given up, but had answered
	}
	if err != nil {
		err = cause(ctx, err)
		c.unlink()
		return fmt.Errorf("commit offsets: %w", err)
	}
	var failed error
	for at, next := range what {
		code, ok := res.Errors[at.topic][at.partition]
		switch {
		case ok && code == sarama.ErrNoError:
			c.committed(at, next)
			continue
		case !ok:
			err = errNoAnswer
		default:
			err = code
		}
		switch code {
		case sarama.ErrNotCoordinatorForConsumer, sarama.ErrConsumerCoordinatorNotAvailable, sarama.ErrOffsetsLoadInProgress:
			c.unlink()
		case sarama.ErrUnknownMemberId, sarama.ErrFencedInstancedId:
			err = fmt.Errorf("%w: %w", errLost, code)
		}
		failed = fmt.Errorf("commit offset of topic %q partition %d: %w", at.topic, at.partition, err)
	}
	return failed
}

func (c *committer) committed(at place, next int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.claims[at]; o != nil {
		o.committed = max(o.committed, next)
	}
}

// connect connects to the broker that keeps the group's offsets, unless it is done. ctx bounds only the making of the
// connection.
func (c *committer) connect(ctx context.Context) error {
	if c.link != nil {
		return nil
	}
	var errs []error
	for _, addr := range append(c.known(), c.cfg.Brokers...) {
		at, err := c.ask(ctx, addr)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		life, give := context.WithCancelCause(c.ctx)
		stop := context.AfterFunc(ctx, func() { give(context.Cause(ctx)) })
		l, err := openLink(life, at, c.cfg.Conn)
		if !stop() && err == nil {
			l.close()
			err = context.Cause(ctx)
		}
		if err != nil {
			give(nil)
			return err
		}
		c.link, c.give = l, give
		return nil
	}
	if len(errs) == 0 {
		return errors.New("no broker is known")
	}
	return errors.Join(errs...)
}

// ask asks the broker at addr who the coordinator is.
func (c *committer) ask(ctx context.Context, addr string) (string, error) {
	l, err := openLink(ctx, addr, c.cfg.Conn)
	if err != nil {
		return "", err
	}
	defer l.close()
	res, err := l.broker.FindCoordinator(&sarama.FindCoordinatorRequest{Version: 1, CoordinatorKey: c.cfg.Group, CoordinatorType: sarama.CoordinatorGroup})
	switch {
	case err != nil:
		return "", fmt.Errorf("ask kafka broker %s for the coordinator of group %q: %w", addr, c.cfg.Group, cause(ctx, err))
	case res.Err != sarama.ErrNoError:
		return "", fmt.Errorf("ask kafka broker %s for the coordinator of group %q: %w", addr, c.cfg.Group, res.Err)
	}
	return res.Coordinator.Addr(), nil
}

// leave takes the member out of the group, so that the others need not wait for it.
func (c *committer) leave() {
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if s == nil || c.cfg.Conn.Consumer.Group.InstanceId != "" {
		return
	}
	c.one.Lock()
	defer c.one.Unlock()
	ctx, cancel := context.WithTimeout(c.ctx, lookupTimeout)
	defer cancel()
	if c.connect(ctx) != nil {
		return // its session runs out
	}
	stop := context.AfterFunc(ctx, c.link.dialer.abandon)
	defer stop()
	id := s.MemberID()
	r := &sarama.LeaveGroupRequest{GroupId: c.cfg.Group, MemberId: id, Version: 2}
	if c.cfg.Conn.Version.IsAtLeast(sarama.V2_4_0_0) {
		r.Version, r.Members = 4, []sarama.MemberIdentity{{MemberId: id}}
	}
	if _, err := c.link.broker.LeaveGroup(r); err != nil {
		c.unlink()
	}
}

func (c *committer) unlink() {
	if c.link != nil {
		c.link.close()
		c.give(nil)
		c.link = nil
	}
}

func (c *committer) close() {
	c.one.Lock()
	defer c.one.Unlock()
	c.unlink()
}
