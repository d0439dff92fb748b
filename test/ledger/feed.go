package ledger

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"time"
)

// A Feed says how one client sends its lines.
type Feed struct {
	Addr   string
	Client int
	// Ahead is how many lines are sent before their answers are read, 1000 when zero. Their answers have to fit into
	// the sockets' buffers.
	Ahead int
	// Patience is how long one round of Ahead lines may take, 60 s when zero; then the connection is given up.
	Patience time.Duration
	// Pause is waited after each round.
	Pause time.Duration
	// Until, if set, ends the feed after the round in which it is closed, whatever is left.
	Until <-chan struct{}
	// Acked, if set, is called after each round with the number of lines acknowledged by it.
	Acked func(n int)
}

// again is the pause after a refused connection and after a refused line.
const again = 20 * time.Millisecond

// Feed sends the client's lines in order until all are acknowledged. A refused line is sent again; when a connection
// breaks, so is all that was not answered on it. It returns early when Until is closed, and with an error when ctx
// is done.
func (l *Ledger) Feed(ctx context.Context, f Feed) error {
	if f.Ahead == 0 {
		f.Ahead = 1000
	}
	if f.Patience == 0 {
		f.Patience = time.Minute
	}
	next := &queue{ledger: l, client: f.Client}
	for !next.done() && !f.ended() {
		conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", f.Addr)
		if err == nil {
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			err = l.feedConn(conn, f, next)
			stop()
			conn.Close()
		}
		if ctx.Err() != nil {
			return fmt.Errorf("feed client %d: %w after %d lines", f.Client, context.Cause(ctx), next.acked)
		}
		if err != nil {
			select {
			case <-time.After(again):
			case <-ctx.Done():
			}
		}
	}
	return nil
}

// ended reports whether Until is closed.
func (f Feed) ended() bool {
	select {
	case <-f.Until:
		return true
	default:
		return false
	}
}

// queue hands out the numbers that are still owed, lowest first.
type queue struct {
	ledger *Ledger
	client int
	fresh  int   // the first number never sent
	resend []int // sent and not acknowledged, ascending
	acked  int
}

func (q *queue) done() bool { return len(q.resend) == 0 && q.fresh == q.ledger.lines }

// take returns at most n numbers; they are owed until they are acknowledged.
func (q *queue) take(n int) []int {
	round := append([]int(nil), q.resend[:min(n, len(q.resend))]...)
	q.resend = q.resend[len(round):]
	for len(round) < n && q.fresh < q.ledger.lines {
		round = append(round, q.fresh)
		q.fresh++
	}
	return round
}

// owe puts back what a round has not had acknowledged.
func (q *queue) owe(numbers []int) { q.resend = append(numbers, q.resend...) }

func (q *queue) ack(numbers []int) {
	q.acked += len(numbers)
	q.ledger.mu.Lock()
	defer q.ledger.mu.Unlock()
	c := &q.ledger.clients[q.client]
	for _, n := range numbers {
		c.acked[n] = true
	}
	c.total += len(numbers)
}

// feedConn sends rounds over one connection until all is acknowledged or the connection breaks.
func (l *Ledger) feedConn(conn net.Conn, f Feed, next *queue) error {
	answers := bufio.NewReader(conn)
	var text []byte
	for !next.done() && !f.ended() {
		round := next.take(f.Ahead)
		text = text[:0]
		for _, n := range round {
			text = l.AppendLine(text, f.Client, n)
		}
		conn.SetDeadline(time.Now().Add(f.Patience))
		_, err := conn.Write(text)
		var acked, owed []int
		refused := 0
		for i, n := range round {
			var answer []byte
			if err == nil {
				answer, err = answers.ReadSlice('\n')
			}
			if err != nil {
				owed = append(owed, round[i:]...)
				break
			}
			if string(answer) == "OK\n" {
				acked = append(acked, n)
			} else {
				refused++
				owed = append(owed, n)
			}
		}
		next.ack(acked)
		next.owe(owed)
		l.count(f.Client, refused, err != nil)
		if f.Acked != nil {
			f.Acked(len(acked))
		}
		if err != nil {
			return err
		}
		pause := f.Pause
		if refused > 0 {
			pause = max(pause, again)
		}
		time.Sleep(pause)
	}
	return nil
}

func (l *Ledger) count(client, refused int, broken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clients[client].refused += refused
	if broken {
		l.clients[client].broken++
	}
}
