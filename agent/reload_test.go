package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"goflume/internal/metric"
)

func TestReloadLeavesUnchangedComponentsAlone(t *testing.T) {
	st := newStage(t)
	lines := simple("a1.sinks.k1.more.a = 1", "a1.sources.r1.selector.type = replicating")
	a := start(t, lines...)
	until(t, "sink open", func() bool { return len(st.noted()) == 2 })
	before := a.now
	for range 3 {
		lines = append([]string{"# a comment that moves every line"}, lines...)
		if got := reload(t, a, lines...); len(got) != 0 {
			t.Errorf("changes: %v, want none", got)
		}
	}
	if a.now.sources["r1"] != before.sources["r1"] || a.now.channels["c1"] != before.channels["c1"] ||
		a.now.sinks["k1"] != before.sinks["k1"] || a.now.outlets["sink k1"] != before.outlets["sink k1"] {
		t.Error("a component is another one after a reload without changes")
	}
	if got := st.noted(); len(got) != 2 {
		t.Errorf("notes: %v, want nothing after the start", got)
	}
	if got := a.Status().Generation; got != 4 {
		t.Errorf("generation %d, want 4", got)
	}
	st.feed("r1") <- numbered(0, 3)
	until(t, "delivery", func() bool { return len(st.in("k1")) == 3 })
}

func TestReloadExchangesAChangedSink(t *testing.T) {
	st := newStage(t)
	a := start(t, simple()...)
	until(t, "sink open", func() bool { return len(st.noted()) == 2 })
	got := reload(t, a, simple("a1.sinks.k1.mark = other")...)
	if diff := cmp.Diff([]string{"sink k1 changed"}, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	st.feed("r1") <- numbered(0, 3)
	until(t, "delivery", func() bool { return len(st.in("k1")) == 3 })
	if diff := cmp.Diff([]string{"close k1", "open k1"}, st.noted()[2:]); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}

func TestReloadExchangesAChangedSource(t *testing.T) {
	st := newStage(t)
	a := start(t, simple()...)
	got := reload(t, a, simple("a1.sources.r1.mark = other")...)
	if diff := cmp.Diff([]string{"source r1 changed"}, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	st.feed("r1") <- numbered(0, 3)
	until(t, "delivery", func() bool { return len(st.in("k1")) == 3 })
	until(t, "3 received and 3 delivered in the totals", func() bool { return a.totals() == Traffic{Received: 3, Delivered: 3} })
}

func TestReloadRewiresASourceThatStays(t *testing.T) {
	st := newStage(t)
	a := start(t, simple()...)
	before := a.now.sources["r1"]
	got := reload(t, a, simple("a1.channels = c1 c2", "a1.sinks = k1 k2", "a1.channels.c2.type = memory", "a1.sources.r1.channels = c2 c1",
		"a1.sinks.k2.type = probe", "a1.sinks.k2.stage = STAGE", "a1.sinks.k2.channel = c2",
		"a1.sources.r1.interceptors = i1", "a1.sources.r1.interceptors.i1.type = timestamp")...)
	want := []string{"source r1 connected anew", "channel c2 added", "sink k2 added"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if a.now.sources["r1"] != before {
		t.Error("r1 is another source, want the same one with other wiring")
	}
	st.feed("r1") <- numbered(0, 3)
	until(t, "delivery to both", func() bool { return len(st.in("k1")) == 3 && len(st.in("k2")) == 3 })
}

func TestReloadMovesASinkToAnotherChannelAndGroup(t *testing.T) {
	st := newStage(t)
	base := simple("a1.channels = c1 c2", "a1.sinks = k1 k2", "a1.channels.c2.type = memory", "a1.sources.r1.channels = c1 c2",
		"a1.sinks.k2.type = probe", "a1.sinks.k2.stage = STAGE", "a1.sinks.k2.channel = c2")
	a := start(t, base...)
	st.feed("r1") <- numbered(0, 3)
	until(t, "delivery", func() bool { return len(st.in("k1")) == 3 && len(st.in("k2")) == 3 })
	before := a.now.sinks["k2"]
	grouped := append(slices.Clone(base), "a1.sinks.k2.channel = c1", "a1.sinkgroups = g1", "a1.sinkgroups.g1.sinks = k1 k2",
		"a1.sinkgroups.g1.processor.type = failover", "a1.sinkgroups.g1.processor.priority.k2 = 10", "a1.sinkgroups.g1.processor.priority.k1 = 5",
		"a1.sources.r1.channels = c1")
	reload(t, a, append(grouped, "a1.channels = c1")...)
	if a.now.sinks["k2"] != before {
		t.Error("k2 is another sink, want the same one with other wiring")
	}
	st.feed("r1") <- numbered(3, 6)
	until(t, "delivery by the sink with the higher priority", func() bool { return len(st.in("k2")) == 6 })
	reload(t, a, base...)
	st.feed("r1") <- numbered(6, 9)
	until(t, "delivery by both again", func() bool { return len(st.in("k2")) == 9 && len(st.in("k1")) == 6 })
}

func TestReloadDrainsARemovedChannelFirst(t *testing.T) {
	st := newStage(t)
	two := simple("a1.channels = c1 c2", "a1.sinks = k1 k2", "a1.channels.c2.type = memory", "a1.sources.r1.channels = c1 c2",
		"a1.sinks.k2.type = probe", "a1.sinks.k2.stage = STAGE", "a1.sinks.k2.channel = c2")
	a := start(t, two...)
	open := st.shut("k2")
	st.feed("r1") <- numbered(0, 30)
	until(t, "events in c2", func() bool { return a.now.channels["c2"].size() == 30 })
	reloaded := make(chan struct{})
	go func() {
		defer close(reloaded)
		reload(t, a, simple()...)
	}()
	until(t, "the new generation", func() bool { return a.Status().Generation == 2 })
	st.feed("r1") <- numbered(30, 33) // the source goes on meanwhile, without c2
	until(t, "delivery by k1", func() bool { return len(st.in("k1")) == 33 })
	open()
	<-reloaded
	if diff := cmp.Diff(numbered(0, 30), st.in("k2")); diff != "" {
		t.Errorf("k2 (-want +got):\n%s", diff)
	}
	if got := st.noted(); got[len(got)-1] != "close k2" {
		t.Errorf("notes: %v, want k2 closed at last", got)
	}
}

func TestReloadCountsWhatARemovedChannelStillHeld(t *testing.T) {
	st := newStage(t)
	var log strings.Builder
	two := simple("a1.channels = c1 c2", "a1.sinks = k1 k2", "a1.channels.c2.type = memory", "a1.sources.r1.channels = c1 c2",
		"a1.sinks.k2.type = probe", "a1.sinks.k2.stage = STAGE", "a1.sinks.k2.channel = c2")
	a := start(t, two...)
	a.log = slog.New(slog.NewTextHandler(&log, nil))
	a.settings.DrainTimeout = 50 * time.Millisecond
	st.trip("k2", errors.New("away"))
	st.feed("r1") <- numbered(0, 30)
	until(t, "events in c2", func() bool { return a.now.channels["c2"].size() == 30 })
	reload(t, a, simple()...)
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "channel=c2 events=30") {
		t.Errorf("log does not tell of the 30 events lost in c2:\n%s", log.String())
	}
}

func TestReloadKeepsAMemoryChannelsContents(t *testing.T) {
	st := newStage(t)
	a := start(t, simple("a1.channels.c1.capacity = 200")...)
	st.trip("k1", errors.New("away"))
	for i := range 15 {
		st.feed("r1") <- numbered(10*i, 10*i+10)
	}
	until(t, "events in the channel", func() bool { return a.now.channels["c1"].size() == 150 })
	before := a.now.channels["c1"]
	got := reload(t, a, simple("a1.channels.c1.capacity = 1000", "a1.channels.c1.transactionCapacity = 7")...)
	if diff := cmp.Diff([]string{"source r1 connected anew", "channel c1 changed"}, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if c := a.now.channels["c1"]; c == before || c.size() != 150 {
		t.Errorf("c1 holds %d events, want 150 in a new channel", c.size())
	}
	st.feed("r1") <- numbered(150, 155)
	st.trip("k1", nil)
	until(t, "delivery", func() bool { return len(st.in("k1")) == 155 })
	if diff := cmp.Diff(numbered(0, 155), st.in("k1")); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestReloadThatDoesNotFitIsRefused(t *testing.T) {
	st := newStage(t)
	a := start(t, simple()...)
	st.trip("k1", errors.New("away"))
	st.feed("r1") <- numbered(0, 50)
	until(t, "events in the channel", func() bool { return a.now.channels["c1"].size() == 50 })
	for name, lines := range map[string][]string{
		"too few events": {"a1.channels.c1.capacity = 40", "a1.channels.c1.transactionCapacity = 40"},
		"too few bytes":  {"a1.channels.c1.byteCapacity = 4000"},
	} {
		before := a.now
		_, err := a.Reload(t.Context(), plan(t, simple(lines...)...))
		if err == nil || !strings.Contains(err.Error(), "channel c1 holds") {
			t.Errorf("%s: %v, want a refusal that names c1", name, err)
		}
		if a.now.channels["c1"] != before.channels["c1"] || a.now.channels["c1"].size() != 50 {
			t.Errorf("%s: c1 holds %d events, want the 50 from before in the old channel", name, a.now.channels["c1"].size())
		}
		if s := a.Status(); s.ReloadOK || s.Generation != 1 {
			t.Errorf("%s: generation %d, reload ok %v, want 1 and false", name, s.Generation, s.ReloadOK)
		}
	}
	st.feed("r1") <- numbered(50, 60)
	st.trip("k1", nil)
	until(t, "delivery", func() bool { return len(st.in("k1")) == 60 })
	if diff := cmp.Diff(numbered(0, 60), st.in("k1")); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestReloadOpensAChangedFileChannelAgain(t *testing.T) {
	st := newStage(t)
	dir := t.TempDir()
	lines := simple("a1.channels.c1.type = file", "a1.channels.c1.checkpointDir = "+dir+"/cp", "a1.channels.c1.dataDirs = "+dir+"/data")
	a := start(t, lines...)
	st.trip("k1", errors.New("away"))
	st.feed("r1") <- numbered(0, 50)
	until(t, "events in the channel", func() bool { return a.now.channels["c1"].size() == 50 })
	reload(t, a, append(lines, "a1.channels.c1.transactionCapacity = 500")...)
	if got := a.now.channels["c1"].size(); got != 50 {
		t.Errorf("c1 holds %d events, want 50", got)
	}

	// Settings that cannot work: the old ones are taken again, and everything goes on.
	write(t, dir+"/file", "not a folder")
	_, err := a.Reload(t.Context(), plan(t, append(lines, "a1.channels.c1.dataDirs = "+dir+"/file/data")...))
	var ce *ChannelError
	if !errors.As(err, &ce) {
		t.Errorf("reload with a folder that cannot be made: %v, want a ChannelError", err)
	}
	_, err = a.Reload(t.Context(), plan(t, simple()...))
	if err == nil || !strings.Contains(err.Error(), "would lose them") {
		t.Errorf("reload to a memory channel: %v, want a refusal", err)
	}
	st.trip("k1", nil)
	st.feed("r1") <- numbered(50, 60)
	until(t, "delivery", func() bool { return len(st.in("k1")) == 60 })
	if diff := cmp.Diff(numbered(0, 60), st.in("k1")); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestReloadThatCannotOpenANewChannelIsRefused(t *testing.T) {
	st := newStage(t)
	a := start(t, simple()...)
	st.trip("c2", errors.New("locked"))
	_, err := a.Reload(t.Context(), plan(t, simple("a1.channels = c1 c2", "a1.channels.c2.type = probe", "a1.channels.c2.stage = STAGE",
		"a1.sources.r1.channels = c1 c2")...))
	var ce *ChannelError
	if !errors.As(err, &ce) || ce.Channel != "c2" {
		t.Errorf("reload: %v, want a ChannelError of c2", err)
	}
	st.feed("r1") <- numbered(0, 3)
	until(t, "delivery", func() bool { return len(st.in("k1")) == 3 })
}

func TestReloadExchangesASinkThatHangs(t *testing.T) {
	st := newStage(t)
	a := start(t, simple()...)
	a.settings.DrainTimeout = 50 * time.Millisecond
	open := st.shut("k1")
	defer open()
	st.feed("r1") <- numbered(0, 5)
	until(t, "a write under way", func() bool { return a.now.channels["c1"].channel.Stats().Held == 5 })
	st.mu.Lock()
	st.gates["k1"] = nil // for the sink that takes its place
	st.mu.Unlock()
	reload(t, a, simple("a1.sinks.k1.mark = other")...)
	until(t, "delivery by the new sink", func() bool { return len(st.in("k1")) == 5 })
}

func TestMetricsFollowTheGeneration(t *testing.T) {
	newStage(t)
	a := start(t, simple("a1.sinks = k1 k2", "a1.sinks.k2.type = probe", "a1.sinks.k2.stage = STAGE", "a1.sinks.k2.channel = c1")...)
	names := func() []string {
		var all []string
		for _, s := range a.metrics.Sets() {
			all = append(all, string(s.Kind)+"."+s.Name)
		}
		slices.Sort(all)
		return all
	}
	if diff := cmp.Diff([]string{"CHANNEL.c1", "SINK.k1", "SINK.k2", "SOURCE.r1"}, names()); diff != "" {
		t.Errorf("sets (-want +got):\n%s", diff)
	}
	reload(t, a, simple("a1.channels.c1.capacity = 500")...)
	if diff := cmp.Diff([]string{"CHANNEL.c1", "SINK.k1", "SOURCE.r1"}, names()); diff != "" {
		t.Errorf("sets after a reload (-want +got):\n%s", diff)
	}
	for _, s := range a.metrics.Sets() {
		for _, at := range s.Attrs() {
			if s.Kind == metric.Channel && at.Flume == "ChannelCapacity" && at.Func() != 500 {
				t.Errorf("capacity of c1: %v, want the new one, 500", at.Func())
			}
		}
		if started, stopped := s.Times(); started == 0 || stopped != 0 {
			t.Errorf("%s %s: started %d, stopped %d, want it running", s.Kind, s.Name, started, stopped)
		}
	}
	a.Stop(context.Background())
}

func TestStopWaitsForAReloadThatDrains(t *testing.T) {
	for _, hard := range []bool{false, true} {
		st := newStage(t)
		two := simple("a1.channels = c1 c2", "a1.sinks = k1 k2", "a1.channels.c2.type = memory", "a1.sources.r1.channels = c1 c2",
			"a1.sinks.k2.type = probe", "a1.sinks.k2.stage = STAGE", "a1.sinks.k2.channel = c2")
		a := start(t, two...)
		open := st.shut("k2")
		st.feed("r1") <- numbered(0, 30)
		until(t, "events in c2", func() bool { return a.now.channels["c2"].size() == 30 })
		p := plan(t, simple()...)
		ctx, cancel := context.WithCancel(t.Context())
		reloaded := make(chan error, 1)
		go func() {
			_, err := a.Reload(ctx, p)
			reloaded <- err
		}()
		until(t, "the new generation", func() bool { return a.Status().Generation == 2 })
		cancel() // as the run verb does on a signal
		stop, cut := context.WithCancel(t.Context())
		ended := make(chan End, 1)
		go func() { ended <- a.Stop(stop) }()
		until(t, "draining", func() bool { return a.Status().Draining })
		if hard {
			cut()
			if end := <-ended; end.Lost["c2"] != 30 {
				t.Errorf("end: %+v, want 30 lost of c2", end)
			}
		} else {
			open()
			if end := <-ended; len(end.Lost) > 0 || len(st.in("k2")) != 30 {
				t.Errorf("end: %+v, k2 has %d events, want 30 and none lost", end, len(st.in("k2")))
			}
		}
		if err := <-reloaded; err != nil {
			t.Errorf("reload: %v", err)
		}
		open()
		cut()
	}
}

func TestPortsAreExchangedInOneReload(t *testing.T) {
	st := newStage(t)
	config := func(port1, port2 string) []string {
		return simple("a1.sources = r1 r2", "a1.sources.r1.type = netcat", "a1.sources.r1.bind = 127.0.0.1", "a1.sources.r1.port = "+port1,
			"a1.sources.r2.type = netcat", "a1.sources.r2.bind = 127.0.0.1", "a1.sources.r2.port = "+port2, "a1.sources.r2.channels = c1",
			"a1.sources.r2.interceptors = i1", "a1.sources.r2.interceptors.i1.type = search_replace",
			"a1.sources.r2.interceptors.i1.searchPattern = ^", "a1.sources.r2.interceptors.i1.replaceString = r2:")
	}
	a := start(t, config("0", "0")...)
	_, one, _ := strings.Cut(address(t, a, "r1"), ":")
	_, two, _ := strings.Cut(address(t, a, "r2"), ":")
	reload(t, a, config(two, one)...)
	for _, name := range []string{"r1", "r2"} {
		if c := component(t, a, name); c.State != Running {
			t.Errorf("%s: %s %s, want RUNNING", name, c.State, c.LastError)
		}
	}
	conn := dial(t, "127.0.0.1:"+one)
	fmt.Fprintln(conn, "hello")
	until(t, "delivery", func() bool { return len(st.in("k1")) == 1 })
	if got := st.in("k1")[0]; got != "r2:hello" {
		t.Errorf("the port of r1 now leads to %q, want r2:hello", got)
	}
}
