package avro

import (
	"encoding/hex"
	"errors"
	"reflect"
	"strconv"
	"testing"

	"goflume/event"
)

// The first two were captured from Flume 1.11's own classes.
var data = []struct {
	name string
	hex  string
	want event.Event
}{
	{"one header", "02026b0276000" + "46869", event.Event{Headers: []event.Header{{Key: "k", Value: "v"}}, Body: []byte("hi")}},
	{"no headers", "00046869", event.Event{Body: []byte("hi")}},
	{"empty body", "0000", event.Event{Body: []byte{}}},
	{"two headers", "04026b02760261026200" + "0278", event.Event{Headers: []event.Header{{Key: "k", Value: "v"}, {Key: "a", Value: "b"}}, Body: []byte("x")}},
}

func TestDatumIsFlumes(t *testing.T) {
	for _, c := range data {
		t.Run(c.name, func(t *testing.T) {
			if got := hex.EncodeToString(AppendEvent(nil, &c.want)); got != c.hex {
				t.Errorf("AppendEvent: %s, want %s", got, c.hex)
			}
			if got := EventSize(&c.want); got != len(c.hex)/2 {
				t.Errorf("EventSize: %d, want %d", got, len(c.hex)/2)
			}
			b, err := hex.DecodeString(c.hex)
			if err != nil {
				t.Fatal(err)
			}
			hs, body, err := DecodeEvent(b, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := (event.Event{Headers: hs, Body: body}); !reflect.DeepEqual(got, c.want) {
				t.Errorf("DecodeEvent: %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestDecodeTakesBlocksWithSizes(t *testing.T) {
	// count -1, block size 4, then a block of count 1: both forms are Avro's.
	b, _ := hex.DecodeString("0108" + "026b0276" + "02" + "026b0277" + "00" + "00")
	hs, body, err := DecodeEvent(b, []event.Header{{Key: "k", Value: "before"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []event.Header{{Key: "k", Value: "before"}, {Key: "k", Value: "w"}}
	if !reflect.DeepEqual(hs, want) || len(body) != 0 {
		t.Errorf("got %v %q, want %v and no body: of a repeated name the last value counts", hs, body, want)
	}
}

func TestDecodeRefusesDamage(t *testing.T) {
	for _, s := range []string{"", "02", "0202", "00", "0006", "000401", "0001", "00026869", "ffffffffffffffffffff01", "feffffffffffffffff0100", "ffffffffffffffffff010000", "000268" + "00"} {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := DecodeEvent(b, nil); !errors.Is(err, ErrDatum) {
			t.Errorf("DecodeEvent(%s): %v, want ErrDatum", s, err)
		}
	}
}

func TestManyHeadersKeepTheLastOfAName(t *testing.T) {
	var e event.Event
	for i := range 100_000 {
		e.Headers = append(e.Headers, event.Header{Key: strconv.Itoa(i % 50_000), Value: strconv.Itoa(i)})
	}
	hs, _, err := DecodeEvent(AppendEvent(nil, &e), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(hs) != 50_000 || hs[7].Value != "50007" {
		t.Errorf("%d headers, the eighth %v; want 50000, the eighth with value 50007", len(hs), hs[7])
	}
}

func FuzzDecodeEvent(f *testing.F) {
	for _, c := range data {
		b, _ := hex.DecodeString(c.hex)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		hs, body, err := DecodeEvent(b, nil)
		if err != nil {
			return
		}
		e := event.Event{Headers: hs, Body: body}
		hs2, body2, err := DecodeEvent(AppendEvent(nil, &e), nil)
		if err != nil || !reflect.DeepEqual(hs, hs2) || string(body) != string(body2) {
			t.Errorf("round trip: %v %q %v, want %v %q", hs2, body2, err, hs, body)
		}
	})
}

func TestAppendEventDoesNotAllocate(t *testing.T) {
	e := data[0].want
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() { buf = AppendEvent(buf[:0], &e) }); n > 0 {
		t.Errorf("%v allocations an event, want none", n)
	}
}
