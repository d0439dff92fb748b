package agent

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Pulse is what has moved and what waits at one moment. Taking it needs the locks that the flow needs: where one of them
// is held for good, it does not return.
type Pulse struct {
	At time.Time
	Traffic
	Channels []Fill
	Trouble  []string // a line for each component that does not run
}

// Fill is how full a channel is.
type Fill struct {
	Name     string
	Events   int // those in transactions included; 0 where nobody knows
	Capacity int // 0 for none
}

// Pulse looks at every component.
func (a *Agent) Pulse() Pulse {
	p := Pulse{At: time.Now(), Traffic: a.totals()}
	for _, c := range a.Status().Components {
		if c.State != Running {
			p.Trouble = append(p.Trouble, c.Line())
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.now.channels {
		p.Channels = append(p.Channels, Fill{c.name(), c.size(), c.channel.Stats().Capacity})
	}
	slices.SortFunc(p.Channels, func(x, y Fill) int { return cmp.Compare(x.Name, y.Name) })
	return p
}

// Line is the pulse in one line, with rates since the one before: "12400 events/s in, 12395 out; c1 32 %".
func (p Pulse) Line(before Pulse) string {
	parts := []string{"0 events/s in, 0 out"}
	if passed := p.At.Sub(before.At).Seconds(); passed > 0 {
		rate := func(n int64) int64 { return int64(float64(n)/passed + 0.5) }
		parts[0] = fmt.Sprintf("%d events/s in, %d out", rate(p.Received-before.Received), rate(p.Delivered-before.Delivered))
	}
	for _, c := range p.Channels {
		if c.Capacity > 0 {
			parts = append(parts, fmt.Sprintf("%s %d %%", c.Name, 100*c.Events/c.Capacity))
		} else {
			parts = append(parts, fmt.Sprintf("%s %d", c.Name, c.Events))
		}
	}
	return strings.Join(append(parts, p.Trouble...), "; ")
}
