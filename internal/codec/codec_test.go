package codec

import (
	"bytes"
	stdbzip2 "compress/bzip2"
	stdgzip "compress/gzip"
	stdzlib "compress/zlib"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// readPieces reads what BlockDecompressorStream reads.
func readPieces(t *testing.T, b []byte, one func(dst, src []byte) ([]byte, error)) []byte {
	t.Helper()
	var out []byte
	for len(b) > 0 {
		raw, n := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
		if raw > 256<<10 || n > 256<<10 {
			t.Fatalf("a piece of %d bytes in %d: more than Hadoop's buffers", raw, n)
		}
		piece, err := one(make([]byte, raw), b[8:8+n])
		if err != nil || len(piece) != int(raw) {
			t.Fatalf("a piece of %d bytes: %d, %v", raw, len(piece), err)
		}
		out, b = append(out, piece...), b[8+n:]
	}
	return out
}

func decode(t *testing.T, c *Codec, b []byte) []byte {
	t.Helper()
	var r io.Reader
	var err error
	switch c.Extension {
	case ".gz":
		r, err = stdgzip.NewReader(bytes.NewReader(b))
	case ".bz2":
		r = stdbzip2.NewReader(bytes.NewReader(b))
	case ".zst":
		r, err = zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1))
	case ".deflate":
		in := bytes.NewReader(b)
		var all []byte
		for in.Len() > 0 && err == nil { // streams follow each other
			var z io.ReadCloser
			if z, err = stdzlib.NewReader(in); err == nil {
				var one []byte
				one, err = io.ReadAll(z)
				all = append(all, one...)
			}
		}
		r = bytes.NewReader(all)
	case ".snappy":
		return readPieces(t, b, snappy.Decode)
	case ".lz4":
		return readPieces(t, b, func(dst, src []byte) ([]byte, error) {
			n, err := lz4.UncompressBlock(src, dst)
			return dst[:max(n, 0)], err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestStreamsAreReadAsOne(t *testing.T) {
	noise := make([]byte, 700_000)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	parts := [][]byte{[]byte("hello"), bytes.Repeat([]byte("line of a log\n"), 100_000), noise, {1}}
	for _, c := range codecs {
		z, err := c.New()
		if err != nil {
			t.Fatal(err)
		}
		b := []byte("before")
		for _, p := range parts {
			if b, err = z.Append(b, p); err != nil {
				t.Fatalf("%s: %v", c.Class, err)
			}
		}
		if !bytes.HasPrefix(b, []byte("before")) {
			t.Errorf("%s: what was in dst is gone", c.Class)
		}
		if got := decode(t, c, b[len("before"):]); !bytes.Equal(got, slices.Concat(parts...)) {
			t.Errorf("%s: %d bytes come back, want %d the same", c.Class, len(got), len(slices.Concat(parts...)))
		}
	}
}

func TestGzipHeadersAreThoseOfJava(t *testing.T) {
	c, _ := Lookup("gzip")
	z, _ := c.New()
	for _, want := range []byte{0xff, 0, 0} {
		b, err := z.Append(nil, []byte("x"))
		if err != nil || b[9] != want || binary.LittleEndian.Uint32(b[4:]) != 0 {
			t.Errorf("header % x, %v, want system %x and no time", b[:10], err, want)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"gzip": "GzipCodec", "GZipCodec": "GzipCodec", "org.apache.hadoop.io.compress.SnappyCodec": "SnappyCodec",
		"Default": "DefaultCodec", "bzip2": "BZip2Codec", "zstandard": "ZStandardCodec", "LZ4": "Lz4Codec", "deflate": "DeflateCodec",
	} {
		if c, err := Lookup(name); err != nil || !strings.HasSuffix(c.Class, "."+want) {
			t.Errorf("%s: %v, %v, want %s", name, c, err, want)
		}
	}
	for _, name := range []string{"", "none"} {
		if c, err := Lookup(name); c != nil || err != nil {
			t.Errorf("%q: %v, %v, want none", name, c, err)
		}
	}
	for name, want := range map[string]string{"lzo": "GPL", "com.hadoop.compression.lzo.LzopCodec": "GPL", "zstd": "zstandard", "rar": "gzip"} {
		if _, err := Lookup(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %s", name, err, want)
		}
	}
}
