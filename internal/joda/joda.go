// Package joda reads dates by the patterns of Joda-Time, such as `yyyy-MM-dd HH:mm:ss`, as Flume's regex_extractor does.
// Names of months and days are English. What a pattern does not give is the first of its kind: a day without a year is one
// of 2000, a time without a day one of 1970-01-01. The name of a day is read, not used.
package joda

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Pattern is a compiled pattern. It may be used by many goroutines at once.
type Pattern struct {
	text   string
	fields []field
	year   int // where the text gives none
}

// field is a run of one letter, or literal text when letter is 0.
type field struct {
	letter byte
	count  int
	text   string
	packed bool // a year that digits follow at once: take at most count
}

// numeric are the letters read as numbers, with the most digits that are taken.
var numeric = map[byte]int{'y': 9, 'Y': 9, 'M': 2, 'd': 2, 'D': 3, 'H': 2, 'k': 2, 'K': 2, 'h': 2, 'm': 2, 's': 2, 'S': 9}

// Compile reads a pattern. A letter that is not supported is an error.
func Compile(pattern string) (*Pattern, error) {
	p := &Pattern{text: pattern, year: 1970}
	for i := 0; i < len(pattern); {
		c := pattern[i]
		switch {
		case c == '\'':
			text, n, err := quoted(pattern[i:])
			if err != nil {
				return nil, err
			}
			p.fields = append(p.fields, field{text: text})
			i += n
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			n := 1
			for i+n < len(pattern) && pattern[i+n] == c {
				n++
			}
			if numeric[c] == 0 && !strings.ContainsRune("EaZz", rune(c)) {
				return nil, fmt.Errorf("date pattern %q: the letter %c is not supported; y M d D E a H k K h m s S Z z are", pattern, c)
			}
			p.fields = append(p.fields, field{letter: c, count: n})
			if c == 'M' || c == 'd' || c == 'D' {
				p.year = 2000
			}
			i += n
		default:
			_, n := utf8.DecodeRuneInString(pattern[i:])
			p.fields = append(p.fields, field{text: pattern[i : i+n]})
			i += n
		}
	}
	for i := range p.fields[:max(0, len(p.fields)-1)] {
		f := &p.fields[i]
		f.packed = (f.letter == 'y' || f.letter == 'Y') && p.fields[i+1].isNumber()
	}
	return p, nil
}

func (f field) isNumber() bool { return numeric[f.letter] > 0 && !(f.letter == 'M' && f.count > 2) }

// quoted reads text between single quotes; two quotes are one.
func quoted(s string) (text string, n int, err error) {
	if strings.HasPrefix(s, "''") {
		return "'", 2, nil
	}
	for n = 1; n < len(s); n++ {
		if s[n] != '\'' {
			text += s[n : n+1]
		} else if n+1 < len(s) && s[n+1] == '\'' {
			text += "'"
			n++
		} else {
			return text, n + 1, nil
		}
	}
	return "", 0, fmt.Errorf("date pattern: a quote is not closed in %q", s)
}

// date collects what the fields give.
type date struct {
	year, month, day, yearDay        int
	hour, half, minute, second, nano int // half: hour of a half day, -1 for none
	pm                               bool
	zone                             *time.Location
}

// Parse reads text, all of it, in zone unless the pattern gives an offset.
func (p *Pattern) Parse(text string, zone *time.Location) (time.Time, error) {
	d := date{year: p.year, month: 1, day: 1, half: -1, zone: zone}
	rest := text
	for _, f := range p.fields {
		n, err := d.read(f, rest)
		if err != nil {
			return time.Time{}, fmt.Errorf("%q is no date of the form %q: %w at character %d", text, p.text, err, len(text)-len(rest)+1)
		}
		rest = rest[n:]
	}
	if rest != "" {
		return time.Time{}, fmt.Errorf("%q is no date of the form %q: %q is left over", text, p.text, rest)
	}
	if d.half >= 0 {
		d.hour = d.half
		if d.pm {
			d.hour += 12
		}
	}
	if d.yearDay > 0 {
		d.month, d.day = 1, d.yearDay
	}
	t := time.Date(d.year, time.Month(d.month), d.day, d.hour, d.minute, d.second, d.nano, d.zone)
	if d.yearDay == 366 && t.Year() != d.year {
		return time.Time{}, fmt.Errorf("%q: the year %d has no day 366", text, d.year)
	}
	if d.yearDay == 0 && t.Day() != d.day && t.Month() != time.Month(d.month) {
		return time.Time{}, fmt.Errorf("%q: month %d of %d has no day %d", text, d.month, d.year, d.day)
	}
	return t, nil
}

// read takes one field from the front of s and returns its bytes.
func (d *date) read(f field, s string) (int, error) {
	switch {
	case f.letter == 0:
		if len(s) < len(f.text) || !strings.EqualFold(s[:len(f.text)], f.text) {
			return 0, fmt.Errorf("want %q", f.text)
		}
		return len(f.text), nil
	case f.isNumber():
		return d.number(f, s)
	}
	switch f.letter {
	case 'M':
		i, n := longest(s, func(i int) string { return time.Month(i + 1).String() }, 12)
		d.month = i + 1
		return n, wanted(n, "a month's name")
	case 'E':
		_, n := longest(s, func(i int) string { return time.Weekday(i).String() }, 7)
		return n, wanted(n, "a day's name")
	case 'a':
		i, n := longest(s, func(i int) string { return [2]string{"AM", "PM"}[i] }, 2)
		d.pm = i == 1
		return n, wanted(n, "AM or PM")
	}
	return d.offset(s)
}

func wanted(n int, what string) error {
	if n == 0 {
		return fmt.Errorf("want %s", what)
	}
	return nil
}

// longest finds which of the names, or their first three letters, s begins with, in any case.
func longest(s string, name func(int) string, count int) (which, n int) {
	for i := range count {
		for _, text := range []string{name(i), name(i)[:min(3, len(name(i)))]} {
			if len(text) > n && len(s) >= len(text) && strings.EqualFold(s[:len(text)], text) {
				which, n = i, len(text)
			}
		}
	}
	return which, n
}

func (d *date) number(f field, s string) (int, error) {
	most := numeric[f.letter]
	if f.packed || f.letter == 'S' {
		most = max(f.count, 1)
	}
	n := 0
	if (f.letter == 'y' || f.letter == 'Y') && (strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+")) {
		n, most = 1, most+1
	}
	sign := n
	for n < most && n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	v, err := strconv.Atoi(s[:n])
	if err != nil {
		return 0, fmt.Errorf("want a number")
	}
	lo, hi := 0, 59
	var to *int
	switch f.letter {
	case 'y', 'Y':
		if f.count == 2 && n-sign == 2 && sign == 0 {
			v = pivot(v)
		}
		d.year = v
		return n, nil
	case 'S':
		for i := n; i < 9; i++ {
			v *= 10
		}
		for i := n; i > 9; i-- {
			v /= 10
		}
		d.nano = v
		return n, nil
	case 'M':
		lo, hi, to = 1, 12, &d.month
	case 'd':
		lo, hi, to = 1, 31, &d.day
	case 'D':
		lo, hi, to = 1, 366, &d.yearDay
	case 'H':
		hi, to = 23, &d.hour
	case 'k':
		lo, hi, to = 1, 24, &d.hour
	case 'K':
		hi, to = 11, &d.half
	case 'h':
		lo, hi, to = 1, 12, &d.half
	case 'm':
		to = &d.minute
	case 's':
		to = &d.second
	}
	if v < lo || v > hi {
		return 0, fmt.Errorf("%d is not between %d and %d", v, lo, hi)
	}
	if f.letter == 'k' && v == 24 || f.letter == 'h' && v == 12 {
		v = 0
	}
	*to = v
	return n, nil
}

// pivot puts a year of two digits into the hundred years around the current one less 30, as Joda does.
func pivot(v int) int {
	low := time.Now().Year() - 30 - 50
	year := low/100*100 + v
	for year < low {
		year += 100
	}
	return year
}

// offset reads Z, +hh, +hhmm, +hh:mm or UTC and GMT.
func (d *date) offset(s string) (int, error) {
	for _, name := range []string{"UTC", "GMT", "Z"} {
		if len(s) >= len(name) && strings.EqualFold(s[:len(name)], name) {
			d.zone = time.UTC
			return len(name), nil
		}
	}
	for _, layout := range []string{"-07:00", "-0700", "-07"} {
		if len(s) >= len(layout) {
			if t, err := time.Parse(layout, s[:len(layout)]); err == nil {
				d.zone = t.Location()
				return len(layout), nil
			}
		}
	}
	return 0, fmt.Errorf("want an offset such as +0100")
}
