package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"

	"goflume/internal/vfs"
)

// On disk: a checkpoint file.
const (
	ckptMagic   = "GOFLUMEC"
	ckptHeader  = 24       // magic, version, length, checksum, zero
	ckptReserve = 64 << 10 // bytes a file is made with, so that a full disk can be checkpointed
	ckptMax     = 1 << 30

	// checkpointBytes is how much of the log a restart may have to read.
	checkpointBytes = 128 << 20
)

// checkpoint is all that the channel knows without reading its segments.
type checkpoint struct {
	gen     uint64
	uuid    [16]byte
	clean   bool // the channel was closed; nothing was written since
	next    uint64
	segID   uint64
	segSize int64
	bytes   int64
	done    doneSet
	pending spans // numbers given to events that were not on disk yet
	lanes   []ckptLane
	segs    []ckptSeg
}

type ckptLane struct {
	newest  uint64 // id of the lane's newest segment; 0: none
	scan    pos    // what was written before it is in the checkpoint
	ordinal uint32 // of the next frame there
	cur     pos    // of the oldest event that may have to be delivered
}

type ckptSeg struct {
	id          uint64
	lane        int
	flags       uint64
	end         int64
	first, last uint64
	bytes       int64
}

// On disk: flags of a segment in a checkpoint.
const (
	segClosed   = 1
	segPoisoned = 2
	segSealed   = 4
)

func (k *checkpoint) encode() []byte {
	le := binary.LittleEndian
	b := make([]byte, ckptHeader, ckptHeader+256+48*len(k.segs)+12*len(k.done.above))
	copy(b, ckptMagic)
	le.PutUint32(b[8:], version)
	u := func(vs ...uint64) {
		for _, v := range vs {
			b = binary.AppendUvarint(b, v)
		}
	}
	b = append(b, k.uuid[:]...)
	clean := uint64(0)
	if k.clean {
		clean = 1
	}
	u(k.gen, clean, k.next, k.segID, uint64(k.segSize), uint64(k.bytes), k.done.floor)
	b = k.done.above.append(b)
	b = k.pending.append(b)
	u(uint64(len(k.lanes)))
	for _, l := range k.lanes {
		u(l.newest, l.scan.seg, uint64(l.scan.off), uint64(l.ordinal), l.cur.seg, uint64(l.cur.off))
	}
	u(uint64(len(k.segs)))
	for _, s := range k.segs {
		u(s.id, uint64(s.lane), s.flags, uint64(s.end), s.first, s.last, uint64(s.bytes))
	}
	le.PutUint32(b[12:], uint32(len(b)-ckptHeader))
	le.PutUint32(b[16:], ckptCRC(b))
	return b
}

// ckptCRC is over everything but itself.
func ckptCRC(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:16], castagnoli), castagnoli, b[20:])
}

var errNoCheckpoint = errors.New("no checkpoint")

// maxLanes bounds what a checkpoint may say; a frame has 16 bits for its lane.
const maxLanes = 1 << 16

func (k *checkpoint) decode(b []byte) error {
	le := binary.LittleEndian
	if len(b) < ckptHeader || bytes.Count(b[:ckptHeader], []byte{0}) == ckptHeader {
		return errNoCheckpoint
	}
	if string(b[:8]) != ckptMagic {
		return fmt.Errorf("magic %q: %w", b[:8], errNoCheckpoint)
	}
	n := int64(le.Uint32(b[12:]))
	if n+ckptHeader > int64(len(b)) {
		return fmt.Errorf("%d bytes of %d: %w", len(b), n+ckptHeader, errNoCheckpoint)
	}
	if b = b[:ckptHeader+n]; le.Uint32(b[16:]) != ckptCRC(b) {
		return fmt.Errorf("wrong checksum: %w", errNoCheckpoint)
	}
	if v := le.Uint32(b[8:]); v != version {
		return fmt.Errorf("checkpoint of format version %d, this program knows %d", v, version)
	}
	d := decoder{b: b[ckptHeader:]}
	copy(k.uuid[:], d.bytes(16))
	k.gen, k.clean, k.next, k.segID = d.uvarint(), d.uvarint() == 1, d.uvarint(), d.uvarint()
	k.segSize, k.bytes, k.done.floor = int64(d.uvarint()), int64(d.uvarint()), d.uvarint()
	k.done.above = d.spans()
	k.pending = d.spans()
	n1 := d.uvarint()
	if n1 > maxLanes || n1 > uint64(len(d.b)) {
		return fmt.Errorf("%d lanes: %w", n1, errNoCheckpoint)
	}
	for range n1 {
		k.lanes = append(k.lanes, ckptLane{
			newest: d.uvarint(), scan: pos{d.uvarint(), int64(d.uvarint())}, ordinal: uint32(d.uvarint()),
			cur: pos{d.uvarint(), int64(d.uvarint())},
		})
	}
	n2 := d.uvarint()
	if n2 > uint64(len(d.b)) {
		return fmt.Errorf("%d segments: %w", n2, errNoCheckpoint)
	}
	for range n2 {
		s := ckptSeg{id: d.uvarint(), lane: int(d.uvarint()), flags: d.uvarint(), end: int64(d.uvarint()),
			first: d.uvarint(), last: d.uvarint(), bytes: int64(d.uvarint())}
		if s.lane < 0 || s.lane >= len(k.lanes) || s.end < pageSize {
			d.bad = true
		}
		k.segs = append(k.segs, s)
	}
	if d.bad || len(d.b) != 0 {
		return fmt.Errorf("contents: %w", errNoCheckpoint)
	}
	return nil
}

// slot is one checkpoint file. The two of a directory are written in turn, over what they hold: a checkpoint that is cut
// short leaves the other one.
type slot struct {
	dir  string
	n    int
	gen  uint64 // of what is known to be in it; 0: nothing
	raw  []byte // what read found; until confirm
	file vfs.File
}

func (s *slot) name() string { return filepath.Join(s.dir, fmt.Sprintf("ckpt-%d.fqc", s.n)) }

// read opens the file and returns its checkpoint. errNoCheckpoint: there is none. Another error is not to be passed over.
func (s *slot) read(fsys vfs.FS) (*checkpoint, error) {
	b, err := vfs.ReadFile(fsys, s.name(), ckptMax)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoCheckpoint
	}
	if err != nil {
		return nil, err
	}
	k := &checkpoint{}
	if err := k.decode(b); err == errNoCheckpoint { //nolint:errorlint // an empty file
		return nil, err
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name(), err)
	}
	s.gen, s.raw = k.gen, b
	return k, nil
}

// confirm writes what was read once more: a process that was killed may have left it in the page cache only.
func (s *slot) confirm(fsys vfs.FS) error {
	if err := s.ready(fsys); err != nil || s.raw == nil {
		return err
	}
	raw := s.raw
	s.raw = nil
	return s.write(fsys, raw)
}

func (s *slot) write(fsys vfs.FS, b []byte) error {
	if err := s.ready(fsys); err != nil {
		return err
	}
	_, err := s.file.WriteAt(b, 0)
	if isFullDisk(err) {
		return err // the file has no room for so much; it keeps what it has
	}
	if err == nil {
		err = s.file.Datasync()
	}
	if err != nil {
		s.file.Close()
		s.file = nil
		// What the pages of this file hold is unknown: the next try is made in a new one.
		if e := fsys.Rename(s.name(), s.name()+".bad"); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// ready opens the file, or makes it with room for checkpoints to come.
func (s *slot) ready(fsys vfs.FS) error {
	if s.file != nil {
		return nil
	}
	f, err := fsys.Open(s.name())
	if errors.Is(err, fs.ErrNotExist) {
		if f, err = fsys.Create(s.name()); err == nil {
			if _, err = f.WriteAt(zeros[:ckptReserve], 0); err == nil {
				if err = f.Datasync(); err == nil {
					err = fsys.SyncDir(s.dir)
				}
			}
			if err != nil {
				f.Close()
				return errors.Join(err, fsys.Remove(s.name()))
			}
		}
	}
	if err == nil {
		s.file = f
	}
	return err
}

// checkpoint writes one. With acks it makes these acknowledgements durable and publishes them.
func (c *Channel) checkpoint(acks []*commit, clean bool) error {
	c.ckptMu.Lock()
	defer c.ckptMu.Unlock()
	c.mu.Lock()
	k, drop := c.snapshotLocked(acks)
	k.clean = clean
	c.logged, c.changed = 0, false
	c.mu.Unlock()
	err := error(nil)
	if !c.set.FsyncPerTransaction {
		err = c.syncLanes()
	}
	if err == nil {
		err = c.writeCheckpoint(k)
	}
	c.mu.Lock()
	if err != nil {
		c.changed = true
		c.mu.Unlock()
		c.m.checkpointErrors.Add(1)
		return fmt.Errorf("write checkpoint: %w", err)
	}
	for _, cm := range acks {
		c.ackedLocked(cm)
	}
	wakeLocked(acks)
	c.dropLocked(drop, k.gen)
	free := c.freeableLocked()
	c.mu.Unlock()
	for _, s := range free {
		c.reuse(s)
	}
	return nil
}

// writeCheckpoint writes k to the older file of checkpointDir, and then to that of the backup.
func (c *Channel) writeCheckpoint(k *checkpoint) error {
	k.gen = c.gen + 1
	b := k.encode()
	for i := 0; i < len(c.slots); i += 2 {
		s := c.slots[i]
		if c.slots[i+1].gen < s.gen {
			s = c.slots[i+1]
		}
		err := s.write(c.fs, b)
		if err == nil {
			s.gen = k.gen
			continue
		}
		if i == 0 {
			return err
		}
		c.m.backupErrors.Add(1)
		c.env.Log.Warn("The copy of the checkpoint could not be written", "dir", s.dir, "err", err)
	}
	c.gen = k.gen
	return nil
}

// snapshotLocked describes the channel as if acks had taken effect, without the segments that nobody needs any more,
// which it returns.
func (c *Channel) snapshotLocked(acks []*commit) (*checkpoint, []*segment) {
	k := &checkpoint{
		uuid: c.uuid, next: c.next, segID: c.segID, segSize: c.segSize, bytes: c.bytes, done: c.done.clone(),
	}
	for _, cm := range acks {
		k.done.addAll(cm.acked)
		k.bytes -= cm.bytes
	}
	var drop []*segment
	for _, l := range c.lanes {
		cl := ckptLane{cur: c.oldestLocked(l)}
		for _, cms := range [][]*commit{l.pending, l.flying} {
			for _, cm := range cms {
				if !cm.finished {
					k.pending.add(cm.seq, cm.seq+uint64(cm.count))
				}
			}
		}
		for i, s := range l.segs {
			last := i == len(l.segs)-1
			if last {
				cl.newest, cl.scan, cl.ordinal = s.id, pos{s.id, s.end}, l.ordinal
			}
			if !last && s.closed && s.id < cl.cur.seg && k.done.covers(s.first, s.last) {
				drop = append(drop, s)
				continue
			}
			k.segs = append(k.segs, s.describeLocked())
		}
		k.lanes = append(k.lanes, cl)
	}
	return k, drop
}

func (s *segment) describeLocked() ckptSeg {
	d := ckptSeg{id: s.id, lane: s.lane, end: s.end, first: s.first, last: s.last, bytes: s.putBytes}
	for _, f := range []struct {
		on   bool
		flag uint64
	}{{s.closed, segClosed}, {s.poisoned, segPoisoned}, {s.sealed, segSealed}} {
		if f.on {
			d.flags |= f.flag
		}
	}
	return d
}

// oldestLocked returns the place of the oldest of the lane's frames that may hold an event to deliver. Where all events
// are read that is not the cursor, which does not pass over acknowledgements alone.
func (c *Channel) oldestLocked(l *lane) pos {
	p := l.cur
	if n := len(l.segs); n > 0 && !c.unreadLocked(l) {
		p = pos{l.segs[n-1].id, l.segs[n-1].end}
	}
	look := func(ps []piece) {
		for i := range ps {
			if ps[i].lane == l && ps[i].at.before(p) {
				p = ps[i].at
			}
		}
	}
	look(l.heads)
	look(c.again)
	for tx := range c.open {
		look(tx.pieces)
	}
	return p
}

// dropLocked takes segments out of their lanes that checkpoint gen does not know any more.
func (c *Channel) dropLocked(drop []*segment, gen uint64) {
	for _, s := range drop {
		l := c.lanes[s.lane]
		for i := range l.segs {
			if l.segs[i] == s {
				l.segs = append(l.segs[:i:i], l.segs[i+1:]...)
				break
			}
		}
		s.dropped = gen
		c.dropped = append(c.dropped, s)
	}
}

// freeableLocked returns the dropped segments that neither of the two checkpoints knows and nobody writes to.
func (c *Channel) freeableLocked() []*segment {
	older := min(c.slots[0].gen, c.slots[1].gen)
	var free, keep []*segment
	for _, s := range c.dropped {
		if s.dropped <= older && !s.sealing {
			free = append(free, s)
		} else {
			keep = append(keep, s)
		}
	}
	c.dropped = keep
	return free
}

// reuse puts the file of a segment that nobody needs any more among the free ones, or removes it.
func (c *Channel) reuse(s *segment) {
	c.mu.Lock()
	keep := !s.dir.cow && !s.poisoned && s.size >= c.leastLocked() && len(s.dir.free) < 2*lanesPerDir
	if keep {
		s.dir.free = append(s.dir.free, s)
	}
	c.mu.Unlock()
	if !keep {
		c.discard(s)
	}
}
