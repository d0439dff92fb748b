package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// growFor has files grow so that several transactions of size bytes fit in one, and little of it is left empty.
func (c *Channel) growFor(size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	most := c.set.segmentSize()
	for c.segSize < min(4*size, most) {
		c.segSize = min(2*c.segSize, most)
	}
}

// roll gives the lane a fresh segment, in another directory than avoid where there is one.
func (c *Channel) roll(l *lane, avoid *dataDir) error {
	if l.active != nil && !c.set.FsyncPerTransaction {
		if err := l.active.file.Datasync(); err != nil {
			c.poison(l, err)
		}
	}
	seg, err := c.takeSegment(l, avoid)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var link []byte
	link = append(make([]byte, 0, headerSize+16), make([]byte, headerSize)...)
	prev := &segment{}
	if n := len(l.segs); n > 0 {
		prev = l.segs[n-1]
		prev.closed = true
	}
	link = binary.LittleEndian.AppendUint64(link, prev.id)
	link = binary.LittleEndian.AppendUint64(link, uint64(prev.end))
	f := newFrame(link, header{typ: frameLink, time: c.now().UnixMilli()})
	l.link, l.off, l.ordinal = &f, pageSize, 0
	seg.lane, l.active, l.synced = l.id, seg, pageSize
	l.segs = append(l.segs, seg)
	if c.segSize < usualSegment || l.reservedLocked() > longQueue*c.segSize {
		c.segSize = min(2*c.segSize, c.set.segmentSize())
	}
	c.kickKeeper()
	return nil
}

// reservedLocked returns the bytes of the lane's files. Small ones, made while a commit waits, are no long queue.
func (l *lane) reservedLocked() (n int64) {
	for _, s := range l.segs {
		n += s.size
	}
	return n
}

// takeSegment returns a segment for the lane: its directory's spare, a new one, or one of another directory.
func (c *Channel) takeSegment(l *lane, avoid *dataDir) (*segment, error) {
	var last error
	for _, d := range c.preferred(l, avoid) {
		seg, err := c.segmentFrom(d, l)
		if err == nil {
			return seg, nil
		}
		last = err
	}
	return nil, last
}

// preferred returns the directories in the order in which the lane wants to write to them: its own, the others, and
// those that went wrong.
func (c *Channel) preferred(l *lane, avoid *dataDir) []*dataDir {
	c.mu.Lock()
	defer c.mu.Unlock()
	var first, late []*dataDir
	for _, d := range append([]*dataDir{l.home}, c.dirs...) {
		switch {
		case slices.Contains(first, d) || slices.Contains(late, d):
		case d == avoid || d.failed && d != l.home:
			late = append(late, d)
		default:
			first = append(first, d)
		}
	}
	return append(first, late...)
}

func (c *Channel) segmentFrom(d *dataDir, l *lane) (*segment, error) {
	c.mu.Lock()
	seg := d.spare
	d.spare = nil
	if seg != nil && len(l.segs) > 0 && seg.id < l.segs[len(l.segs)-1].id {
		d.free = append(d.free, seg) // its id comes too late for this lane
		seg = nil
	}
	c.mu.Unlock()
	if seg != nil {
		return seg, nil
	}
	return c.makeSegment(d, firstSegment)
}

// reclaim frees the files that hold nothing any more, now and not at the next checkpoint; it tells whether it is worth
// trying again. A file is free when neither checkpoint knows it.
func (c *Channel) reclaim() bool {
	done := false
	for range 2 {
		c.mu.Lock()
		hope := c.changed || len(c.dropped) > 0
		c.mu.Unlock()
		if !hope || c.checkpoint(nil, false) != nil {
			break
		}
		done = true
	}
	return done
}

// noRoom ends a group for which there is no segment: small commits may still fit into the active one, acknowledgements
// are made durable by a checkpoint, which overwrites a file that is there, and events are refused.
func (c *Channel) noRoom(l *lane, group []*commit, why error) {
	var fit, acks, puts []*commit
	var size int64
	for _, cm := range group {
		switch {
		case l.active != nil && l.off+size+cm.size <= l.active.size:
			fit = append(fit, cm)
			size += cm.size
		case cm.count == 0:
			acks = append(acks, cm)
		default:
			puts = append(puts, cm)
		}
	}
	if len(fit) > 0 {
		if err := c.append(l, fit); err != nil {
			c.poison(l, err)
			c.finish(fit, err)
		}
	}
	if len(puts) > 0 {
		err := fmt.Errorf("write to channel %s: %w", c.env.Name, why)
		if isFullDisk(why) {
			c.mu.Lock()
			c.sick = fmt.Errorf("the disk is full: %w", why)
			free := l.home.space.free
			c.mu.Unlock()
			err = c.exhausted(free)
		}
		c.finish(puts, err)
	}
	if len(acks) == 0 {
		return
	}
	if err := c.checkpoint(acks, false); err != nil {
		c.finish(acks, fmt.Errorf("acknowledge by checkpoint: %w", errors.Join(why, err)))
	}
}
