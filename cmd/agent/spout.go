package main

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// spoutRoom is how many bytes wait for a reader that is slow.
	spoutRoom = 1 << 20
	// spoutPatience is how long a line is waited for before its reader counts as gone.
	spoutPatience = 2 * time.Second
)

var errNobodyReads = errors.New("nobody reads the log")

// spout writes to a pipe or file that may not take anything for a while, or never again: a log that nobody reads keeps
// neither the flow nor the end waiting. A line that is not taken in time stays behind, and so do the next ones as long as
// there is room, to be read later; what finds no room is left out and counted, and said once somebody reads again.
type spout struct {
	out io.Writer

	mu      sync.Mutex
	changed *sync.Cond
	buf     []byte // to be written
	in      int64  // bytes that came
	gone    int64  // of them, written or failed
	busy    bool   // a goroutine writes
	stuck   bool   // the reader has let a line wait in vain and has taken nothing since
	lost    int    // lines left out, to be said
	broken  error  // of the last write
}

func newSpout(out io.Writer) *spout {
	s := &spout{out: out}
	s.changed = sync.NewCond(&s.mu)
	return s
}

// Write writes lines. An error says that they were not written, or not yet.
func (s *spout) Write(lines []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.buf) > 0 && len(s.buf)+len(lines) > spoutRoom {
		s.lost++
		return 0, errNobodyReads
	}
	s.buf = append(s.buf, lines...)
	s.in += int64(len(lines))
	end := s.in
	if !s.busy {
		s.busy = true
		go s.drain()
	}
	if !s.wait(func() bool { return s.gone >= end }) {
		return 0, errNobodyReads
	}
	if s.broken != nil {
		return 0, s.broken
	}
	return len(lines), nil
}

// wait waits for ok, unless the reader is known to be gone.
func (s *spout) wait(ok func() bool) bool {
	if s.stuck {
		return false
	}
	late := false
	timer := time.AfterFunc(spoutPatience, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		late = true
		s.changed.Broadcast()
	})
	defer timer.Stop()
	for !ok() && !late && !s.stuck {
		s.changed.Wait()
	}
	if !ok() {
		s.stuck = true
	}
	return ok()
}

// drain writes what there is and ends.
func (s *spout) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var spare []byte
	for len(s.buf) > 0 {
		b := s.buf
		s.buf = spare[:0]
		s.mu.Unlock()
		_, err := s.out.Write(b)
		s.mu.Lock()
		s.gone += int64(len(b))
		s.stuck, s.broken, spare = false, err, b
		if err == nil && s.lost > 0 {
			said := fmt.Sprintf("%d lines of the log are left out here: nobody read it\n", s.lost)
			s.buf, s.in, s.lost = append(s.buf, said...), s.in+int64(len(said)), 0
		}
		s.changed.Broadcast()
	}
	s.busy = false
	s.changed.Broadcast()
}

// flush waits for a moment until all is written.
func (s *spout) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait(func() bool { return !s.busy })
}
