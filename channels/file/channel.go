package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"goflume/channels"
	"goflume/event"
	"goflume/internal/registry"
	"goflume/internal/safe"
	"goflume/internal/vfs"
)

// lanesPerDir is how many segments of one directory are written at a time: one is synced while the other is filled.
const lanesPerDir = 2

// Channel is a queue on disk. Lock order: takeMu, ckptMu, mu.
type Channel struct {
	env  registry.Env
	set  Settings
	fs   vfs.FS
	now  func() time.Time // the wall clock: ages and what people read, never order
	keys keyring
	m    metrics

	readOnly  bool // Examine: nothing is written
	giveUp    bool // Examine, Repair: files that are gone do not end it
	importing bool // Import: Flume's files may be there

	locks []io.Closer

	ops     sync.WaitGroup // Puts and Commits under way
	keeping sync.WaitGroup
	kick    chan struct{} // size 1: the keeper has work

	takeMu  sync.Mutex    // taking: the lanes' cursors move
	damaged map[pos]int64 // damaged spans that were seen: where they end

	ckptMu sync.Mutex // one checkpoint at a time
	slots  []*slot
	gen    uint64 // of the newest checkpoint

	mu       sync.Mutex
	state    state
	stopping chan struct{} // closed by Close
	failure  error         // of Open
	uuid     [16]byte
	dirs     []*dataDir
	lanes    []*lane // the first lanesPerDir*len(dirs) are written to
	segID    uint64  // newest id given to a segment
	segSize  int64   // of the next new segment
	next     uint64  // sequence number of the next event
	done     doneSet
	size     int   // events published and not done
	bytes    int64 // of their bodies
	held     int   // of size: in transactions
	room     room
	open     map[*Tx]struct{}
	again    []piece       // rolled back, by sequence number
	avail    chan struct{} // closed when there is something to take; nil: nobody waits
	cached   int64         // bytes of published frames in memory
	alone    int64         // bytes put since somebody took
	spare    [][]event.Event
	lost     lossWatch
	logged   int64      // bytes written since the last checkpoint
	changed  bool       // since the last checkpoint
	dropped  []*segment // waiting until no checkpoint knows them
	sick     error      // of the last write; nil: healthy
}

type state uint8

const (
	stateNew state = iota
	stateOpen
	stateClosed
)

var (
	_ channels.Channel = (*Channel)(nil)
	_ channels.Durable = (*Channel)(nil)
)

func newChannel(env registry.Env, s Settings, fsys vfs.FS) *Channel {
	c := &Channel{
		env: env, set: s, fs: fsys, now: time.Now, open: map[*Tx]struct{}{}, stopping: make(chan struct{}), kick: make(chan struct{}, 1),
	}
	c.m.declare(env.Metrics, c)
	return c
}

// Open locks the directories, reads what is there and starts the keeper.
func (c *Channel) Open(ctx context.Context) error {
	c.mu.Lock()
	if c.state != stateNew || c.failure != nil {
		c.mu.Unlock()
		return fmt.Errorf("open channel %s: %w", c.env.Name, event.ErrClosed)
	}
	c.mu.Unlock()
	err := safe.Call(func() error { return c.load(ctx) })
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failure = fmt.Errorf("open file channel %s: %w", c.env.Name, err)
		c.unlock()
		return c.failure
	}
	c.state = stateOpen
	c.keeping.Go(func() { safe.Go(c.keep, c.keeperFailed) })
	return nil
}

func (c *Channel) load(ctx context.Context) error {
	c.segSize = min(firstSegment, c.set.segmentSize())
	if err := c.readKeys(); err != nil {
		return err
	}
	if err := c.lockDirs(); err != nil {
		return err
	}
	return c.recover(ctx)
}

// lockName is Flume's, so that neither agent opens what the other has open.
const lockName = "in_use.lock"

func (c *Channel) lockDirs() error {
	ckpt := []string{expand(c.set.CheckpointDir)}
	if c.set.UseDualCheckpoints {
		ckpt = append(ckpt, expand(c.set.BackupCheckpointDir))
	}
	data := c.set.dataDirs()
	locked := map[string]bool{}
	for _, dir := range append(ckpt, data...) {
		if locked[dir] {
			continue
		}
		locked[dir] = true
		if err := c.fs.MkdirAll(dir); err != nil {
			return err
		}
		l, err := c.fs.Lock(filepath.Join(dir, lockName))
		if errors.Is(err, vfs.ErrLocked) {
			return fmt.Errorf("Cannot lock %s. The directory is already locked. [channel=%s]", dir, c.env.Name) //nolint:staticcheck // Flume's words
		}
		if err != nil {
			return err
		}
		c.locks = append(c.locks, l)
		if c.readOnly {
			continue
		}
		if err := c.syncNames(dir); err != nil {
			return err
		}
	}
	for _, dir := range data {
		sp, err := c.fs.Space(dir)
		if err != nil {
			return err
		}
		c.dirs = append(c.dirs, &dataDir{path: dir, cow: sp.CopyOnWrite, space: spaceReport{free: sp.Free, at: c.now()}})
	}
	for _, dir := range ckpt {
		c.slots = append(c.slots, &slot{dir: dir, n: 0}, &slot{dir: dir, n: 1})
	}
	return nil
}

// syncNames makes the directory and what is in it durable: names that a process saw before it was killed need not be.
func (c *Channel) syncNames(dir string) error {
	if err := c.fs.SyncDir(dir); err != nil {
		return err
	}
	for up := filepath.Dir(dir); up != dir; up, dir = filepath.Dir(up), up {
		if c.fs.SyncDir(up) != nil {
			break // not ours to read, so not made by us
		}
	}
	return nil
}

func (c *Channel) unlock() {
	for _, s := range c.slots {
		if s.file != nil {
			s.file.Close()
			s.file = nil
		}
	}
	for _, s := range c.segments() {
		s.file.Close()
	}
	for _, l := range c.locks {
		l.Close()
	}
	c.locks = nil
}

// segments returns every open segment file.
func (c *Channel) segments() []*segment {
	all := append([]*segment(nil), c.dropped...)
	for _, l := range c.lanes {
		all = append(all, l.segs...)
	}
	for _, d := range c.dirs {
		all = append(all, d.free...)
		if d.spare != nil {
			all = append(all, d.spare)
		}
	}
	return all
}

// enter begins an operation that Close waits for.
func (c *Channel) enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.closedLocked(); err != nil {
		return err
	}
	c.ops.Add(1)
	return nil
}

func (c *Channel) closedLocked() error {
	switch {
	case c.failure != nil:
		return &event.Refused{Kind: event.ErrClosed, Text: fmt.Sprintf("Channel closed [channel=%s]. Due to %v", c.env.Name, c.failure)}
	case c.state != stateOpen:
		return &event.Refused{Kind: event.ErrClosed, Text: fmt.Sprintf("Channel closed [channel=%s].", c.env.Name)}
	}
	return nil
}

// Stats implements channels.Channel.
func (c *Channel) Stats() channels.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return channels.Stats{
		Size: c.size - c.held, Held: c.held, Capacity: c.set.Capacity, MaxTx: c.set.TransactionCapacity, Bytes: c.bytes,
	}
}

// Durable says that the events survive the process.
func (c *Channel) Durable() bool { return true }

// Close implements channels.Channel.
func (c *Channel) Close() error {
	c.mu.Lock()
	if c.state != stateOpen {
		c.state = stateClosed
		c.mu.Unlock()
		return nil
	}
	c.state = stateClosed
	close(c.stopping)
	c.wakeTakersLocked()
	c.mu.Unlock()

	c.ops.Wait()
	c.keeping.Wait()
	c.takeMu.Lock()
	defer c.takeMu.Unlock()
	c.rollbackAll()
	var err error
	if c.set.CheckpointOnClose {
		err = c.checkpoint(nil, true)
	} else if !c.set.FsyncPerTransaction {
		err = c.syncLanes()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unlock()
	if err != nil {
		return fmt.Errorf("close file channel %s: %w", c.env.Name, err)
	}
	return nil
}
