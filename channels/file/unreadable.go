package file

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"goflume/internal/vfs"
)

// A place of a file that the disk cannot read is damaged like one where it gives back other bytes. But a disk that is gone
// for a while cannot read anything: a running channel gives a place up only when it could not be read for some time and
// what lies behind it can.

// unreadableFor is how long a running channel tries to read a place.
const unreadableFor = time.Minute

// unreadable tells whether a read failed because of what is on the disk.
func unreadable(err error) bool {
	return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EBADMSG)
}

// cannotRead says what may be done where a read failed.
func cannotRead(err error) error {
	if !unreadable(err) {
		return err
	}
	return errors.Join(err, damaged("part of a file cannot be read: where the disk does not come back, `agent channel repair` gives up what was there"))
}

// readAround reads b at off, page by page; a page that cannot be read is zeros. It returns the bytes that the file has.
func readAround(f vfs.File, b []byte, off int64) int {
	for at := 0; at < len(b); {
		n := min(pageSize-int((off+int64(at))%pageSize), len(b)-at)
		m, err := f.ReadAt(b[at:at+n], off+int64(at))
		switch {
		case m == n:
		case errors.Is(err, io.EOF):
			return at + m
		default:
			clear(b[at+m : at+n])
		}
		at += n
	}
	return len(b)
}

// stuck is a place that cannot be read.
type stuck struct {
	at    pos
	since time.Time
}

// unreadable decides about a frame that could not be read: errBad if it is given up as damaged, or else why it is not.
func (c *Channel) unreadable(l *lane, seg *segment, off, limit int64, why error) error {
	at := pos{seg.id, off}
	if l.stuck.at != at {
		l.stuck = stuck{at, time.Now()}
	}
	why = fmt.Errorf("read segment %s at %d: %w", seg, off, why)
	if c.set.OnCorruption == "halt" || time.Since(l.stuck.since) < unreadableFor {
		return cannotRead(why)
	}
	r := seg.reader()
	r.lenient = true
	_, found, err := r.find(off, limit)
	if err != nil || !found {
		return cannotRead(why)
	}
	l.reader = r
	return fmt.Errorf("%w: %w", errBad, why)
}

// giveUpFile sets a segment aside of which not even the header can be read.
func (c *Channel) giveUpFile(s *segment, err error) {
	c.env.Log.Error("The header of a log file cannot be read; the file is given up", "file", s.String(), "err", err)
	if c.readOnly {
		s.file.Close()
		return
	}
	c.setAside(s)
}

// note is what the second file of a quarantined span tells. A later life of the channel goes by it and does not read the
// place again.
type note struct {
	UUID    string `json:"uuid"` // of the channel
	Channel string `json:"channel"`
	File    string `json:"file"`
	Segment uint64 `json:"segment"`
	From    int64  `json:"from"`
	To      int64  `json:"to"`
	Reason  string `json:"reason"`
	Time    string `json:"time"`
}

// readNotes learns which spans earlier lives have set aside. What is no note of this channel is passed over.
func (c *Channel) readNotes() {
	uuid := fmt.Sprintf("%x", c.uuid)
	for _, d := range c.dirs {
		dir := filepath.Join(d.path, quarantineDir)
		names, err := c.fs.List(dir)
		if err != nil {
			continue // there is none
		}
		for _, name := range names {
			if !strings.HasSuffix(name, ".json") {
				continue
			}
			var n note
			b, err := vfs.ReadFile(c.fs, filepath.Join(dir, name), 1<<16)
			if err != nil || json.Unmarshal(b, &n) != nil || n.UUID != uuid || n.From < pageSize || n.To <= n.From {
				continue
			}
			if c.damaged == nil {
				c.damaged = map[pos]int64{}
			}
			c.damaged[pos{n.Segment, n.From}] = n.To
		}
	}
}
