package file

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"goflume/event"
	"goflume/internal/safe"
)

// lane is a log of its own: a chain of segments that is written and synced independently of the others. Within a lane
// sequence numbers rise.
type lane struct {
	id   int
	home *dataDir // nil: the lane is only read, its directory is not configured any more

	// Guarded by Channel.mu.
	pending   []*commit // waiting for a leader
	flying    []*commit // being written
	idle      []*commit // an empty slice to be `pending` next
	queued    int64     // bytes of pending
	busy      bool      // there is a leader
	gathering bool      // and it waits for company
	target    float64   // commits that a group can have, going by the last ones
	segs      []*segment
	active    *segment // last of segs, or nil
	synced    int64    // the active segment is on stable storage up to here
	broken    error    // of a sync that nobody waited for: the active segment is to be given up
	cur       pos      // of the next frame to read; takeMu as well
	spilled   pos      // what is published behind it is in cache
	cache     []block
	heads     []piece // read, not taken; takeMu as well

	waiting atomic.Int32 // len(pending), for the leader that gathers

	// The leader's.
	off      int64     // where the next frame goes
	ordinal  uint32    // of it; changed under Channel.mu
	link     *outFrame // to be written in front of the first frame of a segment
	iov      [][]byte
	syncTime time.Duration // going by the last ones

	// takeMu.
	reader frameReader
	stuck  stuck // where it cannot be read
}

// commit is one transaction on its way to disk: events put, or numbers acknowledged.
type commit struct {
	first  [1]outFrame
	frames []outFrame
	size   int64 // bytes on disk
	count  int   // events put
	bytes  int64 // of bodies, put or acknowledged
	seq    uint64
	acked  spans

	wake     chan signal // size 1
	finished bool        // guarded by Channel.mu
	err      error       // after wake
}

type signal uint8

const (
	sigDone signal = iota + 1
	sigLead        // the commit's goroutine is to write the next group
)

// maxGroup is about how many bytes are written and synced at a time.
const maxGroup = 16 << 20

// commit brings the transaction to disk and returns once it is there: by this goroutine as the leader of a group, or by
// that of another one.
func (c *Channel) commit(cm *commit) error {
	c.mu.Lock()
	l := c.pickLaneLocked(cm)
	if cm.count > 0 {
		cm.seq = c.next
		for i := range cm.frames {
			cm.frames[i].seq = c.next
			c.next += uint64(cm.frames[i].count)
		}
	}
	l.pending = append(l.pending, cm)
	l.queued += cm.size
	l.waiting.Store(int32(len(l.pending)))
	if l.busy {
		c.mu.Unlock()
		if <-cm.wake == sigDone {
			return cm.err
		}
	} else {
		l.busy = true
		c.mu.Unlock()
	}
	c.lead(l)
	return cm.err
}

// shared is how many bytes may wait for a lane's next group before a directory's other lane is used as well. Below it one
// sync for all is quicker than two at a time, which the disk makes one after the other anyway.
const shared = 1 << 20

// pickLaneLocked returns the lane for the commit: of the directory that has the least to do, the first lane that has not
// enough for its next group yet.
func (c *Channel) pickLaneLocked(cm *commit) *lane {
	var best *lane
	score := math.MaxInt
	for i, d := range c.dirs {
		lanes := c.lanes[i*lanesPerDir : (i+1)*lanesPerDir]
		l := laneOf(lanes, cm)
		if d.space.free-c.set.MinimumRequiredSpace < min(c.segSize, leastSegment) {
			l = roomyLocked(lanes, cm.size)
		}
		s := 0
		for _, o := range lanes {
			s += len(o.pending) + len(o.flying)
		}
		if l.gathering {
			s = -1
		}
		if d.failed || cm.count > 0 && len(c.dirs) > 1 && d.space.free < c.set.MinimumRequiredSpace {
			s += 1 << 20
		}
		if s < score {
			best, score = l, s
		}
	}
	return best
}

// laneOf chooses among the lanes of a directory. Acknowledgements join a group that waits for company and else keep out of
// the first lane, so that who puts does not wait for the sync of one.
func laneOf(lanes []*lane, cm *commit) *lane {
	if cm.count == 0 && !lanes[0].gathering {
		return lanes[len(lanes)-1]
	}
	for _, l := range lanes {
		if !l.busy || l.gathering || l.queued+cm.size <= shared {
			return l
		}
	}
	return slices.MinFunc(lanes, func(a, b *lane) int { return cmp.Compare(a.queued, b.queued) })
}

// roomyLocked returns the lane whose segment has room left, where there is none for another segment.
func roomyLocked(lanes []*lane, size int64) *lane {
	for _, l := range lanes {
		if l.active != nil && l.active.end+size <= l.active.size {
			return l
		}
	}
	return lanes[0]
}

// lead writes one group and hands the lead on.
func (c *Channel) lead(l *lane) {
	c.gather(l)
	c.mu.Lock()
	group := l.pending
	l.pending, l.flying, l.idle, l.queued = l.idle[:0], group, nil, 0
	l.waiting.Store(0)
	c.mu.Unlock()
	if err := safe.Call(func() error { c.writeGroup(l, group); return nil }); err != nil {
		c.env.Log.Error("Writing a group panicked", "err", err)
		if l.active != nil {
			c.poison(l, err)
		}
		c.finish(group, err)
	}
	c.mu.Lock()
	l.target = 0.7*l.target + 0.3*float64(len(group)+len(l.pending))
	clear(group)
	l.idle, l.flying = group, nil
	var next *commit
	if len(l.pending) > 0 {
		next = l.pending[0]
	} else {
		l.busy = false
	}
	c.mu.Unlock()
	if next != nil {
		next.wake <- sigLead
	}
}

// gather waits for the commits that the last groups lead one to expect: no longer than a part of what a sync takes. The
// wait is too short for a timer, so it yields to those who would commit.
func (c *Channel) gather(l *lane) {
	limit := min(c.set.FsyncMaxDelay, l.syncTime/4)
	c.mu.Lock()
	want := int32(l.target + 0.5)
	l.gathering = limit > 0 && l.waiting.Load() < want
	on := l.gathering
	c.mu.Unlock()
	if !on {
		return
	}
	begin := time.Now()
	for range 1000 {
		runtime.Gosched()
		if l.waiting.Load() >= want || time.Since(begin) >= limit {
			break
		}
	}
	c.mu.Lock()
	l.gathering = false
	c.mu.Unlock()
}

// writeGroup brings every commit of the group to an end.
func (c *Channel) writeGroup(l *lane, group []*commit) {
	c.mu.Lock()
	broken := l.broken
	l.broken = nil
	c.mu.Unlock()
	if broken != nil && l.active != nil {
		c.poison(l, broken)
	}
	for len(group) > 0 {
		if !l.fits(group[0].size) && !(l.active != nil && l.link != nil) {
			c.growFor(group[0].size)
			err := c.roll(l, nil)
			if isFullDisk(err) && c.reclaim() {
				err = c.roll(l, nil)
			}
			if err != nil {
				c.noRoom(l, group, err)
				return
			}
		}
		n, size := 1, group[0].size
		for n < len(group) && size+group[n].size <= maxGroup && l.fits(size+group[n].size) {
			size += group[n].size
			n++
		}
		if err := c.append(l, group[:n]); err != nil {
			c.poison(l, err)
			c.writeElsewhere(l, group[:n], err)
		}
		group = group[n:]
	}
}

// writeElsewhere is for a group whose write or sync failed: what the file holds now, nobody knows, but the frames are
// still in memory.
func (c *Channel) writeElsewhere(l *lane, group []*commit, first error) {
	c.mu.Lock()
	bad := l.segs[len(l.segs)-1].dir
	c.mu.Unlock()
	err := c.roll(l, bad)
	if err == nil {
		if err = c.append(l, group); err == nil {
			return
		}
		c.poison(l, err)
	}
	c.finish(group, fmt.Errorf("write to channel %s: %w", c.env.Name, errors.Join(first, err)))
}

// fits tells whether size bytes can be appended to the active segment. A commit that is larger than any segment is the
// first of a fresh one and makes it grow.
func (l *lane) fits(size int64) bool {
	if l.link != nil {
		size += l.link.length()
	}
	return l.active != nil && l.off+size <= l.active.size
}

// append writes the commits behind one another, syncs and publishes them.
func (c *Channel) append(l *lane, group []*commit) error {
	seg, off, ordinal := l.active, l.off, l.ordinal
	c.mu.Lock()
	promise := l.synced
	c.mu.Unlock()
	l.iov = l.iov[:0]
	add := func(f *outFrame) {
		f.lane, f.seg, f.promise, f.ordinal = uint16(l.id), seg.id, promise, ordinal
		out := *f
		if seg.aead != nil && f.typ == framePut {
			out = f.encrypt(seg.aead)
		}
		out.header.put(out.buf)
		l.iov = append(l.iov, out.buf)
		f.at = off
		off += int64(len(out.buf))
		f.end = off
		ordinal++
	}
	if l.link != nil {
		add(l.link)
	}
	for _, cm := range group {
		for i := range cm.frames {
			add(&cm.frames[i])
		}
	}
	if err := seg.file.WritevAt(l.iov, l.off); err != nil {
		return err
	}
	clear(l.iov)
	if c.set.FsyncPerTransaction {
		begin := time.Now()
		if err := seg.file.Datasync(); err != nil {
			return err
		}
		took := time.Since(begin)
		l.syncTime = (7*l.syncTime + 3*took) / 10
		c.m.synced(took, len(group))
		if took > time.Second {
			c.env.Log.Warn("The disk took long to sync", "file", seg.String(), "seconds", took.Seconds())
		}
	}
	written := off - l.off
	l.off, l.link = off, nil
	c.publish(l, group, written, ordinal)
	return nil
}

// publish makes what was written visible and ends the commits. Those who committed are woken when the lock is free: they
// are about to want it.
func (c *Channel) publish(l *lane, group []*commit, written int64, ordinal uint32) {
	c.publishState(l, group, written, ordinal)
	for _, cm := range group {
		cm.wake <- sigDone
	}
}

func (c *Channel) publishState(l *lane, group []*commit, written int64, ordinal uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seg := l.active
	l.ordinal = ordinal
	c.sick = nil
	seg.dir.failed = false
	puts := false
	for _, cm := range group {
		if cm.count == 0 {
			c.ackedLocked(cm)
			continue
		}
		puts = true
		c.size += cm.count
		c.bytes += cm.bytes
		seg.addPutLocked(cm.seq, cm.seq+uint64(cm.count), cm.bytes)
		c.cacheLocked(l, seg, cm)
	}
	seg.end = l.off
	if c.set.FsyncPerTransaction {
		l.synced = l.off
	}
	c.changed = true
	if c.logged += written; c.logged >= checkpointBytes {
		c.kickKeeper()
	}
	if !l.home.cow && l.off > seg.size/2 && seg.dir.spare == nil {
		c.kickKeeper()
	}
	if puts {
		c.wakeTakersLocked()
	}
	for _, cm := range group {
		cm.finished = true
	}
}

// ackedLocked makes an acknowledgement take effect.
func (c *Channel) ackedLocked(cm *commit) {
	c.done.addAll(cm.acked)
	n := int(cm.acked.count())
	c.size -= n
	c.held -= n
	c.bytes -= cm.bytes
	c.changed = true
	c.releaseLocked(n, cm.bytes)
}

// wakeLocked ends commits.
func wakeLocked(group []*commit) {
	for _, cm := range group {
		cm.finished = true
		cm.wake <- sigDone
	}
}

// finish ends the commits that did not succeed. The numbers of events that were put are never given again.
func (c *Channel) finish(group []*commit, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, cm := range group {
		if cm.finished {
			continue
		}
		c.done.add(cm.seq, cm.seq+uint64(cm.count))
		cm.err = err
		wakeLocked(group[i : i+1])
	}
	c.changed = true
	if !isFullDisk(err) && !errors.Is(err, event.ErrFull) {
		c.sick = err
	}
}

// poison takes the active segment out of service after a failed write or sync: what was written since the last sync may
// be anything, and the next sync would say that all is well.
func (c *Channel) poison(l *lane, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seg := l.active
	seg.poisoned, seg.closed = true, true
	seg.dir.failed = true
	l.active = nil
	c.m.poisoned.Add(1)
	c.env.Log.Error("A log file could not be written and is set aside; its synced part is still delivered",
		"file", seg.String(), "end", seg.end, "err", err)
}
