package admin

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"goflume/internal/javafmt"
	"goflume/internal/metric"
)

// AppendFlumeJSON appends the sets as Flume's HTTPMetricsServer shows them: one object of `TYPE.name` keys, each an
// object whose values are all strings.
func AppendFlumeJSON(dst []byte, sets []*metric.Set) []byte {
	dst = append(dst, '{')
	for i, s := range sets {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, string(s.Kind)+"."+s.Name)
		dst = append(dst, ':', '{')
		dst = appendPair(dst, "Type", string(s.Kind))
		for _, a := range s.Attrs() {
			if a.Flume == "" || a.Hidden {
				continue
			}
			dst = append(dst, ',')
			dst = appendPair(dst, a.Flume, flumeValue(a))
		}
		started, stopped := s.Times()
		dst = append(dst, ',')
		dst = appendPair(dst, "StartTime", strconv.FormatInt(started, 10))
		dst = append(dst, ',')
		dst = appendPair(dst, "StopTime", strconv.FormatInt(stopped, 10))
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// flumeValue is the text of an attribute as the getter of Flume's MBean interface gives it: a Java long, or a double for
// percentages.
func flumeValue(a *metric.Attr) string {
	var v float64
	switch {
	case a.Text != nil:
		return a.Text()
	case a.Counter != nil:
		return strconv.FormatInt(a.Counter.Value(), 10)
	case a.Gauge != nil:
		v = a.Gauge.Value()
	case a.Func != nil:
		v = a.Func()
	}
	if !strings.HasSuffix(a.Flume, "Percentage") && v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return strconv.FormatInt(int64(v), 10)
	}
	return string(javafmt.AppendFloat(nil, v))
}

func appendPair(dst []byte, key, value string) []byte {
	dst = appendString(dst, key)
	dst = append(dst, ':')
	return appendString(dst, value)
}

func appendString(dst []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic("admin: a string that is no JSON: " + err.Error())
	}
	return append(dst, quoted...)
}
