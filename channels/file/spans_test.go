package file

import (
	"math/rand/v2"
	"testing"
)

func TestSpansAreTheSetTheyShouldBe(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var s spans
		d := doneSet{}
		set := map[uint64]bool{}
		for range 40 {
			from := rng.Uint64N(100)
			to := from + rng.Uint64N(12)
			s.add(from, to)
			d.add(from, to)
			for i := from; i < to; i++ {
				set[i] = true
			}
			if n := s.count(); n != uint64(len(set)) {
				t.Fatalf("count %d, want %d: %v", n, len(set), s)
			}
			if n := d.open(120); n != 120-uint64(len(set)) {
				t.Fatalf("open %d, want %d: %v", n, 120-len(set), d)
			}
			for i := 1; i < len(s); i++ {
				if s[i].from <= s[i-1].to {
					t.Fatalf("not merged: %v", s)
				}
			}
			a := rng.Uint64N(110)
			b := a + rng.Uint64N(10)
			out := 0
			for i := a; i < b; i++ {
				if !set[i] {
					out++
				}
			}
			if s.covers(a, b) != (out == 0) || d.covers(a, b) != (out == 0) {
				t.Fatalf("covers %d..%d: %v", a, b, s)
			}
			if n := s.without(a, b).count(); n != uint64(out) {
				t.Fatalf("without %d..%d: %d, want %d: %v", a, b, n, out, s)
			}
			if n := d.without(a, b).count(); n != uint64(out) {
				t.Fatalf("doneSet without %d..%d: %d, want %d: %v", a, b, n, out, d)
			}
		}
	}
}
