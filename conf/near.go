package conf

import "strings"

// Words longer than longestWord, and more than mostWords, are compared with nothing: that takes time, and nobody writes them.
const (
	longestWord = 200
	mostWords   = 1000
)

// Nearest returns the one of among that word was most probably meant to be, or "" if none is near: one that differs only
// in case, or one that is at most a third of its letters away. Names that differ in their numbers only are two names.
func Nearest(word string, among []string) string {
	if len(word) > longestWord {
		return ""
	}
	among = among[:min(len(among), mostWords)]
	w := strings.ToLower(word)
	best, bestDist := "", (len(w)+2)/3+1
	if len(w) < 3 {
		bestDist = 2
	}
	for _, a := range among {
		l := strings.ToLower(a)
		if l == w {
			return a
		}
		if len(l) > longestWord {
			continue
		}
		if numbered(w) && numbered(l) && unnumbered(w) == unnumbered(l) {
			continue
		}
		if d := distance(w, l, bestDist); d < bestDist && d < len(l) {
			best, bestDist = a, d
		}
	}
	return best
}

func numbered(s string) bool { return strings.ContainsAny(s, "0123456789") }

func unnumbered(s string) string { return strings.Trim(s, "0123456789") }

// distance is the number of letters to insert, drop, change or swap with their neighbour to get from a to b; at least
// limit if it is not below that.
func distance(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
	if d := len(x) - len(y); d >= limit || -d >= limit {
		return limit
	}
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := range x {
		row[0] = i + 1
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}

// nearestKey suggests a key of the fields for one that none of them owns: a key that is near, one with the same last
// part, or one below a prefix that is near.
func nearestKey(key string, fields []Field) string {
	var plain []string
	for i := range fields {
		if !strings.HasSuffix(fields[i].Key, "*") {
			plain = append(plain, fields[i].Key)
		}
	}
	if near := Nearest(key, plain); near != "" {
		return near
	}
	last := strings.ToLower(lastPart(key))
	for _, p := range plain {
		if strings.ToLower(lastPart(p)) == last {
			return p
		}
	}
	best := ""
	for i := range fields {
		prefix, ok := fields[i].prefix()
		if !ok || prefix == "" {
			continue
		}
		prefix = strings.TrimSuffix(prefix, ".")
		head, rest := cutParts(key, strings.Count(prefix, ".")+1)
		if rest != "" && len(prefix) > len(best) && Nearest(head, []string{prefix}) != "" {
			best = prefix + "." + rest
		}
	}
	return best
}

func lastPart(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// cutParts cuts the key behind its first n parts.
func cutParts(key string, n int) (head, rest string) {
	at := 0
	for ; n > 0; n-- {
		i := strings.IndexByte(key[at:], '.')
		if i < 0 {
			return key, ""
		}
		at += i + 1
	}
	return key[:at-1], key[at:]
}
