package kafka

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// record is a message with its place in a batch still open.
type record struct {
	key, value []byte // nil for none
	headers    []header
	millis     int64 // since 1970
}

// header of a record; a nil value is none.
type header struct{ key, value []byte }

// recordOverhead is what a record takes at most beside key, value and headers.
const recordOverhead = 36

// size returns the bytes that r takes at most in an uncompressed batch.
func (r *record) size() int {
	n := recordOverhead + len(r.key) + len(r.value)
	for i := range r.headers {
		n += 10 + len(r.headers[i].key) + len(r.headers[i].value)
	}
	return n
}

// appendRecord appends r as the i-th record of a batch whose first time is first (Kafka's message format 2: lengths and
// differences are zigzag varints, -1 is the length of nothing).
func appendRecord(dst []byte, r *record, first int64, i int) []byte {
	n := 1 + varintSize(r.millis-first) + varintSize(int64(i)) + bytesSize(r.key) + bytesSize(r.value) + varintSize(int64(len(r.headers)))
	for j := range r.headers {
		n += varintSize(int64(len(r.headers[j].key))) + len(r.headers[j].key) + bytesSize(r.headers[j].value)
	}
	dst = binary.AppendVarint(dst, int64(n))
	dst = append(dst, 0) // attributes
	dst = binary.AppendVarint(dst, r.millis-first)
	dst = binary.AppendVarint(dst, int64(i))
	dst = appendBytes(dst, r.key)
	dst = appendBytes(dst, r.value)
	dst = binary.AppendVarint(dst, int64(len(r.headers)))
	for j := range r.headers {
		dst = binary.AppendVarint(dst, int64(len(r.headers[j].key)))
		dst = append(dst, r.headers[j].key...)
		dst = appendBytes(dst, r.headers[j].value)
	}
	return dst
}

func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 1) // -1
	}
	return append(binary.AppendVarint(dst, int64(len(b))), b...)
}

func bytesSize(b []byte) int {
	if b == nil {
		return 1
	}
	return varintSize(int64(len(b))) + len(b)
}

func varintSize(v int64) int { return (bits.Len64(uint64(v<<1)^uint64(v>>63)|1) + 6) / 7 }

// batchHeader is the bytes before a batch's records, and where its fields stand on the wire.
const (
	batchHeader     = 61
	batchLengthAt   = 8 // of what follows it
	batchEpochAt    = 12
	batchMagicAt    = 16
	batchCRCAt      = 17 // CRC32C of what follows it
	batchCodecAt    = 21
	batchLastAt     = 23 // offset delta
	batchFirstAt    = 27 // time, milliseconds since 1970
	batchMaxAt      = 35
	batchProducerAt = 43
	batchPEpochAt   = 51
	batchSequenceAt = 53
	batchCountAt    = 57
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode makes b's wire, unless it is there already from an earlier try, and brings its numbers up to date.
func (b *batch) encode(e *encoder) error {
	be := binary.BigEndian
	if len(b.wire) == 0 {
		wire, err := e.records(b)
		if err != nil {
			return err
		}
		clear(wire[:batchHeader]) // the first offset is the broker's to give
		be.PutUint32(wire[batchLengthAt:], uint32(len(wire)-batchEpochAt))
		be.PutUint32(wire[batchEpochAt:], 1<<32-1) // the leader's, which we do not know
		wire[batchMagicAt] = 2
		be.PutUint16(wire[batchCodecAt:], uint16(e.codec))
		be.PutUint32(wire[batchLastAt:], uint32(len(b.records)-1))
		be.PutUint64(wire[batchFirstAt:], uint64(b.first))
		be.PutUint64(wire[batchMaxAt:], uint64(b.last))
		be.PutUint32(wire[batchCountAt:], uint32(len(b.records)))
		b.wire = wire
	}
	be.PutUint64(b.wire[batchProducerAt:], uint64(b.producer))
	be.PutUint16(b.wire[batchPEpochAt:], uint16(b.epoch))
	be.PutUint32(b.wire[batchSequenceAt:], uint32(b.sequence))
	be.PutUint32(b.wire[batchCRCAt:], crc32.Checksum(b.wire[batchCodecAt:], castagnoli))
	return nil
}
