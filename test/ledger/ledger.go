// Package ledger feeds numbered lines to a line source, remembers which were acknowledged and judges what came out at
// the other end: nothing acknowledged may be missing.
//
// A line is the client's number, the line's number and a filler that both determine, all of fixed width, so that a
// line that was torn or changed on its way is told from one that was not sent.
package ledger

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// A Ledger keeps account of the lines of several clients. It is safe for concurrent use.
type Ledger struct {
	width int // of a line, with its newline
	lines int // per client

	mu      sync.Mutex
	clients []client
	torn    int // lines that are not ours, or not whole
	strange []string
	cut     [][]byte // of torn: those without a newline, at the end of a file, as long as a line of ours or shorter
}

// client is the account of one.
type client struct {
	acked   []bool
	arrived []uint16 // how often, by number
	total   int      // acknowledged
	refused int      // answers other than OK
	broken  int      // connections that ended with lines unanswered
	last    int      // highest number that arrived
	behind  int      // lines that arrived first after a higher one
}

// minWidth holds both numbers, blanks and the newline.
const minWidth = 2 + 1 + 9 + 1 + 1

// New returns a ledger for so many clients with so many lines each, every one width bytes long with its newline.
func New(clients, lines, width int) *Ledger {
	if width < minWidth || clients > 99 || lines > 999_999_999 {
		panic("ledger: lines too short or too many")
	}
	l := &Ledger{width: width, lines: lines, clients: make([]client, clients)}
	for i := range l.clients {
		l.clients[i] = client{acked: make([]bool, lines), arrived: make([]uint16, lines), last: -1}
	}
	return l
}

// AppendLine appends line n of a client with its newline.
func (l *Ledger) AppendLine(dst []byte, client, n int) []byte {
	start := len(dst)
	dst = fmt.Appendf(dst, "%02d %09d ", client, n)
	filler := byte(client*31 + n)
	for len(dst) < start+l.width-1 {
		dst = append(dst, 'a'+filler%26)
		filler++
	}
	return append(dst, '\n')
}

// parse returns whose line it is; ok is false for one that is not exactly as AppendLine made it.
func (l *Ledger) parse(line, scratch []byte) (client, n int, ok bool) {
	if len(line) != l.width-1 {
		return 0, 0, false
	}
	client, err1 := strconv.Atoi(string(line[:2]))
	n, err2 := strconv.Atoi(string(line[3:12]))
	if err1 != nil || err2 != nil || client < 0 || client >= len(l.clients) || n < 0 || n >= l.lines {
		return 0, 0, false
	}
	want := l.AppendLine(scratch[:0], client, n)
	return client, n, bytes.Equal(line, want[:len(want)-1])
}

// Arrived takes note of all lines of r, one file or message after the other in the order in which they were written.
func (l *Ledger) Arrived(r io.Reader) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	in := bufio.NewReaderSize(r, 1<<20)
	scratch := make([]byte, 0, l.width)
	for {
		line, err := in.ReadSlice('\n')
		whole := err == nil
		if whole {
			line = line[:len(line)-1]
		}
		if len(line) > 0 || whole {
			l.noteLocked(line, scratch, whole)
		}
		switch err {
		case nil, bufio.ErrBufferFull:
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}

// ArrivedFiles takes note of all lines of the files that match the pattern of path/filepath, in the order of their names,
// and returns how many files there were.
func (l *Ledger) ArrivedFiles(pattern string) (int, error) {
	names, err := filepath.Glob(pattern)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return 0, err
		}
		err = l.Arrived(f)
		f.Close()
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
	}
	return len(names), nil
}

func (l *Ledger) noteLocked(line, scratch []byte, whole bool) {
	who, n, ok := l.parse(line, scratch)
	if !ok || !whole {
		if l.torn++; len(l.strange) < few {
			l.strange = append(l.strange, fmt.Sprintf("%d bytes %.60q", len(line), line))
		}
		if !whole && len(line) < l.width {
			l.cut = append(l.cut, bytes.Clone(line))
		}
		return
	}
	c := &l.clients[who]
	if c.arrived[n] == 0 {
		if n < c.last {
			c.behind++
		}
		c.last = max(c.last, n)
	}
	if c.arrived[n] < 1<<16-1 {
		c.arrived[n]++
	}
}

// Acknowledge takes note that a client's lines from first up to, but not with, end were acknowledged, by whatever counts as
// that: a line appended to a file that is followed, a file put into a directory.
func (l *Ledger) Acknowledge(client, first, end int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &l.clients[client]
	for n := first; n < end; n++ {
		if !c.acked[n] {
			c.acked[n] = true
			c.total++
		}
	}
}

// Forget takes back all that arrived, to look at the destination anew.
func (l *Ledger) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.torn, l.strange, l.cut = 0, nil, nil
	for i := range l.clients {
		c := &l.clients[i]
		clear(c.arrived)
		c.last, c.behind = -1, 0
	}
}

// Lines is how many lines a client has.
func (l *Ledger) Lines() int { return l.lines }

// Excuse takes the promise of those lines of the client back that did not arrive at the other ledger, and returns how many
// they are and how many of them arrived here nevertheless.
func (l *Ledger) Excuse(client int, other *Ledger) (lost, arrived int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &l.clients[client]
	for n := range c.acked {
		if c.acked[n] && other.clients[client].arrived[n] == 0 {
			c.acked[n] = false
			c.total--
			lost++
			if c.arrived[n] > 0 {
				arrived++
			}
		}
	}
	return lost, arrived
}

// Doubles returns how many arrivals of a client's lines came after their first.
func (l *Ledger) Doubles(client int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, times := range l.clients[client].arrived {
		n += max(int(times)-1, 0)
	}
	return n
}

// Missing returns the client's lines that were acknowledged and did not arrive, as from-to.
func (l *Ledger) Missing(client int) (gaps []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &l.clients[client]
	for n := 0; n < len(c.acked); n++ {
		from := n
		for n < len(c.acked) && c.acked[n] && c.arrived[n] == 0 {
			n++
		}
		if n > from {
			gaps = append(gaps, fmt.Sprintf("%d-%d", from, n-1))
		}
	}
	return gaps
}

// Acked is how many lines were acknowledged so far.
func (l *Ledger) Acked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, c := range l.clients {
		n += c.total
	}
	return n
}

// A Verdict counts lines.
type Verdict struct {
	Acked   int
	Refused int // answers other than OK; the line was sent again
	Broken  int // connections that ended with lines unanswered; those were sent again

	Distinct   int // that arrived, acknowledged or not
	Duplicates int // arrivals after a line's first
	Torn       int // arrivals that are not whole lines of ours
	Halves     int // of Torn: last lines of files that were cut, each of which arrived whole elsewhere
	Disorder   int // lines whose first arrival came after that of a later line of the same client

	Missing []string // acknowledged and not arrived: the first few
	Lost    int      // all of them
	Strange []string // of Torn: the first few
}

// few is how many examples a verdict has.
const few = 5

// Verdict judges what arrived.
func (l *Ledger) Verdict() Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := Verdict{Torn: l.torn, Strange: l.strange}
	for _, piece := range l.cut {
		if l.wholeElsewhereLocked(piece) {
			v.Halves++
		}
	}
	for who := range l.clients {
		c := &l.clients[who]
		v.Acked += c.total
		v.Refused += c.refused
		v.Broken += c.broken
		v.Disorder += c.behind
		for n, times := range c.arrived {
			if times > 0 {
				v.Distinct++
				v.Duplicates += int(times) - 1
			} else if c.acked[n] {
				v.Lost++
				if len(v.Missing) < few {
					v.Missing = append(v.Missing, fmt.Sprintf("client %d line %d", who, n))
				}
			}
		}
	}
	return v
}

// wholeElsewhereLocked tells whether the piece is the beginning of a line that arrived whole.
func (l *Ledger) wholeElsewhereLocked(piece []byte) bool {
	const numbers = 2 + 1 + 9 // bytes: the client's, a blank, the line's
	if len(piece) >= numbers {
		who, err1 := strconv.Atoi(string(piece[:2]))
		n, err2 := strconv.Atoi(string(piece[3:numbers]))
		return err1 == nil && err2 == nil && who >= 0 && who < len(l.clients) && n >= 0 && n < l.lines &&
			l.clients[who].arrived[n] > 0 && bytes.HasPrefix(l.AppendLine(nil, who, n), piece)
	}
	for who := range l.clients { // any line that begins so
		for n, times := range l.clients[who].arrived {
			if times > 0 && bytes.HasPrefix(fmt.Appendf(nil, "%02d %09d ", who, n), piece) {
				return true
			}
		}
	}
	return false
}

func (v Verdict) String() string {
	s := fmt.Sprintf("%d acknowledged (%d refusals, %d broken connections); arrived: %d distinct, %d duplicates, %d torn, %d out of order; %d LOST",
		v.Acked, v.Refused, v.Broken, v.Distinct, v.Duplicates, v.Torn, v.Disorder, v.Lost)
	if v.Lost > 0 {
		s += fmt.Sprintf(", such as %v", v.Missing)
	}
	if v.Torn > 0 {
		s += fmt.Sprintf("; %d of the torn are last lines of files that arrived whole elsewhere; torn are such as %v", v.Halves, v.Strange)
	}
	return s
}
