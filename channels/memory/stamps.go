package memory

import (
	"slices"
	"time"
)

const (
	// sampling is how many events share a look at the clock, which costs as much as handing over a small batch.
	sampling = 256
	// calmly is how many puts that end the wait of a taker share one: where little flows, 256 events take long.
	calmly = 4
	// maxStamps bounds what is kept and looked through.
	maxStamps = 64
)

// stamp says when the event of a sequence was put, since the channel began.
type stamp struct {
	sequence uint64
	at       time.Duration
}

// stamps are some of those of the events that are not committed, by sequence. When there would be too many, every other one
// goes and the next ones are further apart, until few are left.
type stamps struct {
	next uint64 // behind the sequence of the first; 0: there is none
	list []stamp
	gap  uint64 // least distance of two
}

// add notes when the event was put, which is younger than all that have a stamp.
func (s *stamps) add(sequence uint64, at time.Duration) {
	n := len(s.list)
	switch {
	case n < maxStamps/8:
		s.gap = 0
	case sequence-s.list[n-1].sequence < s.gap:
		return
	case n == maxStamps:
		for i := range n / 2 {
			s.list[i] = s.list[2*i]
		}
		s.list = s.list[:n/2]
		s.gap = 2 * (sequence - s.list[0].sequence) / maxStamps
	}
	s.list = append(s.list, stamp{sequence, at})
	s.next = s.list[0].sequence + 1
}

// before tells whether there is a stamp of an event before end.
func (s *stamps) before(end uint64) bool { return s.next-1 < end } // 0-1 is before nothing

// of returns when the first of the n events from first on that has a stamp was put, 0 if none has.
func (s *stamps) of(first uint64, n int) time.Duration {
	for _, x := range s.list {
		if x.sequence >= first {
			if x.sequence < first+uint64(n) {
				return x.at
			}
			break
		}
	}
	return 0
}

// drop forgets the stamps of the n events from first on.
func (s *stamps) drop(first uint64, n int) {
	from := 0
	for from < len(s.list) && s.list[from].sequence < first {
		from++
	}
	to := from
	for to < len(s.list) && s.list[to].sequence < first+uint64(n) {
		to++
	}
	if to > from {
		s.list = slices.Delete(s.list, from, to)
	}
	if s.next = 0; len(s.list) > 0 {
		s.next = s.list[0].sequence + 1
	}
}

// oldest returns the age of the oldest event that has a stamp. Where events are queued and none has one, their age counts
// from now.
func (c *Channel) oldest() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Since(c.began)
	switch {
	case len(c.stamps.list) > 0:
	case len(c.back) > 0:
		c.stamps.add(c.back[0].first, now)
	case c.ring.n > 0:
		c.stamps.add(c.first, now)
	default:
		return 0
	}
	return now - c.stamps.list[0].at
}
