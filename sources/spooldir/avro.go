package spooldir

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"
	"github.com/ulikunitz/xz"

	"goflume/event"
)

// Bounds in bytes of what an Avro container file may make this program hold in memory.
const (
	maxAvroHeader = 16 << 20
	maxAvroBlock  = 256 << 20 // as it is stored, and as it is decompressed
	syncSize      = 16

	// maxEmptyRecords is how many records of no bytes a block may have.
	maxEmptyRecords = 1 << 20
)

// Headers that tell the schema, as Flume's AvroEventDeserializer sets them.
const (
	schemaHash    = "flume.avro.schema.hash"
	schemaLiteral = "flume.avro.schema.literal"
)

// avroRecords makes an event of each record of an Avro object container file: the record in Avro's binary encoding as it
// stands in the file, and the schema in a header.
type avroRecords struct {
	src     *bufio.Reader
	offset  int64 // bytes taken from src since the file's start
	schema  *avro.Schema
	unpack  func([]byte) ([]byte, error)
	sync    [syncSize]byte
	headers []event.Header

	block   []byte // records that were not read
	left    int64  // their number
	start   int64  // of the block; of the next one when none are left
	records int64  // of the block that were read
}

func newAvroRecords(src *stream, at position, headers []event.Header, schemaType string) (*avroRecords, error) {
	r := &avroRecords{src: bufio.NewReaderSize(src, 64<<10)}
	text, err := r.header()
	if err != nil {
		return nil, fmt.Errorf("the header of the Avro file: %w", whole(err))
	}
	h := event.Header{Key: schemaLiteral, Value: text}
	if schemaType == "HASH" {
		// Java writes the fingerprint with its lowest byte first.
		var sum [8]byte
		binary.LittleEndian.PutUint64(sum[:], binary.BigEndian.Uint64(r.schema.Fingerprint(avro.NewRabin())))
		h = event.Header{Key: schemaHash, Value: hex.EncodeToString(sum[:])}
	}
	r.headers = append(headers[:len(headers):len(headers)], h)
	r.start = r.offset
	if at.offset > 0 {
		err = r.goOn(src, at)
	}
	return r, err
}

// position is where the sync marker before the block begins, as in Flume.
func (r *avroRecords) position() position {
	return position{offset: r.start - syncSize, records: r.records}
}

// finish does nothing: a container file ends with a whole block.
func (r *avroRecords) finish() {}

func (r *avroRecords) read(b *event.Batch, q *quota) error {
	for q.left() {
		if r.left == 0 {
			if err := r.nextBlock(); err != nil {
				return err
			}
			continue
		}
		datum, err := r.next()
		if err != nil {
			return err
		}
		q.add(b, datum, r.headers)
	}
	return nil
}

// next cuts the next record off the block.
func (r *avroRecords) next() ([]byte, error) {
	var nothing struct{}
	rest, err := r.schema.Decode(r.block, &nothing, avro.SkipUnknown())
	if err == nil && r.left == 1 && len(rest) > 0 {
		err = fmt.Errorf("%d bytes are left behind the last record", len(rest))
	}
	if err != nil {
		return nil, fmt.Errorf("record %d of the Avro block at byte %d: %w", r.records, r.start, err)
	}
	datum := r.block[:len(r.block)-len(rest)]
	r.block = rest
	r.left--
	r.records++
	if r.left == 0 {
		r.start, r.records = r.offset, 0
	}
	return datum, nil
}

// nextBlock reads and decompresses a block. io.EOF: the file ended before it.
func (r *avroRecords) nextBlock() error {
	if _, err := r.src.Peek(1); err != nil {
		return err
	}
	count, block, err := r.blockAt()
	if err != nil {
		return fmt.Errorf("the Avro block at byte %d: %w", r.start, whole(err))
	}
	if count == 0 {
		r.start = r.offset
	}
	r.block, r.left = block, count
	return nil
}

func (r *avroRecords) blockAt() (count int64, block []byte, err error) {
	if count, err = r.long(); err != nil {
		return 0, nil, err
	}
	size, err := r.long()
	if err != nil {
		return 0, nil, err
	}
	if count < 0 || size < 0 || size > maxAvroBlock {
		return 0, nil, fmt.Errorf("%d records in %d bytes, want at most %d", count, size, maxAvroBlock)
	}
	packed, err := r.bytes(size)
	if err != nil {
		return 0, nil, err
	}
	var sync [syncSize]byte
	if err := r.full(sync[:]); err != nil {
		return 0, nil, err
	}
	if sync != r.sync {
		return 0, nil, errors.New("it does not end with the file's sync marker")
	}
	if block, err = r.unpack(packed); err != nil {
		return 0, nil, fmt.Errorf("decompress: %w", err)
	}
	if count == 0 && len(block) > 0 || count > max(int64(len(block)), maxEmptyRecords) {
		return 0, nil, fmt.Errorf("%d records in %d bytes", count, len(block))
	}
	return count, block, nil
}

// whole makes an end of the file inside of something an error.
func whole(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// header reads the start of the file and returns the schema.
func (r *avroRecords) header() (schema string, err error) {
	var magic [4]byte
	if err := r.full(magic[:]); err != nil {
		return "", err
	}
	if string(magic[:]) != "Obj\x01" {
		return "", errors.New("it does not begin as an Avro container file")
	}
	values, err := r.metadata()
	if err != nil {
		return "", err
	}
	if err := r.full(r.sync[:]); err != nil {
		return "", err
	}
	if r.schema, err = avro.Parse(values["avro.schema"], avro.WithLaxNames(nil)); err != nil {
		return "", fmt.Errorf("its schema: %w", err)
	}
	if kind := r.schema.Root().Type; kind != "record" {
		return "", fmt.Errorf("its schema is of the type %s, want record", kind)
	}
	if r.unpack, err = unpacker(values["avro.codec"]); err != nil {
		return "", err
	}
	var compact bytes.Buffer
	err = json.Compact(&compact, []byte(values["avro.schema"]))
	return compact.String(), err
}

// metadata reads the header's map.
func (r *avroRecords) metadata() (map[string]string, error) {
	values := map[string]string{}
	for {
		n, err := r.long()
		if err == nil && n < 0 {
			n = -n
			_, err = r.long() // the block's bytes
		}
		if err != nil || n == 0 {
			return values, err
		}
		for ; n != 0; n-- {
			var pair [2][]byte
			for i := range pair {
				size, err := r.long()
				if err == nil && (size < 0 || r.offset+size > maxAvroHeader) {
					err = fmt.Errorf("it is longer than %d bytes", maxAvroHeader)
				}
				if err == nil {
					pair[i], err = r.bytes(size)
				}
				if err != nil {
					return nil, err
				}
			}
			values[string(pair[0])] = string(pair[1])
		}
	}
}

// goOn goes to the block behind the next sync marker from the position on, as Flume does, and over the records of it that
// were delivered, which Flume repeats.
func (r *avroRecords) goOn(src *stream, at position) error {
	if at.offset > r.offset-syncSize {
		if err := r.findBlock(src, at.offset); err != nil {
			return err
		}
	}
	r.start = r.offset
	if at.records == 0 || r.start-syncSize != at.offset {
		return nil
	}
	if err := r.nextBlock(); err != nil {
		return err
	}
	for range min(at.records, r.left) {
		if _, err := r.next(); err != nil {
			return err
		}
	}
	return nil
}

// findBlock goes behind the next sync marker from the offset on.
func (r *avroRecords) findBlock(src *stream, offset int64) error {
	if err := r.discard(src, offset-r.offset); err != nil {
		return err
	}
	for {
		window, err := r.src.Peek(2 * syncSize)
		if err != nil && err != io.EOF {
			return err
		}
		if n := bytes.Index(window, r.sync[:]); n >= 0 {
			return r.discard(src, int64(n+syncSize))
		}
		if err == io.EOF {
			return fmt.Errorf("no sync marker behind byte %d, up to which it was delivered", offset)
		}
		if err := r.discard(src, syncSize); err != nil {
			return err
		}
	}
}

// discard goes on n bytes further.
func (r *avroRecords) discard(src *stream, n int64) error {
	if n <= 0 {
		return nil
	}
	r.offset += n
	if buffered := int64(r.src.Buffered()); n > buffered {
		r.src.Reset(src)
		return src.skip(n - buffered)
	}
	_, err := r.src.Discard(int(n))
	return err
}

// long reads a zigzag variable-length number.
func (r *avroRecords) long() (int64, error) {
	var u uint64
	for shift := 0; shift < 64; shift += 7 {
		c, err := r.src.ReadByte()
		if err != nil {
			return 0, err
		}
		r.offset++
		u |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return int64(u>>1) ^ -int64(u&1), nil
		}
	}
	return 0, errors.New("a number of more than 64 bits")
}

func (r *avroRecords) full(p []byte) error {
	n, err := io.ReadFull(r.src, p)
	r.offset += int64(n)
	return err
}

// bytes reads n bytes; memory is taken as they come.
func (r *avroRecords) bytes(n int64) ([]byte, error) {
	const trusted = 1 << 20
	if n <= trusted {
		b := make([]byte, n)
		return b, r.full(b)
	}
	var b bytes.Buffer
	got, err := io.CopyN(&b, r.src, n)
	r.offset += got
	return b.Bytes(), err
}

// unpacker returns the decompression of blocks by a codec of Avro's specification.
func unpacker(codec string) (func([]byte) ([]byte, error), error) {
	bounded := func(c ocf.Codec) func([]byte) ([]byte, error) {
		return func(packed []byte) ([]byte, error) {
			return c.(ocf.BoundedDecompressor).DecompressBounded(packed, maxAvroBlock)
		}
	}
	through := func(open func(io.Reader) (io.Reader, error)) func([]byte) ([]byte, error) {
		return func(packed []byte) ([]byte, error) {
			in, err := open(bytes.NewReader(packed))
			if err != nil {
				return nil, err
			}
			block, err := io.ReadAll(io.LimitReader(in, maxAvroBlock+1))
			if err == nil && len(block) > maxAvroBlock {
				err = fmt.Errorf("more than %d bytes", maxAvroBlock)
			}
			return block, err
		}
	}
	switch codec {
	case "", "null":
		return func(block []byte) ([]byte, error) { return block, nil }, nil
	case "deflate":
		return bounded(ocf.DeflateCodec(0)), nil
	case "snappy":
		return bounded(ocf.SnappyCodec()), nil
	case "zstandard":
		c, err := ocf.ZstdCodec(nil, nil)
		if err != nil {
			return nil, err
		}
		return bounded(c), nil
	case "bzip2":
		return through(func(in io.Reader) (io.Reader, error) { return bzip2.NewReader(in), nil }), nil
	case "xz":
		return through(func(in io.Reader) (io.Reader, error) { return xz.NewReader(in) }), nil
	}
	return nil, fmt.Errorf("%q is no codec of Avro files", codec)
}
