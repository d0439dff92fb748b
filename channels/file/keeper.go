package file

import (
	"encoding/binary"
	"time"

	"goflume/internal/safe"
)

// keep is the channel's one goroutine: it seals segments, writes checkpoints, frees and prepares files, so that commits
// do not have to.
func (c *Channel) keep() error {
	tick := time.NewTicker(max(c.set.CheckpointInterval, time.Second))
	defer tick.Stop()
	var sync <-chan time.Time
	if !c.set.FsyncPerTransaction {
		t := time.NewTicker(c.set.FsyncInterval)
		defer t.Stop()
		sync = t.C
	}
	for {
		due := false
		select {
		case <-c.stopping:
			return nil
		case <-c.kick:
		case <-tick.C:
			due = true
		case <-sync:
			if err := c.syncLanes(); err != nil {
				c.env.Log.Error("The log could not be synced; a power cut now would lose what was put since", "err", err)
			}
			continue
		}
		if err := safe.Call(func() error { c.housekeep(due); return nil }); err != nil {
			c.keeperFailed(err)
		}
	}
}

func (c *Channel) keeperFailed(err error) {
	c.env.Log.Error("The channel's keeper panicked", "err", err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sick = err
}

func (c *Channel) kickKeeper() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// housekeep does what is due.
func (c *Channel) housekeep(due bool) {
	sealed := c.sealAll()
	c.mu.Lock()
	checkpoint := due && (c.changed || len(c.dropped) > 0) || sealed || c.logged >= checkpointBytes
	c.mu.Unlock()
	if checkpoint {
		if err := c.checkpoint(nil, false); err != nil {
			c.env.Log.Warn("The checkpoint failed; nothing is lost, a restart would take longer", "err", err)
		}
	}
	c.prepareSpares()
}

// sealAll appends the index to segments that were filled.
func (c *Channel) sealAll() bool {
	some := false
	c.mu.Lock()
	var todo []*segment
	for _, l := range c.lanes {
		for _, s := range l.segs {
			if s.closed && !s.poisoned && !s.sealed {
				s.sealing = true
				todo = append(todo, s)
			}
		}
	}
	c.mu.Unlock()
	for _, s := range todo {
		some = true
		if s.whole {
			if err := c.seal(s); err != nil {
				c.env.Log.Warn("A full log file got no index; only a restart without checkpoints would miss it", "file", s.String(), "err", err)
			}
		}
		c.mu.Lock()
		s.sealed, s.sealing, s.puts = true, false, nil
		c.mu.Unlock()
	}
	return some
}

// seal writes the segment's last frame: which events it holds, and what was done when it was written.
func (c *Channel) seal(s *segment) error {
	c.mu.Lock()
	end := s.end
	buf := make([]byte, headerSize, headerSize+64+8*len(s.puts))
	buf = s.puts.append(buf)
	buf = binary.AppendUvarint(buf, uint64(s.putBytes))
	buf = binary.AppendUvarint(buf, c.done.floor)
	buf = c.done.above.append(buf)
	h := header{typ: frameSeal, lane: uint16(s.lane), seg: s.id, promise: end, seq: s.first, time: c.now().UnixMilli()}
	c.mu.Unlock()
	f := newFrame(buf, h)
	f.put(f.buf)
	if _, err := s.file.WriteAt(f.buf, end); err != nil {
		return err
	}
	return s.file.Datasync()
}

// sealIndex is what a seal frame holds.
type sealIndex struct {
	puts  spans
	bytes int64 // of the bodies
	done  doneSet
}

func (x *sealIndex) decode(payload []byte) bool {
	d := decoder{b: payload}
	x.puts = d.spans()
	x.bytes = int64(d.uvarint())
	x.done.floor = d.uvarint()
	x.done.above = d.spans()
	return !d.bad && len(d.b) == 0
}

// prepareSpares makes a segment ready in each directory whose active one is half full.
func (c *Channel) prepareSpares() {
	for _, d := range c.dirs {
		c.mu.Lock()
		want := false
		for _, l := range c.lanes {
			want = want || l.active != nil && l.active.dir == d && l.active.end > l.active.size/2
		}
		want = want && d.spare == nil && !d.failed
		c.mu.Unlock()
		if !want {
			continue
		}
		s, err := c.makeSegment(d, maxSegment)
		if err != nil {
			c.env.Log.Debug("No spare log file could be made", "dir", d.path, "err", err)
			continue
		}
		c.mu.Lock()
		if d.spare == nil {
			d.spare, s = s, nil
		}
		c.mu.Unlock()
		if s != nil {
			c.discard(s)
		}
	}
}

// syncLanes brings what was written to stable storage, where commits do not wait for it.
func (c *Channel) syncLanes() error {
	var first error
	for _, l := range c.lanes {
		c.mu.Lock()
		s := l.active
		var end int64
		if s != nil {
			end = s.end
		}
		idle := s == nil || l.synced >= end
		c.mu.Unlock()
		if idle {
			continue
		}
		begin := time.Now()
		err := s.file.Datasync()
		c.m.synced(time.Since(begin), 0)
		c.mu.Lock()
		if err == nil && l.active == s {
			l.synced = max(l.synced, end)
		}
		if err != nil {
			l.broken = err // the leader gives the segment up
			if first == nil {
				first = err
			}
		}
		c.mu.Unlock()
	}
	return first
}
