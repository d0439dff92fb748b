package elasticsearch

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"goflume/event"
	"goflume/internal/escape"
)

// errIndex is matched by errors about an event that has no valid index.
var errIndex = errors.New("no valid index")

// namer finds the index of an event. It is used by one goroutine.
type namer struct {
	prefix *escape.Template
	format dateFormat // nil for names without a date
	zone   *time.Location

	// The last answer, which holds for events of the same prefix within the same second.
	last   string
	second int64
	name   string
}

func newNamer(s Settings) (*namer, error) {
	prefix, err := escape.Compile(s.IndexName, escape.Options{Zone: time.UTC})
	if err != nil {
		return nil, err
	}
	n := &namer{prefix: prefix, second: -1 << 62}
	switch classAlias(s.IndexNameBuilder) {
	case "simple":
		return n, nil
	case "time":
	default:
		return nil, fmt.Errorf("indexNameBuilder %q is neither time nor simple", s.IndexNameBuilder)
	}
	if s.DataStream {
		return n, nil // the server makes the indexes of a data stream, by age and size
	}
	if s.DateFormat == "" {
		s.DateFormat = "yyyy-MM-dd"
	}
	if n.format, err = parseDateFormat(s.DateFormat); err != nil {
		return nil, err
	}
	n.zone, err = escape.Zone(s.TimeZone)
	return n, err
}

// index returns the event's index. now serves events without a time.
func (n *namer) index(e *event.Event, now time.Time) (string, error) {
	prefix, err := n.prefix.Render(e, now)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errIndex, err)
	}
	if n.format == nil {
		return prefix, nil
	}
	at, err := eventTime(e, now)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errIndex, err)
	}
	if second := at.Unix(); second != n.second || prefix != n.last {
		n.name = string(n.format.append(append([]byte(prefix), '-'), at.In(n.zone)))
		n.second, n.last = second, prefix
	}
	return n.name, nil
}

// eventTime is what Flume names an index by: the header timestamp, else @timestamp, else now; both in milliseconds.
func eventTime(e *event.Event, now time.Time) (time.Time, error) {
	for _, name := range []string{"timestamp", "@timestamp"} {
		text, ok := e.Header(name)
		if !ok || strings.TrimSpace(text) == "" {
			continue
		}
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return time.Time{}, fmt.Errorf("header %s is %.40q, want milliseconds since 1970", name, text)
		}
		return time.UnixMilli(ms), nil
	}
	return now, nil
}

// checkIndex says why a server would refuse the name; so that no header leads into an index of another kind, nor a whole
// request fails for one event.
func checkIndex(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("%w: the name %q", errIndex, name)
	case len(name) > 255:
		return fmt.Errorf("%w: the name has %d bytes, 255 is the most", errIndex, len(name))
	case strings.IndexByte("-_+.", name[0]) >= 0:
		return fmt.Errorf("%w: the name %q begins with %q", errIndex, name, name[0])
	}
	for _, r := range name {
		if r < ' ' || strings.ContainsRune(`\/*?"<>| ,#:`, r) {
			return fmt.Errorf("%w: the name %q has the character %q", errIndex, name, r)
		}
	}
	if strings.ToLower(name) != name {
		return fmt.Errorf("%w: the name %q is not lower case", errIndex, name)
	}
	return nil
}
