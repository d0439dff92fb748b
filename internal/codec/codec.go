// Package codec makes the streams of Hadoop's compression codecs, so that Hadoop reads them by their file's extension or
// by the class that a SequenceFile names. Several streams one behind the other are read as one.
package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dsnet/compress/bzip2"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codec is one of Hadoop's codecs.
type Codec struct {
	Class     string // of Java
	Extension string // of files, with its dot
	open      func() (Compressor, error)
}

// Compressor makes streams. It is used by one goroutine.
type Compressor interface {
	// Append compresses src into one whole stream and appends that to dst.
	Append(dst, src []byte) ([]byte, error)
}

const classes = "org.apache.hadoop.io.compress."

var codecs = []*Codec{
	{classes + "DefaultCodec", ".deflate", newZlib},
	{classes + "DeflateCodec", ".deflate", newZlib},
	{classes + "GzipCodec", ".gz", newGzip},
	{classes + "BZip2Codec", ".bz2", newBzip2},
	{classes + "SnappyCodec", ".snappy", newSnappy},
	{classes + "Lz4Codec", ".lz4", newLZ4},
	{classes + "ZStandardCodec", ".zst", newZstd},
}

// Lookup finds a codec as Flume does, in any case: by its class, the class's own name, or that without Codec. No name,
// and none, is nil.
func Lookup(name string) (*Codec, error) {
	if name == "" || strings.EqualFold(name, "none") {
		return nil, nil
	}
	for _, c := range codecs {
		simple := strings.TrimPrefix(c.Class, classes)
		for _, n := range []string{c.Class, simple, strings.TrimSuffix(simple, "Codec")} {
			if strings.EqualFold(n, name) {
				return c, nil
			}
		}
	}
	switch strings.ToLower(name[strings.LastIndexByte(name, '.')+1:]) {
	case "lzo", "lzop", "lzocodec", "lzopcodec":
		return nil, fmt.Errorf("%s is not supported: its only implementation is under the GPL. Use lz4, snappy or zstandard", name)
	case "zstd":
		return nil, fmt.Errorf("%q is not a codec's name: write zstandard", name)
	}
	return nil, fmt.Errorf("%q is none of %s", name, strings.Join(Names(), ", "))
}

// Names lists the codecs by their short names.
func Names() []string {
	var names []string
	for _, c := range codecs {
		names = append(names, strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(c.Class, classes), "Codec")))
	}
	slices.Sort(names)
	return names
}

// New returns a compressor.
func (c *Codec) New() (Compressor, error) { return c.open() }

// stream is a compressor around a writer that can start over.
type stream struct {
	out   bytes.Buffer
	w     io.WriteCloser
	reset func(io.Writer) error
}

func (s *stream) Append(dst, src []byte) ([]byte, error) {
	s.out.Reset()
	err := s.reset(&s.out)
	if err == nil {
		_, err = s.w.Write(src)
	}
	if err == nil {
		err = s.w.Close()
	}
	if err != nil {
		return dst, err
	}
	return append(dst, s.out.Bytes()...), nil
}

func newZlib() (Compressor, error) {
	w := zlib.NewWriter(io.Discard)
	return &stream{w: w, reset: func(to io.Writer) error { w.Reset(to); return nil }}, nil
}

// newGzip marks the operating system as Java does: unknown in a file's first stream, 0 in those that follow.
func newGzip() (Compressor, error) {
	w := gzip.NewWriter(io.Discard)
	first := true
	return &stream{w: w, reset: func(to io.Writer) error {
		w.Reset(to)
		w.OS, w.ModTime = 0, time.Unix(0, 0)
		if first {
			w.OS, first = 255, false
		}
		return nil
	}}, nil
}

func newBzip2() (Compressor, error) {
	w, err := bzip2.NewWriter(io.Discard, nil)
	if err != nil {
		return nil, err
	}
	return &stream{w: w, reset: func(to io.Writer) error { return w.Reset(to) }}, nil
}

// zstandard makes one frame. One encoder at a time is enough: events come batch after batch.
type zstandard struct{ enc *zstd.Encoder }

func newZstd() (Compressor, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	return zstandard{enc}, err
}

func (z zstandard) Append(dst, src []byte) ([]byte, error) { return z.enc.EncodeAll(src, dst), nil }

// pieceMax is the most of one piece of Hadoop's BlockCompressorStream before it is compressed, so that it fits a
// decompressor's buffer of 256 KiB even if it does not shrink.
const pieceMax = 256<<10 - (256<<10)/6 - 32

// pieces makes streams of raw compressed pieces: uint32 length before, uint32 length after, the piece.
type pieces struct {
	bound    func(n int) int
	compress func(dst, src []byte) (n int, err error)
}

func (p pieces) Append(dst, src []byte) ([]byte, error) {
	start := len(dst)
	for len(src) > 0 {
		piece := src[:min(len(src), pieceMax)]
		src = src[len(piece):]
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(piece)))
		at := len(dst)
		dst = slices.Grow(dst, 4+p.bound(len(piece)))
		n, err := p.compress(dst[at+4:at+4+p.bound(len(piece))], piece)
		if err != nil {
			return dst[:start], err
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(n))[:at+4+n]
	}
	return dst, nil
}

func newSnappy() (Compressor, error) {
	return pieces{snappy.MaxEncodedLen, func(dst, src []byte) (int, error) { return len(snappy.Encode(dst, src)), nil }}, nil
}

func newLZ4() (Compressor, error) {
	var c lz4.Compressor
	return pieces{lz4.CompressBlockBound, func(dst, src []byte) (int, error) {
		n, err := c.CompressBlock(src, dst)
		if err == nil && n == 0 {
			panic("codec: lz4 found no room in a buffer of its own bound")
		}
		return n, err
	}}, nil
}
