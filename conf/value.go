package conf

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// badValue is why a value cannot be decoded. text goes on the key's name: "is not a whole number".
type badValue struct {
	code  string
	text  string
	help  string
	flume string
}

func (b *badValue) Error() string { return b.text }

// set decodes the value into the field.
func (f *Field) set(value string) *badValue {
	v := f.value
	switch {
	case f.Type == durationType:
		return f.setDuration(value)
	case f.text() != nil:
		if err := f.text().UnmarshalText([]byte(value)); err != nil {
			return &badValue{code: codeMalformed, text: fmt.Sprintf("cannot be %q: %v", f.show(value), f.reason(err))}
		}
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		spelled, bad := f.inEnum(value)
		if bad == nil {
			v.SetString(spelled)
		}
		return bad
	case reflect.Bool:
		switch {
		case strings.EqualFold(value, "true"):
			v.SetBool(true)
		case strings.EqualFold(value, "false"):
			v.SetBool(false)
		default:
			return &badValue{code: codeBool, text: fmt.Sprintf("is %q: must be true or false", f.show(value)),
				help: boolHelp(value), flume: "anything but true is read as false"}
		}
	case reflect.Slice:
		return f.setList(value)
	case reflect.Float64:
		x, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return f.noNumber(value, "a number")
		}
		if bad := f.inBounds(x, value); bad != nil {
			return bad
		}
		v.SetFloat(x)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		x, bad := f.parseInt(value)
		if bad == nil && (x < 0 || v.OverflowUint(uint64(x))) {
			bad = &badValue{code: codeRange, text: fmt.Sprintf("is %s: out of range", f.show(value)), flume: numberEffect}
		}
		if bad == nil {
			v.SetUint(uint64(x))
		}
		return bad
	default:
		x, bad := f.parseInt(value)
		if bad == nil && v.OverflowInt(x) {
			bad = &badValue{code: codeRange, text: fmt.Sprintf("is %s: out of range", f.show(value)), flume: numberEffect}
		}
		if bad == nil {
			v.SetInt(x)
		}
		return bad
	}
	return nil
}

const numberEffect = "the component is removed, or runs with the default"

func (f *Field) parseInt(value string) (int64, *badValue) {
	x, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, f.noNumber(value, "a whole number")
	}
	return x, f.inBounds(float64(x), value)
}

func (f *Field) noNumber(value, what string) *badValue {
	bad := &badValue{code: codeNumber, text: fmt.Sprintf("is %q: not %s", f.show(value), what), flume: numberEffect}
	if f.hide {
		return bad
	}
	if n := meantNumber(value); n != "" {
		bad.help = "write digits only: `" + n + "`"
	}
	if before, _, ok := strings.Cut(value, "#"); ok {
		bad.help = "a `#` after a value is part of it: put the comment on a line of its own"
		if n := strings.TrimSpace(before); n != "" && MaskURLs(value) == value {
			bad.help += ", and leave `" + n + "` here"
		}
	}
	return bad
}

// meantNumber guesses the digits behind 10k, 1_000, 1,000 or 64MB; empty if it cannot.
func meantNumber(value string) string {
	s := strings.NewReplacer("_", "", ",", "", " ", "").Replace(strings.ToLower(value))
	digits := strings.TrimRightFunc(s, func(r rune) bool { return !unicode.IsDigit(r) })
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return ""
	}
	factor := map[string]int64{"": 1, "k": 1000, "m": 1e6, "g": 1e9, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30,
		"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}[s[len(digits):]]
	if factor == 0 || n > math.MaxInt64/factor {
		return ""
	}
	return strconv.FormatInt(n*factor, 10)
}

func (f *Field) inBounds(x float64, value string) *badValue {
	low, lerr := strconv.ParseFloat(f.Min, 64)
	high, herr := strconv.ParseFloat(f.Max, 64)
	if lerr == nil && x < low || herr == nil && x > high {
		return &badValue{code: codeRange, text: fmt.Sprintf("is %s: must be %s", f.show(value), f.Bounds()), flume: numberEffect}
	}
	return nil
}

func (f *Field) inEnum(value string) (string, *badValue) {
	if len(f.Enum) == 0 {
		return value, nil
	}
	for _, e := range f.Enum {
		if strings.EqualFold(e, value) {
			return e, nil
		}
	}
	bad := &badValue{code: codeEnum, text: fmt.Sprintf("is %q: must be one of %s", f.show(value), strings.Join(f.Enum, ", "))}
	if near := Nearest(value, f.Enum); near != "" {
		bad.help = "did you mean `" + near + "`?"
	}
	return "", bad
}

func (f *Field) setList(value string) *badValue {
	var items []string
	if f.Sep == "" {
		items = strings.Fields(value)
	} else {
		for item := range strings.SplitSeq(value, f.Sep) {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
	}
	list := reflect.MakeSlice(f.Type, len(items), len(items))
	for i, item := range items {
		spelled, bad := f.inEnum(item)
		if bad != nil {
			return bad
		}
		list.Index(i).SetString(spelled)
	}
	f.value.Set(list)
	return nil
}

func unitOf(unit string) time.Duration {
	switch unit {
	case "ns":
		return time.Nanosecond
	case "us":
		return time.Microsecond
	case "ms":
		return time.Millisecond
	case "s":
		return time.Second
	case "m":
		return time.Minute
	case "h":
		return time.Hour
	}
	panic("conf: no such unit in tag: " + unit)
}

func (f *Field) setDuration(value string) *badValue {
	unit := unitOf(f.Unit)
	d, ok := parseDuration(value, unit)
	if !ok {
		return &badValue{code: codeDuration,
			text: fmt.Sprintf("is %q: not a duration", f.show(value)),
			help: fmt.Sprintf("write a number of %s, or a number with ms, s, m, h or d", f.Kind()), flume: numberEffect}
	}
	if bad := f.inBounds(float64(d)/float64(unit), value); bad != nil {
		if f.Min != "" || f.Max != "" {
			bad.text += " " + f.Kind()
		}
		return bad
	}
	f.value.SetInt(int64(d))
	return nil
}

// parseDuration reads a bare number of units, or numbers with the suffixes of time.ParseDuration and d for days.
func parseDuration(value string, unit time.Duration) (time.Duration, bool) {
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		if n > math.MaxInt64/int64(unit) {
			return math.MaxInt64, true // Flume's users write Long.MAX_VALUE for never
		}
		if n < math.MinInt64/int64(unit) {
			return 0, false
		}
		return time.Duration(n) * unit, true
	}
	s := strings.ToLower(strings.ReplaceAll(value, " ", ""))
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || math.Abs(n) > 1e5 || math.IsNaN(n) {
			return 0, false
		}
		return time.Duration(n * 24 * float64(time.Hour)), true
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}

func boolHelp(value string) string {
	switch strings.ToLower(value) {
	case "yes", "on", "1", "y", "t":
		return "write `true`; Flume has read it as false so far"
	case "no", "off", "0", "n", "f":
		return "write `false`"
	}
	return "write `true` or `false`"
}

// show is the value as a message may hold it.
func (f *Field) show(value string) string {
	if f.hide {
		return Mask
	}
	return value
}

// reason is an error of the field's own type, which may quote the value.
func (f *Field) reason(err error) string {
	if f.hide {
		return "it is not valid"
	}
	return err.Error()
}
