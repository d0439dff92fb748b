package ledger

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func text(l *Ledger, client int, numbers ...int) []byte {
	var b []byte
	for _, n := range numbers {
		b = l.AppendLine(b, client, n)
	}
	return b
}

// acknowledged returns a ledger of one client with all its lines acknowledged.
func acknowledged(lines int) *Ledger {
	l := New(1, lines, 40)
	q := &queue{ledger: l}
	q.ack(q.take(lines))
	return l
}

func TestVerdict(t *testing.T) {
	for name, test := range map[string]struct {
		arrived []int
		tail    string
		want    Verdict
	}{
		"all in order": {[]int{0, 1, 2, 3}, "", Verdict{Acked: 4, Distinct: 4}},
		"one lost":     {[]int{0, 1, 3}, "", Verdict{Acked: 4, Distinct: 3, Lost: 1}},
		"twice":        {[]int{0, 1, 0, 1, 2, 3}, "", Verdict{Acked: 4, Distinct: 4, Duplicates: 2}},
		"out of order": {[]int{0, 2, 1, 3}, "", Verdict{Acked: 4, Distinct: 4, Disorder: 1}},
		"torn":         {[]int{0, 1, 2, 3}, "00 0000", Verdict{Acked: 4, Distinct: 4, Torn: 1, Halves: 1}},
		"torn late":    {[]int{0, 1, 2, 3}, "00 000000002 c", Verdict{Acked: 4, Distinct: 4, Torn: 1, Halves: 1}},
		"torn, gone":   {[]int{0, 1, 3}, "00 000000002 c", Verdict{Acked: 4, Distinct: 3, Lost: 1, Torn: 1}},
		"no half":      {[]int{0, 1, 2, 3}, "00 000000002 x", Verdict{Acked: 4, Distinct: 4, Torn: 1}},
		"a stranger":   {[]int{0, 1, 2, 3}, "hello\n", Verdict{Acked: 4, Distinct: 4, Torn: 1}},
		"an empty one": {[]int{0, 1, 2, 3}, "\n", Verdict{Acked: 4, Distinct: 4, Torn: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			l := acknowledged(4)
			if err := l.Arrived(bytes.NewReader(append(text(l, 0, test.arrived...), test.tail...))); err != nil {
				t.Fatal(err)
			}
			got := l.Verdict()
			got.Missing, got.Strange = nil, nil
			if got.String() != test.want.String() {
				t.Errorf("got  %v\nwant %v", got, test.want)
			}
		})
	}
}

func TestAChangedByteIsATornLine(t *testing.T) {
	l := acknowledged(1)
	line := text(l, 0, 0)
	line[20] ^= 1
	if err := l.Arrived(bytes.NewReader(line)); err != nil {
		t.Fatal(err)
	}
	if v := l.Verdict(); v.Torn != 1 || v.Lost != 1 {
		t.Errorf("got %v, want one torn and one lost", v)
	}
}

func TestFilesArriveInTheOrderOfTheirNames(t *testing.T) {
	l := acknowledged(4)
	dir := t.TempDir()
	for name, lines := range map[string][]byte{"part-2": text(l, 0, 2, 3), "part-1": text(l, 0, 0, 1), "other": text(l, 0, 0)} {
		if err := os.WriteFile(filepath.Join(dir, name), lines, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := l.ArrivedFiles(filepath.Join(dir, "part-*")); n != 2 || err != nil {
		t.Errorf("%d files (%v), want 2", n, err)
	}
	if v := l.Verdict(); v.Distinct != 4 || v.Disorder != 0 || v.Duplicates != 0 {
		t.Errorf("got %v, want all four in order", v)
	}
}

func TestAForgottenArrivalIsJudgedAnew(t *testing.T) {
	l := New(1, 4, 40)
	l.Acknowledge(0, 0, 3)
	l.Acknowledge(0, 2, 3)
	for range 2 {
		if err := l.Arrived(bytes.NewReader(append(text(l, 0, 1, 0), "torn"...))); err != nil {
			t.Fatal(err)
		}
		if v := l.Verdict(); v.Acked != 3 || v.Distinct != 2 || v.Lost != 1 || v.Torn != 1 || v.Disorder != 1 || v.Duplicates != 0 {
			t.Errorf("got %v", v)
		}
		l.Forget()
	}
	if v := l.Verdict(); v.Distinct != 0 || v.Lost != 3 || v.Torn != 0 {
		t.Errorf("got %v after everything was forgotten", v)
	}
}

// TestFeedSendsAgain has a server that refuses every seventh line and hangs up after some, and keeps what it takes.
func TestFeedSendsAgain(t *testing.T) {
	const lines = 500
	l := New(1, lines, 60)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var taken bytes.Buffer
	var server sync.WaitGroup
	server.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			in := bufio.NewScanner(conn)
			for i := 1; in.Scan(); i++ {
				if i == 150 {
					taken.WriteString(in.Text() + "\n") // taken, never acknowledged
					break
				}
				answer := "OK\n"
				if i%7 == 0 {
					answer = "FAILED: no room\n"
				} else {
					taken.WriteString(in.Text() + "\n")
				}
				conn.Write([]byte(answer))
			}
			conn.Close()
		}
	})
	if err := l.Feed(t.Context(), Feed{Addr: ln.Addr().String(), Ahead: 50}); err != nil {
		t.Fatal(err)
	}
	ln.Close()
	server.Wait()
	if err := l.Arrived(&taken); err != nil {
		t.Fatal(err)
	}
	v := l.Verdict()
	if v.Acked != lines || v.Distinct != lines || v.Lost != 0 || v.Torn != 0 {
		t.Errorf("got %v", v)
	}
	if v.Refused == 0 || v.Broken == 0 || v.Duplicates == 0 || v.Disorder == 0 {
		t.Errorf("got %v, want refusals, broken connections, duplicates and disorder counted", v)
	}
}

func TestFeedEndsWithItsContext(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithCancel(t.Context())
	l := New(1, 10, 40)
	done := make(chan error, 1)
	go func() { done <- l.Feed(ctx, Feed{Addr: ln.Addr().String()}) }()
	cancel()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("got %v, want the context's end", err)
	}
}

func TestFeedEndsAfterItsRound(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var server sync.WaitGroup
	server.Go(func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for in := bufio.NewScanner(conn); in.Scan(); {
			conn.Write([]byte("OK\n"))
		}
	})
	until := make(chan struct{})
	l := New(1, 1_000_000, 40)
	rounds := 0
	err = l.Feed(t.Context(), Feed{Addr: ln.Addr().String(), Ahead: 10, Until: until, Acked: func(int) {
		if rounds++; rounds == 3 {
			close(until)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	server.Wait()
	if v := l.Verdict(); v.Acked != 30 || v.Broken != 0 {
		t.Errorf("got %v, want 30 acknowledged and no broken connection", v)
	}
}
