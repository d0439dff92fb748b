package agent

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// netcatClient sends numbered lines to addr, one after the answer to the other, until ctx ends. It returns the lines that
// were answered OK, and the error of a dial that failed. first is closed at the first OK.
func netcatClient(ctx context.Context, addr, name string, first chan<- struct{}) (acked []string, refused error) {
	for n := 0; ctx.Err() == nil; {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return acked, err
		}
		in := bufio.NewReader(conn)
		for ctx.Err() == nil {
			line := fmt.Sprintf("%s-%d", name, n)
			n++
			if _, err := fmt.Fprintln(conn, line); err != nil {
				break // not answered: it may or may not have arrived
			}
			answer, err := in.ReadString('\n')
			if err != nil {
				break
			}
			if answer == "OK\n" {
				if acked = append(acked, line); len(acked) == 1 {
					close(first)
				}
			}
		}
		conn.Close()
	}
	return acked, nil
}

func TestReloadsUnderTrafficLoseNothing(t *testing.T) {
	const clients, reloads = 8, 100
	st := newStage(t)
	config := func(more ...string) []string {
		return append([]string{
			"a1.sources = r1 r2", "a1.channels = c1 c2", "a1.sinks = k1 k2",
			"a1.sources.r1.type = netcat", "a1.sources.r1.bind = 127.0.0.1", "a1.sources.r1.port = 0", "a1.sources.r1.channels = c1 c2",
			"a1.sources.r2.type = netcat", "a1.sources.r2.bind = 127.0.0.1", "a1.sources.r2.port = 0", "a1.sources.r2.channels = c1",
			"a1.channels.c1.type = memory", "a1.channels.c1.capacity = 100000",
			"a1.channels.c2.type = memory", "a1.channels.c2.capacity = 1000",
			"a1.sinks.k1.type = probe", "a1.sinks.k1.stage = STAGE", "a1.sinks.k1.channel = c1", "a1.sinks.k1.batchSize = 100",
			"a1.sinks.k2.type = probe", "a1.sinks.k2.stage = STAGE", "a1.sinks.k2.channel = c2", "a1.sinks.k2.batchSize = 100",
		}, more...)
	}
	a := start(t, config()...)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	acked := make([][]string, clients)
	served := make([]chan struct{}, clients)
	for i := range clients {
		source := []string{"r1", "r2"}[i%2]
		addr := address(t, a, source)
		served[i] = make(chan struct{})
		wg.Go(func() {
			var refused error
			acked[i], refused = netcatClient(ctx, addr, fmt.Sprintf("%s-%d", source, i), served[i])
			if refused != nil {
				t.Errorf("client %d: %v", i, refused)
			}
		})
	}
	for i := range reloads {
		var err error
		switch i % 5 {
		case 0:
			_, err = a.Reload(t.Context(), plan(t, config()...))
		case 1:
			_, err = a.Reload(t.Context(), plan(t, config(fmt.Sprintf("a1.sinks.k1.mark = %d", i))...))
		case 2:
			if p, _ := tryPlan(t, false, config("a1.sinks.k1.type = prob")...); p != nil {
				t.Fatal("a broken configuration makes a plan")
			}
		case 3:
			_, err = a.Reload(t.Context(), plan(t, config(fmt.Sprintf("a1.channels.c1.capacity = %d", 100000+i))...))
		case 4:
			_, err = a.Reload(t.Context(), plan(t, config(fmt.Sprintf("a1.sources.r1.max-line-length = %d", 512+i))...))
		}
		if err != nil {
			t.Fatalf("reload %d: %v", i, err)
		}
	}
	for i, first := range served {
		select {
		case <-first:
		case <-time.After(time.Minute):
			t.Errorf("client %d had no line accepted", i)
		}
	}
	cancel()
	wg.Wait()
	end := a.Stop(t.Context())
	if len(end.Lost) > 0 || end.Delivered < end.Received {
		t.Errorf("end: %+v, want everything delivered", end)
	}

	var want []string
	for _, lines := range acked {
		want = append(want, lines...)
	}
	k1, k2 := st.in("k1"), st.in("k2")
	missing(t, "k1", want, k1)
	missing(t, "k2", slices.DeleteFunc(slices.Clone(want), func(s string) bool { return s[:2] == "r2" }), k2)
	for i := range clients {
		prefix := fmt.Sprintf("%s-%d-", []string{"r1", "r2"}[i%2], i)
		var got []string
		for _, s := range k1 {
			if len(s) > len(prefix) && s[:len(prefix)] == prefix {
				got = append(got, s)
			}
		}
		once := slices.Compact(slices.Clone(got))
		if diff := cmp.Diff(once, got); diff != "" {
			t.Errorf("client %d: lines delivered twice (-once +got):\n%s", i, diff)
		}
	}
	t.Logf("%d lines acknowledged over %d reloads, %d delivered by k1, %d by k2", len(want), reloads, len(k1), len(k2))
}

// missing reports lines that the sink has not got.
func missing(t *testing.T, sink string, want, got []string) {
	t.Helper()
	have := make(map[string]bool, len(got))
	for _, s := range got {
		have[s] = true
	}
	n := 0
	for _, s := range want {
		if !have[s] {
			n++
		}
	}
	if n > 0 {
		t.Errorf("%s: %d of %d acknowledged lines are missing", sink, n, len(want))
	}
}
