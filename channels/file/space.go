package file

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"goflume/event"
)

// spaceReport is what the file system of a directory said when it was last asked.
type spaceReport struct {
	free   int64
	at     time.Time
	asking bool // somebody asks now
}

const spaceAge = time.Second

// look asks how much room there is unless that is known, not older than age. No lock is held and only one asks: a disk
// that does not answer holds up one put, and not the others, which go by what is known.
func (c *Channel) look(d *dataDir, age time.Duration) {
	c.mu.Lock()
	t := c.now()
	if old := t.Sub(d.space.at); d.space.asking || old >= 0 && old < age {
		c.mu.Unlock()
		return
	}
	d.space.asking = true
	c.mu.Unlock()
	sp, err := c.fs.Space(d.path)
	if err != nil {
		sp.Free = 1 << 62 // where nobody can tell, writing will
	}
	c.mu.Lock()
	d.space = spaceReport{free: sp.Free, at: t}
	c.mu.Unlock()
}

// checkSpace refuses puts while every data directory is short of room.
func (c *Channel) checkSpace() error {
	var most int64
	for _, d := range c.dirs {
		c.look(d, spaceAge)
		c.mu.Lock()
		free := d.space.free
		c.mu.Unlock()
		if free >= c.set.MinimumRequiredSpace {
			return nil
		}
		most = max(most, free)
	}
	return c.exhausted(most)
}

func (c *Channel) exhausted(free int64) error {
	return &event.Refused{Kind: event.ErrFull, Text: fmt.Sprintf(
		"Usable space exhausted, only %d bytes remaining, required %d bytes", free, c.set.MinimumRequiredSpace)}
}

// errNoSpace is what making a segment says where the room is needed for other things.
var errNoSpace = errors.New("not enough room for another segment")

func isFullDisk(err error) bool {
	return errors.Is(err, errNoSpace) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// leastSegment is the smallest file that is worth making where the disk is nearly full.
const leastSegment = 1 << 20

// affordable returns the size of the next segment in d, smaller than want where the disk is nearly full.
func (c *Channel) affordable(d *dataDir, want int64) (int64, error) {
	c.look(d, 0)
	c.mu.Lock()
	defer c.mu.Unlock()
	least := min(want, leastSegment)
	if spare := d.space.free - c.set.MinimumRequiredSpace; spare < want {
		want = spare &^ (pageSize - 1)
	}
	if want < least {
		return 0, fmt.Errorf("%s: %w: %d bytes free", d.path, errNoSpace, d.space.free)
	}
	return want, nil
}
