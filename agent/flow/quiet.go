package flow

import (
	"sync"
	"time"
)

// quiet keeps a message that could come with every batch down to one a minute. The zero quiet is ready for use.
type quiet struct {
	mu   sync.Mutex
	last time.Time
	more int // since last
}

// say calls f unless it was called within the last minute. more is the number of times it was not, since the last.
func (q *quiet) say(f func(more int)) {
	q.mu.Lock()
	now := time.Now()
	if !q.last.IsZero() && now.Sub(q.last) < time.Minute {
		q.more++
		q.mu.Unlock()
		return
	}
	more := q.more
	q.last, q.more = now, 0
	q.mu.Unlock()
	f(more)
}
