// Package seqfile writes Hadoop's SequenceFiles, version 6, append-style.
//
//	header  "SEQ" 6, key class, value class (each VInt length and text), compressed, block compressed (a byte each),
//	        codec class if compressed, int32 number of metadata (0), 16 bytes of sync
//	record  int32 length of key and value, int32 length of key, key, value
//	sync    int32 -1, the 16 bytes; before a record when 100 KiB came since the last, and where the writer wants one
//	block   a sync, VInt number of records, then lengths of keys, keys, lengths of values, values: each a VInt length and
//	        that many bytes, compressed by themselves
//
// Numbers are big-endian. (Hadoop's SequenceFile.Writer and its subclasses.)
package seqfile

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"

	"goflume/internal/codec"
)

// Classes of keys and values that Flume writes.
const (
	LongWritable  = "org.apache.hadoop.io.LongWritable"
	BytesWritable = "org.apache.hadoop.io.BytesWritable"
	Text          = "org.apache.hadoop.io.Text"
)

const (
	syncSize     = 16
	syncInterval = 100 << 10 // as Hadoop 3; it was 2000 before
	blockSize    = 1_000_000 // io.seqfile.compress.blocksize
)

// Writer makes the bytes of one file with LongWritable keys. Its methods append to dst. It is used by one goroutine.
type Writer struct {
	text bool // values are Text, else BytesWritable
	sync [syncSize]byte
	past int // bytes since the last sync

	// Block compression; nil codec: none.
	codec                         *codec.Codec
	z                             codec.Compressor
	records                       int
	keyLens, keys, valLens, value []byte
}

// New returns a writer. c may be nil.
func New(text bool, c *codec.Codec) (*Writer, error) {
	w := &Writer{text: text, codec: c}
	if _, err := rand.Read(w.sync[:]); err != nil {
		return nil, err
	}
	if c == nil {
		return w, nil
	}
	var err error
	w.z, err = c.New()
	return w, err
}

// AppendHeader appends the file's header.
func (w *Writer) AppendHeader(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, "SEQ\x06"...)
	dst = appendText(dst, LongWritable)
	if w.text {
		dst = appendText(dst, Text)
	} else {
		dst = appendText(dst, BytesWritable)
	}
	if w.codec == nil {
		dst = append(dst, 0, 0)
	} else {
		dst = append(dst, 1, 1)
		dst = appendText(dst, w.codec.Class)
	}
	dst = append(dst, 0, 0, 0, 0)
	dst = append(dst, w.sync[:]...)
	w.past = len(dst) - start
	return dst
}

func appendText(dst []byte, s string) []byte { return append(AppendVInt(dst, int64(len(s))), s...) }

const keySize = 8

// Append appends a record, or keeps it for a block.
func (w *Writer) Append(dst []byte, key int64, value []byte) ([]byte, error) {
	if w.codec != nil {
		w.records++
		w.keyLens = AppendVInt(w.keyLens, keySize)
		w.keys = binary.BigEndian.AppendUint64(w.keys, uint64(key))
		before := len(w.value)
		w.value = w.appendValue(w.value, value)
		w.valLens = AppendVInt(w.valLens, int64(len(w.value)-before))
		if len(w.keys)+len(w.value) >= blockSize {
			return w.appendBlock(dst)
		}
		return dst, nil
	}
	start := len(dst)
	if w.past >= syncInterval {
		dst = w.appendSync(dst)
		start = len(dst)
	}
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, keySize)
	dst = binary.BigEndian.AppendUint64(dst, uint64(key))
	dst = w.appendValue(dst, value)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-8))
	w.past += len(dst) - start
	return dst, nil
}

func (w *Writer) appendValue(dst, value []byte) []byte {
	if w.text {
		dst = AppendVInt(dst, int64(len(value)))
	} else {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(value)))
	}
	return append(dst, value...)
}

// Flush appends what was kept, or a sync if anything came since the last: a reader can start there.
func (w *Writer) Flush(dst []byte) ([]byte, error) {
	if w.codec != nil {
		if w.records == 0 {
			return dst, nil
		}
		return w.appendBlock(dst)
	}
	if w.past == 0 {
		return dst, nil
	}
	return w.appendSync(dst), nil
}

func (w *Writer) appendSync(dst []byte) []byte {
	dst = append(dst, 0xff, 0xff, 0xff, 0xff)
	w.past = 0
	return append(dst, w.sync[:]...)
}

func (w *Writer) appendBlock(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = w.appendSync(dst)
	dst = AppendVInt(dst, int64(w.records))
	for _, part := range [][]byte{w.keyLens, w.keys, w.valLens, w.value} {
		z, err := w.z.Append(nil, part)
		if err != nil {
			return dst[:start], err
		}
		dst = AppendVInt(dst, int64(len(z)))
		dst = append(dst, z...)
	}
	w.records = 0
	w.keyLens, w.keys, w.valLens, w.value = w.keyLens[:0], w.keys[:0], w.valLens[:0], w.value[:0]
	return dst, nil
}

// AppendVInt appends a number as Hadoop's WritableUtils.writeVLong does: -112 to 127 as one byte, else a byte that tells
// sign and length, then the number, of a negative one its complement, big-endian.
func AppendVInt(dst []byte, n int64) []byte {
	if n >= -112 && n <= 127 {
		return append(dst, byte(n))
	}
	first := -112
	if n < 0 {
		n, first = ^n, -120
	}
	size := (bits.Len64(uint64(n)) + 7) / 8
	dst = append(dst, byte(first-size))
	for shift := 8 * (size - 1); shift >= 0; shift -= 8 {
		dst = append(dst, byte(n>>shift))
	}
	return dst
}
