package file

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"goflume/channels"
	"goflume/internal/vfs"
)

// ErrCorrupt is what Take and Open say where the disk gives back other bytes than were written and onCorruption is halt.
var ErrCorrupt error = damaged("corrupt data")

// damaged is the text of an error that is channels.ErrDamaged.
type damaged string

func (d damaged) Error() string { return string(d) }

// Is tells the agent.
func (d damaged) Is(target error) bool { return target == channels.ErrDamaged }

const quarantineDir = "quarantine"

// lossWatch finds out which events a damaged span held: those whose numbers no lane has any more.
type lossWatch struct {
	on   bool
	upTo uint64 // numbers below are looked at
}

// skipDamage sets the damaged bytes at off aside and returns where the next frame is. limit is the end of what was
// promised.
func (c *Channel) skipDamage(seg *segment, r *frameReader, off, limit int64) (int64, error) {
	if next := c.damaged[pos{seg.id, off}]; next > 0 {
		return next, nil // seen when the channel was opened
	}
	next, ok, err := r.find(off, limit)
	if err != nil {
		return 0, err
	}
	if !ok {
		next = limit
	}
	if c.set.OnCorruption == "halt" {
		return 0, fmt.Errorf("segment %s at %d: %d bytes: %w; see `agent channel fsck`, or set onCorruption = quarantine", seg, off, next-off, ErrCorrupt)
	}
	if c.damaged == nil {
		c.damaged = map[pos]int64{}
	}
	c.damaged[pos{seg.id, off}] = next
	c.m.quarantined.Add(1)
	kept := ""
	if !c.readOnly {
		kept = c.quarantine(seg, off, next)
	}
	c.env.Log.Error("A log file is damaged; delivery goes on behind the damage",
		"file", seg.String(), "from", off, "to", next, "copy", kept)
	return next, nil
}

// quarantine copies a span of a segment and tells why in a second file. The damage is passed over also where this does
// not succeed: the segment keeps it as long as it is not reused.
func (c *Channel) quarantine(seg *segment, from, to int64) string {
	dir := filepath.Join(seg.dir.path, quarantineDir)
	name := filepath.Join(dir, fmt.Sprintf("seg-%d-%d", seg.id, from))
	err := c.fs.MkdirAll(dir)
	if err == nil {
		err = c.copySpan(seg, from, to, name+".bin")
	}
	if err == nil {
		why, _ := json.Marshal(note{
			UUID: hex.EncodeToString(c.uuid[:]), Channel: c.env.Name, File: seg.String(), Segment: seg.id, From: from, To: to,
			Reason: "no valid frame in a part that was on stable storage", Time: c.now().UTC().Format(time.RFC3339),
		})
		err = c.writeNew(name+".json", append(why, '\n'))
	}
	if err == nil {
		err = c.fs.SyncDir(dir)
	}
	if err != nil {
		c.env.Log.Error("The damaged span could not be copied", "file", name, "err", err)
		return ""
	}
	return name + ".bin"
}

// copySpan copies what can be read of a span; a place that cannot be is a hole in the copy.
func (c *Channel) copySpan(seg *segment, from, to int64, name string) error {
	return c.writeFile(name, func(f vfs.File) error {
		b := make([]byte, min(window, to-from))
		for off := from; off < to; off += int64(len(b)) {
			n := readAround(seg.file, b[:min(int64(len(b)), to-off)], off)
			if _, err := f.WriteAt(b[:n], off-from); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeNew makes a small file.
func (c *Channel) writeNew(name string, b []byte) error {
	return c.writeFile(name, func(f vfs.File) error { _, err := f.WriteAt(b, 0); return err })
}

// writeFile makes a file, or writes over the one of an earlier try.
func (c *Channel) writeFile(name string, write func(vfs.File) error) error {
	f, err := c.fs.Create(name)
	if errors.Is(err, fs.ErrExist) {
		f, err = c.fs.Open(name)
	}
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Datasync()
	}
	return errors.Join(err, f.Close())
}

// watchLoss has the numbers that are missing now found by sweepLocked.
func (c *Channel) watchLoss() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = lossWatch{on: true, upTo: c.next}
}

// sweepLocked counts the events that no lane has: numbers below everything that is still to be read, and neither done nor
// in a transaction. Every lane's heads are filled.
func (c *Channel) sweepLocked() {
	if !c.lost.on {
		return
	}
	low := c.next
	for _, l := range c.lanes {
		if len(l.heads) > 0 {
			low = min(low, l.heads[0].seq)
			continue
		}
		if c.unreadLocked(l) {
			return
		}
		for _, cm := range append(l.pending[:len(l.pending):len(l.pending)], l.flying...) {
			if cm.count > 0 && !cm.finished {
				low = min(low, cm.seq)
			}
		}
	}
	var here spans
	for tx := range c.open {
		for i := range tx.pieces {
			here.add(tx.pieces[i].seq, tx.pieces[i].end())
		}
	}
	for i := range c.again {
		here.add(c.again[i].seq, c.again[i].end())
	}
	var n int
	for _, s := range c.done.without(0, min(low, c.lost.upTo)) {
		for _, g := range here.without(s.from, s.to) {
			n += int(g.to - g.from)
			c.done.add(g.from, g.to)
		}
	}
	if low >= c.lost.upTo {
		c.lost.on = false
	}
	if n > 0 {
		c.loseLocked(n)
	}
}

// loseLocked gives the room of n lost events back; of their bodies only the mean size is known.
func (c *Channel) loseLocked(n int) {
	var bytes int64
	if c.size > 0 {
		bytes = c.bytes / int64(c.size) * int64(n)
	}
	if c.size -= n; c.size == 0 {
		bytes = c.bytes
	}
	c.bytes -= bytes
	c.changed = true
	c.releaseLocked(n, bytes)
	c.m.lost.Add(n)
	c.env.Log.Error("Events were lost in a damaged log file", "events", n)
}
