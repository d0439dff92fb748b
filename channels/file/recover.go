package file

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"

	"goflume/channels/file/flumelog"
)

// seqGap is left between the numbers of a life of the channel that ended without Close and those of the next: numbers of
// events that may still lie in a torn tail are never given again.
const seqGap = 1 << 20

// recover reads what an earlier life has left and makes the channel ready.
func (c *Channel) recover(ctx context.Context) error {
	if !c.importing {
		if err := c.refuseFlume(); err != nil {
			return err
		}
	}
	files, err := c.readSegments()
	if err == nil {
		err = c.rebuild(ctx, files)
	}
	if err != nil {
		for _, s := range files { // those that the channel does not know yet, too
			s.file.Close()
		}
	}
	return err
}

// rebuild makes the channel what the checkpoint and the segments say.
func (c *Channel) rebuild(ctx context.Context, files []*segment) error {
	k, err := c.chooseCheckpoint(files)
	if err != nil {
		return err
	}
	if err := c.sameChannel(k, files); err != nil {
		return err
	}
	if !c.readOnly {
		if err := c.confirmSlots(); err != nil {
			return err
		}
	}
	n := lanesPerDir * len(c.dirs)
	for i := range n {
		c.lanes = append(c.lanes, &lane{id: i, home: c.dirs[i/lanesPerDir]})
	}
	if err := c.assign(k, files); err != nil {
		return err
	}
	f := &found{}
	c.readNotes()
	for i, l := range c.lanes {
		if err := c.scanLane(ctx, f, l, k, i); err != nil {
			return cannotRead(err)
		}
	}
	c.settle(k, f)
	if c.readOnly {
		return nil
	}
	if err := c.rewriteTails(f.rewrite); err != nil {
		return err
	}
	if err := c.checkpoint(nil, false); err != nil {
		return err
	}
	c.trimTails()
	return nil
}

// refuseFlume finds event files of Flume's own channel, which would otherwise lie there undelivered.
func (c *Channel) refuseFlume() error {
	for _, d := range c.dirs {
		names, err := c.fs.List(d.path)
		if err != nil {
			return err
		}
		for _, n := range names {
			if IsFlumeLog(n) {
				return fmt.Errorf("%s holds a file channel of Apache Flume (%s): stop Flume and run `agent channel import` first", d.path, n)
			}
		}
		if slices.Contains(names, importMark) || slices.Contains(names, importDone) {
			return fmt.Errorf("%s holds an import from Apache Flume that did not end: run `agent channel import` again", d.path)
		}
	}
	return nil
}

// readSegments opens every segment file; those without a header hold nothing and are free.
func (c *Channel) readSegments() ([]*segment, error) {
	var files []*segment
	for _, d := range c.dirs {
		names, err := c.fs.List(d.path)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			n, ok := segmentNumber(name)
			if !ok {
				continue
			}
			d.next = max(d.next, n)
			s := &segment{dir: d, name: name, end: pageSize}
			open := c.fs.Open
			if c.readOnly {
				open = c.fs.OpenRead
			}
			if s.file, err = open(s.String()); err != nil {
				return files, err
			}
			s.lenient = c.giveUp
			page := make([]byte, pageSize)
			m, err := s.file.ReadAt(page, 0)
			if s.lenient && unreadable(err) {
				c.giveUpFile(s, err)
				continue
			}
			if err != nil && !errors.Is(err, io.EOF) {
				s.file.Close()
				return files, cannotRead(fmt.Errorf("read the header of segment %s: %w", s, err)) // what cannot be read now is not unused
			}
			page = page[:m]
			if err = s.decode(page); err == nil {
				s.size, err = s.file.Size()
				files = append(files, s)
			} else if errors.Is(err, errUnused) {
				if err = nil; m > 0 && !allZero(page) {
					c.env.Log.Warn("A log file has no readable header and is taken for unused", "file", s.String())
				}
				c.dropped = append(c.dropped, s) // kept until two checkpoints agree
			}
			if err != nil {
				s.file.Close()
				return files, fmt.Errorf("open segment %s: %w", s, err)
			}
		}
	}
	for _, s := range c.dropped {
		s.size, _ = s.file.Size()
	}
	slices.SortFunc(files, func(a, b *segment) int { return cmp.Compare(a.id, b.id) })
	return files, nil
}

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// chooseCheckpoint returns the newest checkpoint, or nil. A checkpoint that names a segment which is gone ends the start:
// a disk may not be mounted.
func (c *Channel) chooseCheckpoint(files []*segment) (*checkpoint, error) {
	have := map[uint64]bool{}
	for _, s := range files {
		have[s.id] = true
	}
	var best *checkpoint
	backup := false
	for i, s := range c.slots {
		k, err := s.read(c.fs)
		switch {
		case err == nil:
			if best == nil || k.gen > best.gen {
				best, backup = k, i >= 2
			}
		case !errors.Is(err, errNoCheckpoint) && !(c.giveUp && unreadable(err)):
			return nil, cannotRead(err)
		case err != errNoCheckpoint: //nolint:errorlint // the bare sentinel is an empty file
			c.env.Log.Warn("A checkpoint is not readable, another one or the log itself is used", "err", err)
		}
		c.gen = max(c.gen, s.gen)
	}
	if best == nil {
		return nil, nil
	}
	for _, s := range best.segs {
		if have[s.id] || s.first == s.last || best.done.covers(s.first, s.last) {
			continue
		}
		if c.giveUp {
			c.env.Log.Error("A log file is gone", "segment", s.id, "from", s.first, "upTo", s.last)
			continue
		}
		if backup {
			c.env.Log.Warn("The copy of the checkpoint is too old to be used; the whole log is read")
			return nil, nil
		}
		return nil, damaged(fmt.Sprintf("segment %d with events %d to %d is in none of the dataDirs: is a disk missing? `agent channel repair` gives the events up", s.id, s.first, s.last-1))
	}
	return best, nil
}

// confirmSlots makes the checkpoint files, while there is room, and what was read from the newest of each directory
// durable. The older one was, before the newer was begun.
func (c *Channel) confirmSlots() error {
	for i := 0; i < len(c.slots); i += 2 {
		a, b := c.slots[i], c.slots[i+1]
		if a.gen > b.gen {
			a, b = b, a
		}
		a.raw = nil
		if err := errors.Join(a.ready(c.fs), b.confirm(c.fs)); err != nil {
			return err
		}
	}
	return nil
}

// sameChannel checks that all the files belong together.
func (c *Channel) sameChannel(k *checkpoint, files []*segment) error {
	switch {
	case k != nil:
		c.uuid = k.uuid
	case len(files) > 0:
		c.uuid = files[0].uuid
	default:
		_, err := rand.Read(c.uuid[:])
		return err
	}
	for i, s := range files {
		if s.uuid != c.uuid {
			return fmt.Errorf("segment %s belongs to channel %x, the others to %x: are directories of two channels mixed?", s, s.uuid, c.uuid)
		}
		if i > 0 && s.id == files[i-1].id {
			return fmt.Errorf("%s and %s are the same segment, %d: one is a copy; move it away", files[i-1], s, s.id)
		}
		aead, err := c.keys.cipher(c.uuid, &s.segHeader)
		if err != nil {
			return fmt.Errorf("open segment %s: %w", s, err)
		}
		s.aead = aead
	}
	return nil
}

// assign gives every segment to its lane, or to the dropped ones if it holds nothing that is needed.
func (c *Channel) assign(k *checkpoint, files []*segment) error {
	known := map[uint64]*ckptSeg{}
	if k != nil {
		c.segID = k.segID
		for i := range k.segs {
			known[k.segs[i].id] = &k.segs[i]
		}
		for len(c.lanes) < len(k.lanes) {
			c.lanes = append(c.lanes, &lane{id: len(c.lanes)})
		}
	}
	for _, s := range c.dropped {
		s.dropped = c.gen + 1
	}
	for _, s := range files {
		c.segID = max(c.segID, s.id)
		if d := known[s.id]; d != nil {
			s.lane, s.end, s.first, s.last, s.putBytes = d.lane, d.end, d.first, d.last, d.bytes
			s.closed, s.poisoned, s.sealed = d.flags&segClosed != 0, d.flags&segPoisoned != 0, d.flags&segSealed != 0
			c.lanes[s.lane].segs = append(c.lanes[s.lane].segs, s)
			continue
		}
		h, used, err := firstFrame(s)
		if err != nil {
			return fmt.Errorf("read segment %s: %w", s, err)
		}
		old := k != nil && used && int(h.lane) < len(k.lanes) && s.id <= k.lanes[h.lane].newest
		if !used || old {
			s.dropped = c.gen + 1
			c.dropped = append(c.dropped, s)
			continue
		}
		for len(c.lanes) <= int(h.lane) {
			c.lanes = append(c.lanes, &lane{id: len(c.lanes)})
		}
		s.lane, s.whole = int(h.lane), true
		c.lanes[s.lane].segs = append(c.lanes[s.lane].segs, s)
	}
	return nil
}

// scanLane reads what the checkpoint does not describe.
func (c *Channel) scanLane(ctx context.Context, f *found, l *lane, k *checkpoint, i int) error {
	from := pos{}
	if k != nil && i < len(k.lanes) {
		from, l.cur = k.lanes[i].scan, k.lanes[i].cur
	}
	for j, s := range l.segs {
		if s.id < from.seg {
			continue
		}
		known := int64(-1)
		if j+1 < len(l.segs) {
			if prev, end, ok := linkOf(l.segs[j+1]); ok && prev == s.id && end >= pageSize && end <= s.size {
				known = end
			}
		}
		start := int64(pageSize)
		if s.id == from.seg {
			start = from.off
			if s.closed {
				known = s.end
			}
		} else if known > start && k == nil && c.useSeal(f, s, known) {
			continue
		}
		if err := c.scan(ctx, f, s, start, known); err != nil {
			return fmt.Errorf("scan segment %s: %w", s, err)
		}
	}
	next := uint64(0)
	if k != nil {
		next = k.next
	}
	for _, x := range f.puts {
		next = max(next, x.to)
	}
	f.endLane(next)
	if n := len(l.segs); n > 0 {
		l.spilled = pos{l.segs[n-1].id, l.segs[n-1].end}
		if l.cur == (pos{}) {
			l.cur = pos{l.segs[0].id, pageSize}
		}
	}
	return nil
}

// useSeal takes a sealed segment's index in place of reading it.
func (c *Channel) useSeal(f *found, s *segment, end int64) bool {
	r := s.reader()
	h, p, err := r.at(end, s.size)
	if err != nil || h.typ != frameSeal {
		return false
	}
	var x sealIndex
	if !x.decode(p) {
		return false
	}
	f.puts.addAll(x.puts)
	f.seals = append(f.seals, x)
	f.putBytes += x.bytes
	for _, p := range x.puts {
		s.addPutLocked(p.from, p.to, 0)
		f.lastSeq = p.to
	}
	s.putBytes, s.end, s.sealed, s.closed = x.bytes, end, true, true
	return true
}

// settle works out what is queued, and which segments go on being written.
func (c *Channel) settle(k *checkpoint, f *found) {
	clean := k != nil && k.clean && f.frames+f.framesOfAck == 0
	var candidates spans
	before := uint64(0)
	if k != nil {
		before = k.next
		c.done, c.bytes = k.done, k.bytes
		candidates = k.pending
		c.segSize = max(c.segSize, min(k.segSize, c.set.segmentSize()))
	}
	c.next = before
	for _, x := range f.puts {
		c.next = max(c.next, x.to)
	}
	candidates.add(before, c.next)
	for _, x := range f.seals {
		c.done.add(0, x.done.floor)
		c.done.addAll(x.done.above)
	}
	if k == nil { // what was acknowledged before may be in files that are gone
		candidates = nil
		candidates.add(0, c.next)
	}
	c.done.addAll(f.acks)
	var holes spans
	for _, x := range candidates {
		holes.addAll(f.puts.without(x.from, x.to))
	}
	var lost spans
	for _, x := range holes {
		lost.addAll(c.done.without(x.from, x.to))
	}
	n := f.lost(lost)
	c.done.addAll(holes)
	c.bytes = max(0, c.bytes+f.putBytes-f.ackBytes)
	total := f.puts.count()
	c.size = int(c.done.open(c.next))
	if k == nil && total > 0 {
		c.bytes = int64(float64(f.putBytes) * float64(c.size) / float64(total))
	}
	if !clean && (k != nil || total > 0) {
		c.done.add(c.next, c.next+seqGap)
		c.next += seqGap
	}
	c.room.used, c.room.usedBytes = c.size, c.bytes
	c.m.tornTails.Add(f.tornTails)
	if f.tornTails > 0 {
		c.env.Log.Info("Writes that a crash cut short were dropped; nobody had been told that they were done", "count", f.tornTails)
	}
	if n > 0 {
		c.m.lost.Add(n)
		c.env.Log.Error("Events were lost in a damaged log file", "events", n)
	}
	for i, l := range c.lanes {
		for j, s := range l.segs {
			last := j == len(l.segs)-1
			resume := last && clean && l.home != nil && !s.closed && i < len(k.lanes) && s.end < s.size
			if resume {
				l.active, l.off, l.synced, l.ordinal = s, s.end, s.end, k.lanes[i].ordinal
			}
			s.closed = s.closed || !resume
		}
	}
}

// rewriteTails writes what was found behind the last promise once more and syncs it, before anybody is given it: after a
// sync that failed in an earlier life the page cache may hold what the disk does not.
func (c *Channel) rewriteTails(tails []tail) error {
	for _, t := range tails {
		for off := t.from; off < t.to; {
			b := make([]byte, min(window, t.to-off))
			if n, err := t.seg.file.ReadAt(b, off); n < len(b) {
				return fmt.Errorf("read tail of segment %s: %w", t.seg, err)
			}
			if _, err := t.seg.file.WriteAt(b, off); err != nil {
				return fmt.Errorf("rewrite tail of segment %s: %w", t.seg, err)
			}
			off += int64(len(b))
		}
		if err := t.seg.file.Datasync(); err != nil {
			return fmt.Errorf("sync tail of segment %s: %w", t.seg, err)
		}
	}
	return nil
}

// trimTails gives the room back that was reserved in segments that are not written any more.
func (c *Channel) trimTails() {
	for _, l := range c.lanes {
		for _, s := range l.segs {
			if s == l.active || s.poisoned || s.sealed || s.end >= s.size {
				continue
			}
			if err := s.file.Truncate(s.end); err != nil {
				c.env.Log.Warn("The unused part of a log file stays", "file", s.String(), "err", err)
				continue
			}
			s.size = s.end
		}
	}
}

// IsFlumeLog tells whether a file of that name holds events of Apache Flume's file channel.
func IsFlumeLog(name string) bool { return flumelog.IsLog(name) }
