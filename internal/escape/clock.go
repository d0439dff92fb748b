package escape

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Unit is a field of the time that is rounded.
type Unit uint8

// The units that Flume rounds by.
const (
	None Unit = iota
	Second
	Minute
	Hour
)

// Rounding takes the time down to a multiple of Value in one of its fields, by the wall clock of the zone; smaller fields
// become 0 (Flume's TimestampRoundDownUtil). The raw %t is never rounded.
type Rounding struct {
	Unit  Unit
	Value int // 1 to 60, for hours 1 to 24
}

// ParseUnit reads second, minute or hour, in any case.
func ParseUnit(s string) (Unit, error) {
	switch strings.ToLower(s) {
	case "second":
		return Second, nil
	case "minute":
		return Minute, nil
	case "hour":
		return Hour, nil
	}
	return None, fmt.Errorf("%q is none of second, minute, hour", s)
}

func (r Rounding) check() error {
	most := map[Unit]int{Second: 60, Minute: 60, Hour: 24}[r.Unit]
	if r.Unit != None && (r.Value < 1 || r.Value > most) {
		return fmt.Errorf("rounding by %d: must be 1 to %d", r.Value, most)
	}
	return nil
}

// What a field changes with.
const (
	day = iota
	hour
	minute
	second
)

// fields are the time escapes: the layout of package time that makes them, or 0 layout where append does.
var fields = map[byte]struct {
	finest int
	layout string
}{
	'a': {day, "Mon"}, 'A': {day, "Monday"}, 'b': {day, "Jan"}, 'B': {day, "January"},
	'c': {second, "Mon Jan 2 15:04:05 2006"},
	'd': {day, "02"}, 'e': {day, "2"}, 'D': {day, "01/02/06"},
	'H': {hour, "15"}, 'I': {hour, "03"}, 'j': {day, "002"}, 'k': {hour, ""}, 'l': {hour, "3"},
	'm': {day, "01"}, 'n': {day, "1"}, 'M': {minute, "04"}, 'p': {hour, "PM"},
	's': {second, ""}, 'S': {second, "05"}, 'y': {day, "06"}, 'Y': {day, "2006"}, 'z': {day, "-0700"},
}

// clock keeps the texts of the time fields and for how long they hold.
type clock struct {
	zone   *time.Location
	round  Rounding
	finest int
	codes  []byte
	texts  [][]byte // by index of codes

	from, until int64 // the Unix seconds for which texts hold; empty at first

	raw string // last timestamp parsed
	ms  int64
}

// add takes the field in and returns its index.
func (c *clock) add(code byte) int {
	if f, ok := fields[code]; ok {
		c.finest = max(c.finest, f.finest)
	}
	c.codes = append(c.codes, code)
	c.texts = append(c.texts, nil)
	return len(c.codes) - 1
}

// parse reads a timestamp header as Java's Long.valueOf does.
func (c *clock) parse(raw string) (ms int64, ok bool) {
	if raw == c.raw && raw != "" {
		return c.ms, true
	}
	ms, err := strconv.ParseInt(raw, 10, 64)
	if err != nil {
		return 0, false
	}
	c.raw, c.ms = raw, ms
	return ms, true
}

// set makes the texts those of the time and tells whether they may have changed.
func (c *clock) set(ms int64) bool {
	sec := ms / 1000
	if ms%1000 < 0 {
		sec--
	}
	if c.from <= sec && sec < c.until {
		return false
	}
	t := time.Unix(sec, 0).In(c.zone)
	c.hold(t, sec)
	t = c.round.down(t)
	for i, code := range c.codes {
		c.texts[i] = appendField(c.texts[i][:0], t, code, ms)
	}
	return true
}

// hold finds the span around t in which no field in use changes and the zone's offset stays.
func (c *clock) hold(t time.Time, sec int64) {
	finest := c.finest
	if u := c.round.Unit; u != None {
		finest = min(finest, map[Unit]int{Second: second, Minute: minute, Hour: hour}[u])
	}
	h, m, s := t.Clock()
	switch finest {
	case day:
		c.from = sec - int64(h*3600+m*60+s)
		c.until = c.from + 24*3600
	case hour:
		c.from = sec - int64(m*60+s)
		c.until = c.from + 3600
	case minute:
		c.from = sec - int64(s)
		c.until = c.from + 60
	case second:
		c.from, c.until = sec, sec+1
	}
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		c.from = max(c.from, start.Unix())
	}
	if !end.IsZero() {
		c.until = min(c.until, end.Unix())
	}
}

func (r Rounding) down(t time.Time) time.Time {
	h, m, s := t.Clock()
	switch r.Unit {
	case Second:
		return sameOffset(t, t.Add(-time.Duration(s%r.Value)*time.Second))
	case Minute:
		return sameOffset(t, t.Add(-time.Duration(m%r.Value*60+s)*time.Second))
	case Hour:
		y, mo, d := t.Date()
		return time.Date(y, mo, d, h-h%r.Value, 0, 0, 0, t.Location())
	}
	return t
}

// sameOffset returns down with the offset of t, where the clocks changed between the two.
func sameOffset(t, down time.Time) time.Time {
	name, offset := t.Zone()
	if _, o := down.Zone(); o != offset {
		return down.In(time.FixedZone(name, offset))
	}
	return down
}

func appendField(dst []byte, t time.Time, code byte, ms int64) []byte {
	switch code {
	case '%':
		return append(dst, '%')
	case 'k':
		return strconv.AppendInt(dst, int64(t.Hour()), 10)
	case 's':
		if u := t.Unix(); u >= 0 {
			return strconv.AppendInt(dst, u, 10)
		}
		return strconv.AppendInt(dst, ms/1000, 10) // towards zero, as Java divides
	}
	return t.AppendFormat(dst, fields[code].layout)
}
