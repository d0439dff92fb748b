package admin

import (
	"math"
	"strconv"
)

// appendJavaDouble appends v as Java's Double.toString prints it: plain decimals with at least one digit after the point
// from 0.001 to 10,000,000, computerised scientific notation (3.9999999999999996E-4) elsewhere.
func appendJavaDouble(dst []byte, v float64) []byte {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return append(dst, "NaN"...)
	case math.IsInf(v, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(v, -1):
		return append(dst, "-Infinity"...)
	case a == 0 || a >= 1e-3 && a < 1e7:
		at := len(dst)
		dst = strconv.AppendFloat(dst, v, 'f', -1, 64)
		return withPoint(dst, at)
	}
	var buf [32]byte
	s := strconv.AppendFloat(buf[:0], v, 'e', -1, 64)
	e := len(s) - 1
	for s[e] != 'e' {
		e--
	}
	at := len(dst)
	dst = withPoint(append(dst, s[:e]...), at)
	dst = append(dst, 'E')
	if s[e+1] == '-' {
		dst = append(dst, '-')
	}
	exp := s[e+2:]
	for len(exp) > 1 && exp[0] == '0' {
		exp = exp[1:]
	}
	return append(dst, exp...)
}

// withPoint appends ".0" if the number that begins at dst[at] has no decimal point.
func withPoint(dst []byte, at int) []byte {
	for _, c := range dst[at:] {
		if c == '.' {
			return dst
		}
	}
	return append(dst, ".0"...)
}
