package agent

import (
	"slices"
	"testing"
)

// Sinks move from group to group in one reload: k1 from one that drains a removed channel to g2, k2 from g2 to g3. While k1
// drains, g2 rests, and so k2, which g2 still has, is in no second group.
func TestSinksThatMoveFromGroupToGroupAreInOneAtATime(t *testing.T) {
	st := newStage(t)
	base := []string{"a1.sources = r1", "a1.channels = c1 c2", "a1.sinks = k1 k2 k3", "a1.sinkgroups = g2 g3",
		"a1.sources.r1.type = probe", "a1.sources.r1.stage = STAGE", "a1.sources.r1.channels = c1 c2",
		"a1.channels.c1.type = memory", "a1.channels.c2.type = memory",
		"a1.sinkgroups.g2.processor.type = load_balance", "a1.sinkgroups.g3.processor.type = load_balance"}
	for _, k := range []string{"k1", "k2", "k3"} {
		base = append(base, "a1.sinks."+k+".type = probe", "a1.sinks."+k+".stage = STAGE", "a1.sinks."+k+".channel = c2")
	}
	before := append(slices.Clone(base), "a1.sinks.k1.channel = c1", "a1.sinkgroups.g2.sinks = k2", "a1.sinkgroups.g3.sinks = k3",
		"a1.sinkgroups.g2.processor.type = default", "a1.sinkgroups.g3.processor.type = default")
	after := append(slices.Clone(base), "a1.channels = c2", "a1.sources.r1.channels = c2",
		"a1.sinkgroups.g2.sinks = k1", "a1.sinkgroups.g3.sinks = k2 k3", "a1.sinkgroups.g2.processor.type = default")
	a := start(t, before...)
	open := st.shut("k1") // c1 has events at the reload
	defer open()
	st.feed("r1") <- numbered(0, 30)
	until(t, "delivery by the others", func() bool { return len(st.in("k2"))+len(st.in("k3")) == 30 })
	reloaded := make(chan struct{})
	go func() {
		defer close(reloaded)
		reload(t, a, after...)
	}()
	until(t, "the new generation", func() bool { return a.Status().Generation == 2 })
	slow := st.shut("k2")
	resting := st.shut("k3")
	defer resting()
	for i := range 8 {
		st.feed("r1") <- numbered(30+10*i, 40+10*i)
	}
	until(t, "k2 in a write", func() bool { return st.calling("k2") > 0 }) // k3 would take all that k2 is slow to look for
	resting()
	until(t, "everybody busy or done", func() bool { return st.calling("k2") > 1 || a.now.channels["c2"].size() <= 10 })
	slow()
	open()
	<-reloaded
	until(t, "delivery", func() bool { return len(st.in("k1"))+len(st.in("k2"))+len(st.in("k3")) == 140 })
	if st.has("two at once in k2") || st.has("two at once in k3") {
		t.Error("a sink was written to by two groups at once")
	}
}
