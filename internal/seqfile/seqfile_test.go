package seqfile

import (
	"bytes"
	"encoding/hex"
	"testing"
)

func TestVIntAsHadoopWritesIt(t *testing.T) {
	for n, want := range map[int64]string{
		0: "00", 127: "7f", -112: "90", 128: "8f80", 255: "8fff", 256: "8e0100", 65536: "8d010000", -113: "8770", -256: "87ff", -257: "860100",
		1<<31 - 1: "8c7fffffff", -1 << 31: "847fffffff", 1<<63 - 1: "887fffffffffffffff", -1 << 63: "807fffffffffffffff",
	} {
		if got := hex.EncodeToString(AppendVInt(nil, n)); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestRecordsAreMarkedNowAndThen(t *testing.T) {
	w, err := New(false, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := w.AppendHeader(nil)
	body := make([]byte, 1000)
	for range 1000 {
		if b, err = w.Append(b, 5, body); err != nil {
			t.Fatal(err)
		}
	}
	mark := append([]byte{0xff, 0xff, 0xff, 0xff}, w.sync[:]...)
	if n := bytes.Count(b, mark); n != 9 {
		t.Errorf("%d marks in 1 MB, want 9", n)
	}
	one, _ := w.Flush(nil)
	two, _ := w.Flush(nil)
	if !bytes.Equal(one, mark) || len(two) != 0 {
		t.Errorf("two flushes append %d and %d bytes, want a mark and nothing", len(one), len(two))
	}
	if n := testing.AllocsPerRun(100, func() { b, _ = w.Append(b[:0], 1, body) }); n > 0 {
		t.Errorf("%v allocations a record, want none", n)
	}
}
