package agent

import (
	"errors"
	"testing"
	"time"
)

func TestPulseInOneLine(t *testing.T) {
	at := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	before := Pulse{At: at, Traffic: Traffic{Received: 1000, Delivered: 900}}
	for _, c := range []struct {
		now  Pulse
		want string
	}{
		{Pulse{At: at}, "0 events/s in, 0 out"},
		{Pulse{At: at.Add(10 * time.Second), Traffic: Traffic{Received: 125000, Delivered: 124950}, Channels: []Fill{{"c1", 320, 1000}, {"c2", 7, 0}}},
			"12400 events/s in, 12405 out; c1 32 %; c2 7"},
		{Pulse{At: at.Add(time.Second), Traffic: Traffic{Received: 1000, Delivered: 900}, Trouble: []string{"sink k1 BACKOFF: connection refused"}},
			"0 events/s in, 0 out; sink k1 BACKOFF: connection refused"},
	} {
		if got := c.now.Line(before); got != c.want {
			t.Errorf("Line: %q, want %q", got, c.want)
		}
	}
}

func TestPulseTellsWhatWaitsAndWhatIsWrong(t *testing.T) {
	st := newStage(t)
	a := start(t, simple()...)
	open := st.shut("k1")
	st.feed("r1") <- numbered(0, 50)
	until(t, "events in the channel", func() bool { return a.now.channels["c1"].size() == 50 })
	p := a.Pulse()
	if p.Received != 50 || p.Delivered != 0 || len(p.Channels) != 1 || p.Channels[0].Name != "c1" || p.Channels[0].Events != 50 || len(p.Trouble) != 0 {
		t.Errorf("Pulse: %+v, want 50 received and in c1, nothing wrong", p)
	}
	st.trip("k1", errors.New("the server is away"))
	open()
	until(t, "trouble of the sink", func() bool {
		p := a.Pulse()
		return len(p.Trouble) == 1 && p.Trouble[0] == "sink k1 BACKOFF: the server is away"
	})
}
