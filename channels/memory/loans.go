package memory

import (
	"sort"

	"goflume/event"
)

// loans are the chunks that bodies lie in, in the order in which their events were put.
type loans struct{ ring[loan] }

// loan is a chunk that is held until all events of [first, end) were committed.
type loan struct {
	first, end uint64
	left       int // of them
	chunk      *event.Chunk
}

// take holds the chunks for n events from first on. As long as events come from one chunk they are one loan.
func (l *loans) take(first uint64, n int, chunks []*event.Chunk) {
	for _, c := range chunks {
		if l.n > 0 {
			if last := l.at(l.n - 1); last.chunk == c && last.left > 0 && last.end == first {
				last.end += uint64(n)
				last.left += n
				continue
			}
		}
		c.Hold()
		l.push(loan{first, first + uint64(n), n, c})
	}
}

// giveBack releases the chunks of which the last events are the n from first on, which were committed.
func (l *loans) giveBack(first uint64, n int) {
	end := first + uint64(n)
	for i := sort.Search(l.n, func(i int) bool { return l.at(i).end > first }); i < l.n && l.at(i).first < end; i++ {
		x := l.at(i)
		x.left -= int(min(end, x.end) - max(first, x.first))
		if x.left == 0 {
			x.chunk.Release()
		}
	}
	var ended [1]loan
	for l.n > 0 && l.at(0).left == 0 {
		l.pop(ended[:])
	}
}
