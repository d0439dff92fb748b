package elasticsearch

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// dateFormat writes times by the letters of Java's FastDateFormat, in English, weeks as in the United States.
type dateFormat []dateField

// dateField is a run of one letter, or literal text when letter is 0.
type dateField struct {
	letter byte
	count  int
	text   string
}

func parseDateFormat(pattern string) (dateFormat, error) {
	var f dateFormat
	for i := 0; i < len(pattern); {
		c := pattern[i]
		if c == '\'' {
			end := strings.IndexByte(pattern[i+1:], '\'')
			if end < 0 {
				return nil, fmt.Errorf("date format %q: a quote is not closed", pattern)
			}
			text := pattern[i+1 : i+1+end]
			if end == 0 {
				text = "'"
			}
			f = append(f, dateField{text: text})
			i += end + 2
			continue
		}
		n := 1
		for i+n < len(pattern) && pattern[i+n] == c {
			n++
		}
		switch {
		case strings.IndexByte("GyMdkHmsSEDFwWahKzZ", c) >= 0:
			f = append(f, dateField{letter: c, count: n})
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			return nil, fmt.Errorf("date format %q: %c is no letter of Java's date formats; did you mean %c?", pattern, c, c^0x20)
		default:
			f = append(f, dateField{text: pattern[i : i+n]})
		}
		i += n
	}
	return f, nil
}

func (f dateFormat) append(dst []byte, t time.Time) []byte {
	for _, d := range f {
		dst = d.append(dst, t)
	}
	return dst
}

func (d dateField) append(dst []byte, t time.Time) []byte {
	hour12 := t.Hour() % 12
	switch d.letter {
	case 0:
		return append(dst, d.text...)
	case 'G':
		return append(dst, "AD"...)
	case 'y':
		if d.count == 2 {
			return padded(dst, t.Year()%100, 2)
		}
		return padded(dst, t.Year(), d.count)
	case 'M':
		switch {
		case d.count > 3:
			return append(dst, t.Month().String()...)
		case d.count == 3:
			return append(dst, t.Month().String()[:3]...)
		}
		return padded(dst, int(t.Month()), d.count)
	case 'E':
		if d.count > 3 {
			return append(dst, t.Weekday().String()...)
		}
		return append(dst, t.Weekday().String()[:3]...)
	case 'a':
		return t.AppendFormat(dst, "PM")
	case 'z':
		return t.AppendFormat(dst, "MST")
	case 'Z':
		if d.count == 2 {
			return t.AppendFormat(dst, "-07:00")
		}
		return t.AppendFormat(dst, "-0700")
	case 'd':
		return padded(dst, t.Day(), d.count)
	case 'D':
		return padded(dst, t.YearDay(), d.count)
	case 'F':
		return padded(dst, (t.Day()+6)/7, d.count)
	case 'w':
		return padded(dst, week(t), d.count)
	case 'W':
		first := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
		return padded(dst, (t.Day()-1+int(first.Weekday()))/7+1, d.count)
	case 'H':
		return padded(dst, t.Hour(), d.count)
	case 'k':
		return padded(dst, (t.Hour()+23)%24+1, d.count)
	case 'K':
		return padded(dst, hour12, d.count)
	case 'h':
		return padded(dst, (hour12+11)%12+1, d.count)
	case 'm':
		return padded(dst, t.Minute(), d.count)
	case 's':
		return padded(dst, t.Second(), d.count)
	}
	return padded(dst, t.Nanosecond()/1e6, d.count) // S
}

// week counts weeks from Sunday; the first is the one with January 1st, so that the last days of a year may be of week 1.
func week(t time.Time) int {
	saturday := t.AddDate(0, 0, 6-int(t.Weekday()))
	if saturday.Year() > t.Year() {
		return 1
	}
	first := time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	return (t.YearDay()-1+int(first.Weekday()))/7 + 1
}

func padded(dst []byte, n, width int) []byte {
	text := strconv.Itoa(n)
	for i := len(text); i < width; i++ {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}
