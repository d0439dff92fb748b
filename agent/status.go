package agent

import (
	"strings"
	"time"

	"goflume/internal/metric"
)

// State says how a component fares.
type State string

// The states of a component, in the words of the REST interface.
const (
	Starting State = "STARTING" // opening, replaying, binding for the first time
	Running  State = "RUNNING"
	Backoff  State = "BACKOFF"  // failed and waits before the next try
	Failed   State = "FAILED"   // gave up; needs a human
	Stopped  State = "STOPPED"  // for good, the agent is ending or the component was removed
	Rejected State = "REJECTED" // its configuration has errors; only with --lenient
)

// Status is what the agent tells of itself at one moment.
type Status struct {
	Agent      string
	Version    string
	Revision   string
	Started    time.Time // of the process
	Ready      bool      // every component has settled once since the start
	Draining   bool      // the agent is ending
	Generation int       // of the configuration, counted from 1
	Loaded     time.Time // when the running generation was loaded
	ReloadOK   bool      // the last load was taken over
	ReloadErr  string    // why the last reload was refused, empty if it was not
	Rejected   int       // components left out of the running generation for their errors
	Components []ComponentStatus
}

// ComponentStatus is the part of one source, channel or sink.
type ComponentStatus struct {
	Kind      metric.Kind
	Name      string
	Type      string
	State     State
	Since     time.Time // of State
	LastError string    // empty if there was none since the start
	ErrorAt   time.Time // of LastError
	Errors    int       // failures since the start
	Delivered bool      // sinks: a batch was delivered, or the destination was reached, since the start
	Dropped   int64     // sinks: events dropped or filed since the start, as onError says
	Addresses []string  // sources: where they listen now
	Sick      bool      // channels: it says that it cannot take or keep events now
}

// NotReady lists why the agent cannot take events now: nothing loaded, draining, a channel that is not open, a source
// that is not running. With sinks, also every sink that runs not or has not reached its destination since the start.
func (s Status) NotReady(sinks bool) []string {
	var why []string
	switch {
	case s.Generation == 0:
		why = append(why, "no configuration is loaded")
	case s.Draining:
		why = append(why, "the agent is draining")
	case !s.Ready:
		why = append(why, "the agent is starting")
	}
	for _, c := range s.Components {
		ok := c.State == Running
		if c.Kind == metric.Sink {
			if !sinks {
				continue
			}
			ok = ok && c.Delivered
		}
		if !ok {
			why = append(why, c.Line())
		}
	}
	return why
}

// Unhealthy lists the channels that cannot write, now or without a restart. Sinks and sources are no part of it: restarting
// the agent because a destination is away makes things worse.
func (s Status) Unhealthy() []string {
	var why []string
	for _, c := range s.Components {
		if c.Kind == metric.Channel && (c.Sick || c.State == Failed) {
			why = append(why, c.Line())
		}
	}
	return why
}

// Line describes the component in one line, such as "sink k1 BACKOFF: connection refused".
func (c ComponentStatus) Line() string {
	s := strings.ToLower(string(c.Kind)) + " " + c.Name + " " + string(c.State)
	if c.State != Running && c.State != Stopped && c.LastError != "" {
		s += ": " + c.LastError
	}
	if c.Kind == metric.Sink && c.State == Running && !c.Delivered {
		s += " (nothing delivered yet)"
	}
	return s
}
