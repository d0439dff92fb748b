package javafmt

import (
	"math"
	"strings"
	"testing"

	"goflume/event"
)

// headers makes headers from "k=v" items in the order in which they were set.
func headers(kv ...string) (hs []event.Header) {
	for _, s := range kv {
		k, v, _ := strings.Cut(s, "=")
		hs = append(hs, event.Header{Key: k, Value: v})
	}
	return hs
}

func TestHeadersStandInBucketOrder(t *testing.T) {
	// The first five were printed by Flume 1.11.
	for _, c := range []struct {
		headers []event.Header
		want    string
	}{
		{headers("host=h1", "timestamp=1434567890123"), "{host=h1, timestamp=1434567890123}"},
		{headers("b=2", "a=1", "c=3", "host=x", "timestamp=5"), "{host=x, a=1, b=2, c=3, timestamp=5}"},
		{headers("b=2", "a=1", "c=3", "host=x", "timestamp=5", "zz top=sp"), "{a=1, b=2, c=3, zz top=sp, host=x, timestamp=5}"},
		{headers("k=v with space, and=eq"), "{k=v with space, and=eq}"},
		{headers("é=ü"), "{é=ü}"},
		{headers("Aa=1", "BB=2"), "{Aa=1, BB=2}"}, // equal hashes keep their order
		{headers("BB=2", "Aa=1"), "{BB=2, Aa=1}"},
		{nil, "{}"},
	} {
		if got := string(AppendHeaders(nil, c.headers)); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestBucketsAsInACopiedHashMap(t *testing.T) {
	for n, want := range map[int]uint32{0: 1, 2: 4, 3: 8, 5: 8, 6: 16, 11: 16, 12: 32} {
		if got := buckets(n); got != want {
			t.Errorf("buckets(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestHashCodeCountsCodeUnits(t *testing.T) {
	for s, want := range map[string]int32{"": 0, "a": 97, "host": 3208616, "timestamp": 55126294, "😀": 1772899} {
		if got := int32(hashCode(s)); got != want {
			t.Errorf("hashCode(%q) = %d, want %d", s, got, want)
		}
	}
}

func TestUnitsCountSurrogatesTwice(t *testing.T) {
	for s, want := range map[string]int{"": 0, "abc": 3, "éé": 2, "☃": 1, "😀": 2, "\xff\xfe": 2} {
		if got := Units([]byte(s)); got != want {
			t.Errorf("Units(%q) = %d, want %d", s, got, want)
		}
	}
}

func TestFloatsAsJavaPrintsThem(t *testing.T) {
	size, capacity := 4.0, 1e6 // a fill percentage: not folded by the compiler, which is exact
	for _, c := range []struct {
		f    float64
		want string
	}{
		{0, "0.0"}, {5, "5.0"}, {0.7000000000000001, "0.7000000000000001"}, {5e-4, "5.0E-4"}, {1e7, "1.0E7"},
		{9999999, "9999999.0"}, {0.001, "0.001"}, {-1.5e10, "-1.5E10"}, {math.MaxInt32 * 100.0, "2.147483647E11"},
		{size / capacity * 100, "3.9999999999999996E-4"}, {math.MaxFloat64, "1.7976931348623157E308"},
		{math.Inf(-1), "-Infinity"}, {math.NaN(), "NaN"},
	} {
		if got := string(AppendFloat(nil, c.f)); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestHeadersCostNoAllocation(t *testing.T) {
	hs, dst := headers("b=2", "a=1", "c=3", "host=x", "timestamp=5"), make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { dst = AppendHeaders(dst[:0], hs) }); n > 0 {
		t.Errorf("%v allocations per call", n)
	}
}
