package kafka

import (
	"bytes"
	"crypto/rand"
	"hash/crc32"
	mrand "math/rand/v2"
	"slices"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// randomBatch has records of all shapes: without key, value or headers, empty ones, and long ones.
func randomBatch(rnd *mrand.Rand, n int) *batch {
	some := func(most int) []byte {
		switch rnd.IntN(4) {
		case 0:
			return nil
		case 1:
			return []byte{}
		}
		b := make([]byte, rnd.IntN(most))
		rand.Read(b)
		return b
	}
	b := &batch{q: &partition{topic: "t"}, producer: 77, epoch: 3, sequence: 1000}
	for range n {
		r := &record{key: some(70), value: some(20_000), millis: 1_700_000_000_000 + rnd.Int64N(1<<33)}
		for range rnd.IntN(4) {
			key := some(200)
			if key == nil {
				key = []byte{}
			}
			r.headers = append(r.headers, header{key, some(9000)})
		}
		b.records = append(b.records, r)
		b.size += r.size()
	}
	b.first, b.last = b.records[0].millis, b.records[0].millis
	for _, r := range b.records {
		b.first, b.last = min(b.first, r.millis), max(b.last, r.millis)
	}
	return b
}

// same tells whether both are nothing, or the same bytes.
func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// Another client's decoder reads what we write, and we need no more bytes than were reckoned.
func TestBatchesAreReadByAnotherClient(t *testing.T) {
	rnd := mrand.New(mrand.NewPCG(11, 7))
	e := &encoder{codec: sarama.CompressionNone, buffers: make(chan []byte, 1)}
	for n := 1; n < 300; n += 7 {
		b := randomBatch(rnd, n)
		if err := b.encode(e); err != nil {
			t.Fatal(err)
		}
		if len(b.wire) > batchHeader+b.size {
			t.Errorf("%d bytes, reckoned were %d at most", len(b.wire), batchHeader+b.size)
		}
		var got kmsg.RecordBatch
		if err := got.ReadFrom(b.wire); err != nil {
			t.Fatal(err)
		}
		if got.Length != int32(len(b.wire)-12) || got.Magic != 2 || got.CRC != int32(crc32.Checksum(b.wire[batchCodecAt:], castagnoli)) ||
			got.LastOffsetDelta != int32(n-1) || got.NumRecords != int32(n) || got.FirstTimestamp != b.first || got.MaxTimestamp != b.last ||
			got.ProducerID != 77 || got.ProducerEpoch != 3 || got.FirstSequence != 1000 || got.PartitionLeaderEpoch != -1 || got.Attributes != 0 {
			t.Fatalf("batch of %d reads as %+v", n, got)
		}
		rest := got.Records
		for i, want := range b.records {
			var r kmsg.Record
			size, used := kmsgVarint(rest)
			if err := r.ReadFrom(rest[:used+int(size)]); err != nil {
				t.Fatalf("record %d: %v", i, err)
			}
			rest = rest[used+int(size):]
			if r.OffsetDelta != int32(i) || r.TimestampDelta64 != want.millis-b.first || !same(r.Key, want.key) || !same(r.Value, want.value) ||
				!slices.EqualFunc(r.Headers, want.headers, func(g kmsg.Header, w header) bool { return g.Key == string(w.key) && same(g.Value, w.value) }) {
				t.Fatalf("record %d of %d does not read as it was written", i, n)
			}
		}
		if len(rest) > 0 {
			t.Errorf("%d bytes behind the last record", len(rest))
		}
		e.buffers <- b.wire // with old bytes in it
	}
}

func kmsgVarint(b []byte) (int32, int) {
	v, shift := uint32(0), 0
	for i, c := range b {
		v |= uint32(c&0x7f) << shift
		if shift += 7; c < 0x80 {
			return int32(v>>1) ^ -int32(v&1), i + 1
		}
	}
	return 0, len(b)
}

// A batch that is sent again under another epoch differs in its numbers and checksum alone.
func TestABatchIsEncodedOnce(t *testing.T) {
	for _, codec := range []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionZSTD} {
		e := &encoder{codec: codec, level: sarama.CompressionLevelDefault, buffers: make(chan []byte, 1)}
		b := randomBatch(mrand.New(mrand.NewPCG(1, 2)), 20)
		if err := b.encode(e); err != nil {
			t.Fatal(err)
		}
		before := slices.Clone(b.wire)
		b.epoch, b.sequence = 4, 0
		if err := b.encode(e); err != nil {
			t.Fatal(err)
		}
		var got kmsg.RecordBatch
		if err := got.ReadFrom(b.wire); err != nil {
			t.Fatal(err)
		}
		if got.ProducerEpoch != 4 || got.FirstSequence != 0 || got.CRC != int32(crc32.Checksum(b.wire[batchCodecAt:], castagnoli)) {
			t.Errorf("%v: second try reads as epoch %d, sequence %d", codec, got.ProducerEpoch, got.FirstSequence)
		}
		if !bytes.Equal(before[batchHeader:], b.wire[batchHeader:]) || bytes.Equal(before[:batchHeader], b.wire[:batchHeader]) {
			t.Errorf("%v: want the same records under another header", codec)
		}
	}
}

func TestEncodingAllocatesNothing(t *testing.T) {
	e := &encoder{codec: sarama.CompressionNone, buffers: make(chan []byte, 1)}
	b := randomBatch(mrand.New(mrand.NewPCG(3, 4)), 500)
	if n := testing.AllocsPerRun(20, func() {
		if err := b.encode(e); err != nil {
			t.Fatal(err)
		}
		e.buffers <- b.wire
		b.wire = nil
	}); n > 0 {
		t.Errorf("%v allocations for a batch of 500 records, want the memory of the one before", n)
	}
}

func BenchmarkEncode(b *testing.B) {
	e := &encoder{codec: sarama.CompressionNone, buffers: make(chan []byte, 1)}
	bt := &batch{q: &partition{topic: "t"}}
	for range 1000 {
		r := &record{value: make([]byte, 200), millis: 1_700_000_000_000}
		bt.records = append(bt.records, r)
		bt.size += r.size()
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := bt.encode(e); err != nil {
			b.Fatal(err)
		}
		e.buffers <- bt.wire
		bt.wire = nil
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
}
