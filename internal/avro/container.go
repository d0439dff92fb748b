package avro

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"

	"github.com/dsnet/compress/bzip2"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"goflume/event"
)

// Container makes an Avro object container file (Avro 1.11, "Object Container Files") append-style: magic, metadata, a
// sync marker, then blocks. It is used by one goroutine.
type Container struct {
	schema   string
	codec    string
	compress func(dst, src []byte) ([]byte, error)
	interval int // bytes of data that end a block

	sync  [16]byte
	block []byte // data of the block under way
	count int64
}

// compressors by the codec's name in the file.
var compressors = map[string]func(dst, src []byte) ([]byte, error){
	"null": func(dst, src []byte) ([]byte, error) { return append(dst, src...), nil },
	"deflate": through(func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.DefaultCompression)
	}),
	"snappy":    snap,
	"zstandard": through(func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)) }),
	"bzip2":     through(func(w io.Writer) (io.WriteCloser, error) { return bzip2.NewWriter(w, nil) }),
	"xz":        through(func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }),
}

// Codecs returns the names that NewContainer takes.
func Codecs() []string { return slices.Sorted(maps.Keys(compressors)) }

// NewContainer returns a file of that schema, with a random sync marker. A block ends once it holds interval bytes. The
// error is a codec that is not one of Codecs.
func NewContainer(schema, codec string, interval int) (*Container, error) {
	compress, ok := compressors[codec]
	if !ok {
		return nil, fmt.Errorf("%q is no codec of Avro files; they are %v", codec, Codecs())
	}
	c := &Container{schema: schema, codec: codec, compress: compress, interval: interval}
	rand.Read(c.sync[:])
	return c, nil
}

// AppendHeader appends the start of the file. The codec is named also where it is null, as Java does.
func (c *Container) AppendHeader(dst []byte) []byte {
	dst = append(dst, 'O', 'b', 'j', 1)
	dst = binary.AppendVarint(dst, 2)
	for _, s := range []string{"avro.schema", c.schema, "avro.codec", c.codec} {
		dst = appendString(dst, s)
	}
	dst = append(dst, 0)
	return append(dst, c.sync[:]...)
}

// AppendEvent adds an event as a datum (see the function AppendEvent), and appends the block to dst where it is full. After
// an error of the codec the block is kept and tried again.
func (c *Container) AppendEvent(dst []byte, e *event.Event) ([]byte, error) {
	c.block = AppendEvent(c.block, e)
	return c.added(dst)
}

// AppendDatum is AppendEvent for a datum that is encoded already.
func (c *Container) AppendDatum(dst, datum []byte) ([]byte, error) {
	c.block = append(c.block, datum...)
	return c.added(dst)
}

func (c *Container) added(dst []byte) ([]byte, error) {
	c.count++
	if len(c.block) >= c.interval {
		return c.AppendBlock(dst)
	}
	return dst, nil
}

// AppendBlock ends the block under way, if there is anything in it, and appends it to dst.
func (c *Container) AppendBlock(dst []byte) ([]byte, error) {
	if c.count == 0 {
		return dst, nil
	}
	packed, err := c.compress(nil, c.block)
	if err != nil {
		return dst, fmt.Errorf("compress a block of %d bytes by %s: %w", len(c.block), c.codec, err)
	}
	dst = binary.AppendVarint(dst, c.count)
	dst = binary.AppendVarint(dst, int64(len(packed)))
	dst = append(dst, packed...)
	c.block, c.count = c.block[:0], 0
	return append(dst, c.sync[:]...), nil
}

// through compresses by a writer made for each block.
func through(open func(io.Writer) (io.WriteCloser, error)) func(dst, src []byte) ([]byte, error) {
	return func(dst, src []byte) ([]byte, error) {
		b := bytes.NewBuffer(dst)
		w, err := open(b)
		if err != nil {
			return dst, err
		}
		if _, err := w.Write(src); err != nil {
			return dst, err
		}
		if err := w.Close(); err != nil {
			return dst, err
		}
		return b.Bytes(), nil
	}
}

// snap is Avro's snappy: the block, then the CRC-32 of the data.
func snap(dst, src []byte) ([]byte, error) {
	dst = append(dst, snappy.Encode(nil, src)...)
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(src)), nil
}
