package agent

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"goflume/conf"
	"goflume/internal/metric"
)

func TestStartAndStopOrder(t *testing.T) {
	st := newStage(t)
	a := start(t, simple("a1.channels.c1.type = probe", "a1.channels.c1.stage = STAGE")...)
	until(t, "sink open", func() bool { return len(st.noted()) == 3 })
	got := st.noted()
	slices.Sort(got[1:]) // a sink opens while sources start: a destination that is away stops nobody
	if diff := cmp.Diff([]string{"open c1", "open k1", "run r1"}, got); diff != "" {
		t.Errorf("start (-want +got):\n%s", diff)
	}
	a.Stop(t.Context())
	if diff := cmp.Diff([]string{"end r1", "close k1", "close c1"}, st.noted()[3:]); diff != "" {
		t.Errorf("stop (-want +got):\n%s", diff)
	}
}

func TestStopDrainsMemoryChannels(t *testing.T) {
	st := newStage(t)
	a := start(t, simple()...)
	open := st.shut("k1")
	st.feed("r1") <- numbered(0, 50)
	until(t, "events in the channel", func() bool { return a.now.channels["c1"].size() == 50 })
	ended := make(chan End, 1)
	go func() { ended <- a.Stop(context.Background()) }()
	until(t, "draining", func() bool { return a.Status().Draining })
	open()
	end := <-ended
	if len(end.Lost) > 0 || end.Received != 50 || end.Delivered != 50 {
		t.Errorf("end: %+v, want 50 received and delivered, none lost", end)
	}
	if diff := cmp.Diff(numbered(0, 50), st.in("k1")); diff != "" {
		t.Errorf("sink (-want +got):\n%s", diff)
	}
}

func TestStopCountsWhatIsLeft(t *testing.T) {
	for _, c := range []struct {
		name    string
		timeout time.Duration
		hard    bool
	}{
		{"drain timeout", 50 * time.Millisecond, false},
		{"second signal", time.Hour, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := newStage(t)
			a := start(t, simple()...)
			a.settings.DrainTimeout = c.timeout
			defer st.shut("k1")()
			st.feed("r1") <- numbered(0, 50)
			until(t, "events in the channel", func() bool { return a.now.channels["c1"].size() == 50 })
			hard, cut := context.WithCancel(context.Background())
			defer cut()
			ended := make(chan End, 1)
			go func() { ended <- a.Stop(hard) }()
			until(t, "draining", func() bool { return a.Status().Draining })
			if c.hard {
				cut()
			}
			if end := <-ended; end.Lost["c1"] != 50 || end.Delivered != 0 {
				t.Errorf("end: %+v, want 50 lost of c1", end)
			}
		})
	}
}

func TestFileChannelKeepsItsEventsOverTheStop(t *testing.T) {
	st := newStage(t)
	dir := t.TempDir()
	lines := simple("a1.channels.c1.type = file", "a1.channels.c1.checkpointDir = "+dir+"/cp", "a1.channels.c1.dataDirs = "+dir+"/data")
	a := start(t, lines...)
	st.trip("k1", errors.New("away"))
	st.feed("r1") <- numbered(0, 5)
	until(t, "events in the channel", func() bool { return a.now.channels["c1"].size() == 5 })
	a.settings.DrainTimeout = time.Hour
	soon, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if end := a.Stop(soon); end.Kept["c1"] != 5 || len(end.Lost) > 0 {
		t.Errorf("end: %+v, want 5 kept in c1", end)
	}
	if soon.Err() != nil {
		t.Error("stop took a minute: a file channel was drained")
	}
	st.trip("k1", nil)
	start(t, lines...)
	until(t, "events after a restart", func() bool { return len(st.in("k1")) == 5 })
}

func TestChannelThatCannotOpenEndsTheStart(t *testing.T) {
	st := newStage(t)
	st.trip("c1", errors.New("locked by another process"))
	a := New(Settings{StateDir: t.TempDir(), DrainTimeout: time.Second, Log: slog.New(slog.DiscardHandler)})
	err := a.Start(t.Context(), plan(t, simple("a1.channels.c1.type = probe", "a1.channels.c1.stage = STAGE")...))
	var ce *ChannelError
	if !errors.As(err, &ce) || ce.Channel != "c1" {
		t.Fatalf("start: %v, want a ChannelError of c1", err)
	}
	if got := st.noted(); slices.Contains(got, "run r1") || slices.Contains(got, "open k1") {
		t.Errorf("notes: %v, want neither source nor sink started", got)
	}
}

func TestChannelIsStoppedOnceItHasClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		a := start(t, simple("a1.channels.c1.type = probe", "a1.channels.c1.stage = STAGE")...)
		c := a.now.channels["c1"]
		const slow = 3 * time.Second
		open := st.shut("c1 at its end")
		want := time.Now().Add(slow)
		time.AfterFunc(slow, open)
		a.Stop(context.Background())
		if _, stopped := c.set.Times(); stopped != want.UnixMilli() {
			t.Errorf("stopped at %v, want %v, when the channel had closed", time.UnixMilli(stopped), want)
		}
	})
}

func TestStatusHasWhatASinkHasDropped(t *testing.T) {
	newStage(t)
	a := start(t, simple()...)
	metric.NewSink(a.now.sinks["k1"].set).Dropped.Add(2)
	if got := component(t, a, "k1").Dropped; got != 2 {
		t.Errorf("%d events dropped, want 2", got)
	}
	a.Stop(t.Context())
}

func TestPortInUseIsRetried(t *testing.T) {
	newStage(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	var log strings.Builder
	a := New(Settings{StateDir: t.TempDir(), DrainTimeout: time.Second, Log: slog.New(slog.NewTextHandler(&log, nil))})
	p := plan(t, simple("a1.sources = r1 r2", "a1.sources.r2.type = netcat", "a1.sources.r2.bind = 127.0.0.1",
		"a1.sources.r2.port = "+port, "a1.sources.r2.channels = c1")...)
	if err := a.Start(t.Context(), p); err != nil {
		t.Fatalf("start with a port in use: %v, want the rest to run", err)
	}
	until(t, "r2 in back-off", func() bool { return component(t, a, "r2").State == Backoff })
	if c := component(t, a, "r2"); c.State != Backoff || !strings.Contains(c.LastError, "address already in use") {
		t.Errorf("r2: %s %s, want BACKOFF, address already in use", c.State, c.LastError)
	}
	if c := component(t, a, "r1"); c.State != Running {
		t.Errorf("r1: %s, want RUNNING", c.State)
	}
	if why := a.Status().NotReady(false); len(why) != 1 || !strings.HasPrefix(why[0], "source r2 BACKOFF") {
		t.Errorf("not ready for: %v, want r2", why)
	}
	taken.Close()
	until(t, "r2 listening", func() bool { return component(t, a, "r2").State == Running })
	if got := component(t, a, "r2").Addresses; len(got) != 1 || !strings.HasSuffix(got[0], ":"+port) {
		t.Errorf("r2 listens on %v, want port %s", got, port)
	}
	a.Stop(t.Context())
	for _, want := range []string{"code=FL610", "held_by=", "at=test.conf:14:22", "change a1.sources.r2.port"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log lacks %q:\n%s", want, log.String())
		}
	}
}

func TestPanicsStayInTheirComponent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		a := start(t, append(simple(), "a1.sources = r1 r2", "a1.channels = c1 c2", "a1.sinks = k1 k2", "a1.channels.c2.type = memory",
			"a1.sources.r2.type = probe", "a1.sources.r2.stage = STAGE", "a1.sources.r2.channels = c2",
			"a1.sinks.k2.type = probe", "a1.sinks.k2.stage = STAGE", "a1.sinks.k2.channel = c2")...)
		st.trip("k2", errPanic)
		st.feed("r2") <- []string{"bad"}
		until(t, "k2 in back-off", func() bool { return component(t, a, "k2").State == Backoff })
		st.feed("r1") <- []string{"good"}
		until(t, "the other flow delivering", func() bool { return len(st.in("k1")) == 1 })
		if got := component(t, a, "k2").LastError; !strings.Contains(got, "panic: probe") {
			t.Errorf("last error of k2: %q, want the panic", got)
		}
		st.trip("k2", nil)
		until(t, "k2 delivering again", func() bool { return len(st.in("k2")) == 1 })
	})
}

func TestSourceThatFailsIsStartedAgain(t *testing.T) {
	for name, trouble := range map[string]error{"error": errors.New("no such file"), "panic": errPanic} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newStage(t)
				st.trip("r1", trouble)
				a := start(t, simple()...)
				until(t, "r1 in back-off", func() bool { return component(t, a, "r1").State == Backoff })
				if c := component(t, a, "r1"); c.Errors != 1 {
					t.Errorf("r1: %s with %d errors, want BACKOFF with 1", c.State, c.Errors)
				}
				st.trip("r1", nil)
				until(t, "r1 running", func() bool { return component(t, a, "r1").State == Running })
				st.feed("r1") <- []string{"x"}
				until(t, "delivery", func() bool { return len(st.in("k1")) == 1 })
			})
		})
	}
}

func TestLenientLeavesOutWhatHasErrors(t *testing.T) {
	newStage(t)
	lines := simple("a1.sources = r1 r2", "a1.channels = c1 c2", "a1.sinks = k1 k2",
		"a1.sources.r2.type = probe", "a1.sources.r2.stage = STAGE", "a1.sources.r2.channels = c2 c1",
		"a1.channels.c2.type = memori", "a1.sinks.k2.type = probe", "a1.sinks.k2.stage = STAGE", "a1.sinks.k2.channel = c2")
	if p, _ := tryPlan(t, false, lines...); p != nil {
		t.Error("strict: a plan, want none")
	}
	p, _ := tryPlan(t, true, lines...)
	if p == nil {
		t.Fatal("lenient: no plan")
	}
	var left []string
	for _, c := range p.Rejected {
		left = append(left, c.Line())
	}
	want := []string{`channel c2 REJECTED: FL210: unknown channel type "memori"`, "sink k2 REJECTED: its channel does not run"}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	if got := p.Size(); got != "2 sources, 1 channel, 1 sink" {
		t.Errorf("plan: %s", got)
	}
	if got := p.Sources[1].Channels; !slices.Equal(got, []string{"c1"}) {
		t.Errorf("channels of r2: %v, want c1", got)
	}
}

func TestLines(t *testing.T) {
	newStage(t)
	p := plan(t, append(simple(), "a1.sources = r1 r2", "a1.sources.r2.type = netcat", "a1.sources.r2.bind = 127.0.0.1",
		"a1.sources.r2.port = 44444", "a1.sources.r2.channels = c1", "a1.channels.c1.capacity = 1000")...)
	want := []string{"r1 probe, r2 netcat 127.0.0.1:44444 ──▶ c1 memory 1000/100 ──▶ k1 probe"}
	if diff := cmp.Diff(want, p.Lines(nil)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestBatchLargerThanATransactionRuns(t *testing.T) {
	st := newStage(t)
	lines := simple("a1.sinks.k1.batchSize = 1000", "a1.channels.c1.capacity = 1000", "a1.channels.c1.transactionCapacity = 10")
	_, issues := tryPlan(t, false, lines...)
	if !slices.ContainsFunc(issues, func(is conf.Issue) bool { return is.Code == "FL410" && is.Severity == conf.Warning }) {
		t.Errorf("issues: %v, want a warning FL410", issues)
	}
	start(t, lines...)
	st.feed("r1") <- numbered(0, 95)
	until(t, "delivery", func() bool { return len(st.in("k1")) == 95 })
}

func TestChannelThatNothingUsesIsLeftOut(t *testing.T) {
	st := newStage(t)
	lines := simple("a1.channels = c1 c2", "a1.channels.c2.type = probe", "a1.channels.c2.stage = STAGE")
	p, issues := tryPlan(t, false, lines...)
	if len(p.Channels) != 1 || !slices.ContainsFunc(issues, func(is conf.Issue) bool { return is.Code == "FL242" }) {
		t.Errorf("%d channels planned, issues %v, want c2 left out with FL242", len(p.Channels), issues)
	}
	start(t, lines...)
	if slices.Contains(st.noted(), "open c2") {
		t.Error("c2 was opened")
	}
}

func TestSourceThatDoesNotStopIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		st.trip("r1 at its end", errHang)
		a := start(t, simple()...)
		a.settings.DrainTimeout = 50 * time.Millisecond
		began := time.Now()
		end := a.Stop(t.Context())
		if took := time.Since(began); took > 30*time.Second || len(end.Lost) > 0 {
			t.Errorf("stop took %v and ended with %+v", took, end)
		}
		if c := component(t, a, "r1"); c.State != Failed || !strings.Contains(c.LastError, "has not returned") {
			t.Errorf("r1: %s %s, want FAILED", c.State, c.LastError)
		}
	})
}

func TestStatusTellsOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		st.trip("k1", errors.New("connection refused"))
		a := start(t, simple()...)
		until(t, "k1 in back-off", func() bool { return component(t, a, "k1").State == Backoff })
		c := component(t, a, "k1")
		if c.LastError != "connection refused" || c.Errors == 0 || c.ErrorAt.IsZero() || c.Delivered {
			t.Errorf("k1: %+v, want its failure", c)
		}
		s := a.Status()
		if why := s.NotReady(false); len(why) > 0 {
			t.Errorf("not ready for %v: a sink that cannot deliver is no reason", why)
		}
		if why := s.NotReady(true); len(why) != 1 || why[0] != "sink k1 BACKOFF: connection refused" {
			t.Errorf("not ready with sinks for %v, want k1", why)
		}
		if why := s.Unhealthy(); len(why) > 0 {
			t.Errorf("unhealthy for %v, want healthy", why)
		}
		st.trip("k1", nil)
		until(t, "k1 running", func() bool { c := component(t, a, "k1"); return c.State == Running && c.Delivered })
	})
}

func TestChannelThatDoesNotCloseKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		a := start(t, simple("a1.channels.c1.type = probe", "a1.channels.c1.stage = STAGE")...)
		st.trip("c1 at its end", errHang)
		hard, cut := context.WithCancel(t.Context())
		cut()
		if took := a.Stop(hard).Took; took > 10*time.Second {
			t.Errorf("a stop at once took %v", took)
		}
		if c := component(t, a, "c1"); c.State != Failed {
			t.Errorf("c1: %s, want FAILED", c.State)
		}
	})
}

func TestChannelThatSaysItCannotWriteIsUnhealthy(t *testing.T) {
	st := newStage(t)
	a := start(t, simple("a1.channels.c1.type = probe", "a1.channels.c1.stage = STAGE")...)
	if why := a.Status().Unhealthy(); len(why) > 0 {
		t.Errorf("unhealthy for %v, want healthy", why)
	}
	st.trip("c1 within", errors.New("no space left on device"))
	want := []string{"channel c1 BACKOFF: no space left on device"}
	if diff := cmp.Diff(want, a.Status().Unhealthy()); diff != "" {
		t.Errorf("a full disk (-want +got):\n%s", diff)
	}
	if why := a.Status().NotReady(false); len(why) != 1 {
		t.Errorf("not ready for %v, want the channel", why)
	}
	st.trip("c1 within", nil)
	if why := a.Status().Unhealthy(); len(why) > 0 {
		t.Errorf("unhealthy for %v after the disk has room again", why)
	}
}
