// Package escape fills in the escapes of Flume's BucketPath: %Y and its kin from an event's timestamp, %{name} from its
// headers, %[localhost] from the machine. Paths, file names, topics, indexes and partitions are made of them.
//
// What is the same for many events is made once: the time is formatted again only when the smallest field in use changes,
// and a text that was made before is handed out again, so that Render allocates nothing in the steady state.
package escape

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"goflume/event"
	"goflume/internal/machine"
)

// ErrTimestamp is what Render returns, wrapped, for an event without a timestamp header, or with one that is no number,
// where the template has an escape that needs it. Trying again does not help.
var ErrTimestamp = errors.New("timestamp header")

// Options of a template. The zero Options are: the machine's zone, no rounding, time from the event, values as they are.
type Options struct {
	Zone *time.Location // nil is the machine's
	// LocalTime takes the time from the clock in place of the event's timestamp header.
	LocalTime bool
	Round     Rounding
	Confine   Confine
	// Reserved are ASCII characters that become _ in values, beside those that Confine replaces. Without Confine it does
	// nothing.
	Reserved string
}

// What a template remembers, so that events with long headers cannot fill the memory.
const (
	internMax     = 4096 // texts: more than the files or topics that are in use at a time
	internLongest = 4096 // bytes of one: a longer one is no path that a file system takes (PATH_MAX)
)

// Template is a compiled template. It remembers its last results, so it is used by one goroutine at a time.
type Template struct {
	opts     Options
	parts    []part
	headers  []string // names of the headers in use, each once
	needTime bool     // an escape needs the event's time, even if only to be there
	rawTime  bool     // %t is in use
	start    int      // of the segment in which the first escape stands
	clock    clock

	// The last text and what it was made of.
	made     bool
	text     rendered
	values   []string // of headers
	rawMade  string   // the timestamp, where rawTime
	buf      []byte
	interned map[string]rendered

	confined int
}

type rendered struct {
	text     string
	confined bool // something was replaced in it
}

// Compile reads a template. It errs on %[name] with a name that Flume does not know, on a rounding out of range, and
// where Confine cannot hold: see there.
func Compile(template string, o Options) (*Template, error) {
	if err := o.Round.check(); err != nil {
		return nil, err
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	t := &Template{opts: o, parts: parse(template), interned: map[string]rendered{}}
	t.clock = clock{zone: o.Zone, round: o.Round, finest: day}
	for i := range t.parts {
		p := &t.parts[i]
		switch p.kind {
		case header:
			if p.index = slices.Index(t.headers, p.text); p.index < 0 {
				p.index = len(t.headers)
				t.headers = append(t.headers, p.text)
			}
		case timeField:
			t.needTime = true
			t.rawTime = t.rawTime || p.code == 't'
			if p.code != 't' {
				p.index = t.clock.add(p.code)
			}
		case machineName:
			if !machine.Known(p.text) {
				return nil, fmt.Errorf("%%[%s] is none of %%[localhost], %%[IP], %%[FQDN]", p.text)
			}
		}
	}
	t.values = make([]string, len(t.headers))
	if o.Confine != Free {
		if err := t.confine(template); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Headers returns the names of the event headers that the template shows, without the timestamp.
func (t *Template) Headers() []string { return t.headers }

// NeedsTimestamp tells whether every event must have a timestamp header.
func (t *Template) NeedsTimestamp() bool { return t.needTime && !t.opts.LocalTime }

// Render returns the template's text for e. now is the clock for Options.LocalTime; a caller reads it once a batch. Equal
// texts are usually the same string, so that comparing them costs little.
func (t *Template) Render(e *event.Event, now time.Time) (string, error) {
	same := t.made
	if t.needTime {
		moved, err := t.setTime(e, now)
		if err != nil {
			return "", err
		}
		same = same && !moved
	}
	for i, name := range t.headers {
		if v, _ := e.Header(name); v != t.values[i] {
			t.values[i], same = v, false
		}
	}
	if !same {
		if err := t.build(); err != nil {
			t.made = false
			return "", err
		}
	}
	if t.text.confined {
		t.confined++
	}
	return t.text.text, nil
}

// Append appends the template's text for e to dst.
func (t *Template) Append(dst []byte, e *event.Event, now time.Time) ([]byte, error) {
	s, err := t.Render(e, now)
	return append(dst, s...), err
}

// Confined returns for how many events since the last call a value was changed by Confine.
func (t *Template) Confined() int {
	n := t.confined
	t.confined = 0
	return n
}

// setTime moves the clock to the event's time and tells whether that changes the text.
func (t *Template) setTime(e *event.Event, now time.Time) (moved bool, err error) {
	var raw string
	var ms int64
	if t.opts.LocalTime {
		ms = now.UnixMilli()
		if t.rawTime {
			raw = strconv.FormatInt(ms, 10)
		}
	} else {
		var ok bool
		if raw, ok = e.Header("timestamp"); !ok {
			return false, fmt.Errorf("an escape needs the %w and the event has none", ErrTimestamp)
		}
		if ms, ok = t.clock.parse(raw); !ok {
			return false, fmt.Errorf("%w %.40q is not a number of milliseconds", ErrTimestamp, raw)
		}
	}
	if t.opts.Round.Unit != 0 && ms <= 0 {
		return false, fmt.Errorf("%w %d cannot be rounded: it must be above 0", ErrTimestamp, ms)
	}
	if t.rawTime && raw != t.rawMade {
		t.rawMade, moved = raw, true
	}
	return t.clock.set(ms) || moved, nil
}

// build makes the text anew from the values and the clock.
func (t *Template) build() error {
	dst := t.buf[:0]
	confined := false
	for i := range t.parts {
		p := &t.parts[i]
		switch p.kind {
		case literal:
			dst = append(dst, p.text...)
		case header:
			at := len(dst)
			dst = append(dst, t.values[p.index]...)
			if t.opts.Confine != Free {
				var bad bool
				dst, bad = t.cleanValue(dst, at)
				confined = confined || bad
			}
		case timeField:
			if p.code == 't' {
				dst = append(dst, t.rawMade...)
			} else {
				dst = append(dst, t.clock.texts[p.index]...)
			}
		case machineName:
			name, err := machine.Name(p.text)
			if err != nil {
				return err
			}
			dst = append(dst, name...)
		}
	}
	if t.opts.Confine != Free {
		var bad bool
		dst, bad = cleanSegments(dst, t.start)
		confined = confined || bad
	}
	t.buf = dst
	r, ok := t.interned[string(dst)]
	if !ok || r.confined != confined {
		if len(t.interned) >= internMax {
			clear(t.interned)
		}
		r = rendered{string(dst), confined}
		if len(dst) <= internLongest {
			t.interned[r.text] = r
		}
	}
	t.text, t.made = r, true
	return nil
}
