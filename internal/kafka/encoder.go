package kafka

import (
	"bytes"
	"fmt"
	"io"
	"math/bits"

	"github.com/IBM/sarama"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy/xerial"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// encoder makes batches for the wire. It belongs to one connection's goroutine.
type encoder struct {
	codec   sarama.CompressionCodec
	level   int
	buffers chan []byte // of batches that were acknowledged, of all connections

	raw  []byte // records before compression
	out  bytes.Buffer
	gzip *gzip.Writer
	lz4  *lz4.Writer
	zstd *zstd.Encoder
}

// spareBuffers is how many buffers of batches are kept for the next ones: about as many as are in flight in all.
const spareBuffers = 16

// buffer returns an empty buffer with room for n bytes.
func (e *encoder) buffer(n int) []byte {
	select {
	case b := <-e.buffers:
		if cap(b) >= n {
			return b[:0]
		}
	default:
	}
	return make([]byte, 0, 1<<bits.Len(uint(n-1)))
}

// records returns b's records as they stand on the wire, behind room for the header.
func (e *encoder) records(b *batch) ([]byte, error) {
	dst := e.buffer(batchHeader + b.size)[:batchHeader]
	if e.codec == sarama.CompressionNone {
		return b.appendRecords(dst), nil
	}
	e.raw = b.appendRecords(e.raw[:0])
	return e.compress(dst)
}

func (b *batch) appendRecords(dst []byte) []byte {
	for i, r := range b.records {
		dst = appendRecord(dst, r, b.first, i)
	}
	return dst
}

// compress appends raw to dst as Kafka's readers expect it of the codec: a gzip, LZ4 or zstd frame, or snappy in the
// framing of the Java library of that name.
func (e *encoder) compress(dst []byte) ([]byte, error) {
	switch e.codec {
	case sarama.CompressionGZIP:
		if e.gzip == nil {
			level := gzip.DefaultCompression
			if e.level != sarama.CompressionLevelDefault {
				level = e.level
			}
			var err error
			if e.gzip, err = gzip.NewWriterLevel(nil, level); err != nil {
				return nil, err
			}
		}
		e.gzip.Reset(&e.out)
		return e.through(dst, e.gzip)
	case sarama.CompressionSnappy:
		return append(dst, xerial.Encode(nil, e.raw)...), nil
	case sarama.CompressionLZ4:
		if e.lz4 == nil {
			e.lz4 = lz4.NewWriter(nil)
			if err := e.lz4.Apply(lz4.BlockSizeOption(lz4.Block64Kb)); err != nil {
				return nil, err
			}
		}
		e.lz4.Reset(&e.out)
		return e.through(dst, e.lz4)
	case sarama.CompressionZSTD:
		if e.zstd == nil {
			level := zstd.SpeedDefault
			if e.level != sarama.CompressionLevelDefault {
				level = zstd.EncoderLevelFromZstd(e.level)
			}
			var err error
			if e.zstd, err = zstd.NewWriter(nil, zstd.WithZeroFrames(true), zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1)); err != nil {
				return nil, err
			}
		}
		return e.zstd.EncodeAll(e.raw, dst), nil
	}
	panic(fmt.Sprintf("kafka: compression codec %d", e.codec))
}

// through appends what w makes of raw, which it writes to out.
func (e *encoder) through(dst []byte, w io.WriteCloser) ([]byte, error) {
	e.out.Reset()
	if _, err := w.Write(e.raw); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return append(dst, e.out.Bytes()...), nil
}
