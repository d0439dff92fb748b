package kafka

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"time"
)

// A broker answers a member that joins only when all members have joined, which may take as long as the slowest one, or as a
// dead one's session. Sarama gives up on any answer after one time-out and then begins the membership anew, which disturbs the
// others again. Here the wait for that answer goes on for as long as the broker is alive, which another connection tells.

const (
	joinGroupKey = 11
	syncGroupKey = 14
)

// groupWait is a connection's request to join or to get its share of the partitions, while it has no answer.
type groupWait struct {
	mu      sync.Mutex
	pending bool
	id      uint32 // correlation id

	// Of the reading goroutine: where it is in the stream of answers.
	head [8]byte // length and correlation id
	have int
	skip int // bytes to the end of the answer
}

// wrote notes a request that goes out.
func (w *groupWait) wrote(p []byte) {
	if len(p) < 12 {
		return
	}
	if key := binary.BigEndian.Uint16(p[4:]); key != joinGroupKey && key != syncGroupKey {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending, w.id = true, binary.BigEndian.Uint32(p[8:])
}

// read follows the answers that come in.
func (w *groupWait) read(p []byte) {
	for len(p) > 0 {
		if w.skip > 0 {
			n := min(w.skip, len(p))
			w.skip -= n
			p = p[n:]
			continue
		}
		n := copy(w.head[w.have:], p)
		p = p[n:]
		if w.have += n; w.have < len(w.head) {
			return
		}
		w.have = 0
		w.skip = max(int(binary.BigEndian.Uint32(w.head[:]))-4, 0)
		w.answered(binary.BigEndian.Uint32(w.head[4:]))
	}
}

func (w *groupWait) answered(id uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pending && w.id == id {
		w.pending = false
	}
}

func (w *groupWait) waits() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pending
}

// groupWaits tells whether one of the connections waits for the group.
func (d *dialer) groupWaits() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.conns {
		if c.group.waits() {
			return true
		}
	}
	return false
}

// Read reads on after a time-out while the group waits and the broker is alive.
func (c *dialed) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if c.from.alive == nil {
			return n, err
		}
		c.group.read(p[:n])
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !c.group.waits() || !c.from.alive(c.addr) {
			return n, err
		}
		if err := c.SetReadDeadline(time.Now().Add(c.from.wait)); err != nil {
			return 0, err
		}
	}
}
