package spooldir

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// A progress file is an Avro object container file without compression, as Flume writes it (class DurablePositionTracker):
// its metadata has the path of the file under way as `file`, its records are TransferStateFileMeta, a long each, and the last
// one is the offset in bytes up to which the file was delivered. Every record is a block of its own.
//
// This program adds the file's inode to the metadata, and before an offset inside of an Avro file it writes, in the same
// block, a record -1-n: n records behind that offset were delivered too. Flume overlooks both and repeats these n.

const (
	metaSchema = `{"type":"record","name":"TransferStateFileMeta","namespace":"org.apache.flume.serialization","fields":[{"name":"offset","type":"long"}]}`
	inodeKey   = "goflume.inode"
)

// errMeta is matched by errors about bytes that are no progress file.
var errMeta = errors.New("not a progress file")

// position is how far a file was delivered.
type position struct {
	offset  int64 // bytes; of AVRO, where the sync marker before a block begins
	records int64 // of that block
}

func (p position) before(q position) bool {
	return p.offset < q.offset || p.offset == q.offset && p.records < q.records
}

// meta is what a progress file says.
type meta struct {
	path  string
	inode uint64 // 0 when not known
	at    position
	found bool // there is a position
}

// container writes a progress file.
type container struct{ sync [16]byte }

func newContainer() container {
	var c container
	rand.Read(c.sync[:])
	return c
}

// appendHeader appends the start of the file.
func (c *container) appendHeader(dst []byte, path string, inode uint64) []byte {
	dst = append(dst, 'O', 'b', 'j', 1)
	pairs := []string{"avro.schema", metaSchema, "file", path, inodeKey, strconv.FormatUint(inode, 10)}
	dst = binary.AppendVarint(dst, int64(len(pairs)/2))
	for _, s := range pairs {
		dst = binary.AppendVarint(dst, int64(len(s)))
		dst = append(dst, s...)
	}
	dst = append(dst, 0)
	return append(dst, c.sync[:]...)
}

// appendPosition appends a block.
func (c *container) appendPosition(dst []byte, at position) []byte {
	var data [2 * binary.MaxVarintLen64]byte
	count, n := int64(1), 0
	if at.records > 0 {
		count = 2
		n = binary.PutVarint(data[:], -1-at.records)
	}
	n += binary.PutVarint(data[n:], at.offset)
	dst = binary.AppendVarint(dst, count)
	dst = binary.AppendVarint(dst, int64(n))
	dst = append(dst, data[:n]...)
	return append(dst, c.sync[:]...)
}

// parseMeta reads a progress file. A tail that is torn or damaged is an error matching errMeta beside what stood before it;
// found tells whether that is a position.
func parseMeta(data []byte) (meta, error) {
	p := metaParser{data: data}
	var m meta
	if !bytes.HasPrefix(data, []byte("Obj\x01")) {
		return m, fmt.Errorf("%w: it does not begin as an Avro container file", errMeta)
	}
	p.at = 4
	p.metadata(&m)
	sync := p.bytes(16)
	if p.err == nil && m.path == "" {
		p.fail("no file is named")
	}
	for p.err == nil && p.at < len(data) {
		p.block(&m, sync)
	}
	return m, p.err
}

type metaParser struct {
	data []byte
	at   int
	err  error
}

func (p *metaParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: byte %d: %s", errMeta, p.at, fmt.Sprintf(format, args...))
	}
}

func (p *metaParser) long() int64 {
	if p.err != nil {
		return 0
	}
	v, n := binary.Varint(p.data[p.at:])
	if n <= 0 {
		p.fail("bad or cut off number")
		return 0
	}
	p.at += n
	return v
}

func (p *metaParser) bytes(n int64) []byte {
	if p.err == nil && (n < 0 || n > int64(len(p.data)-p.at)) {
		p.fail("%d bytes wanted, %d are left", n, len(p.data)-p.at)
	}
	if p.err != nil {
		return nil
	}
	b := p.data[p.at : p.at+int(n)]
	p.at += int(n)
	return b
}

// metadata reads the container's map of strings to bytes.
func (p *metaParser) metadata(m *meta) {
	for {
		n := p.long()
		if n < 0 {
			if n == math.MinInt64 {
				p.fail("metadata of %d entries", n)
				return
			}
			n = -n
			p.long() // the block's bytes
		}
		if n == 0 || p.err != nil {
			return
		}
		for ; n > 0 && p.err == nil; n-- {
			key, value := string(p.bytes(p.long())), string(p.bytes(p.long()))
			switch key {
			case "file":
				m.path = value
			case inodeKey:
				m.inode, _ = strconv.ParseUint(value, 10, 64)
			case "avro.codec":
				if value != "null" && value != "" {
					p.fail("codec %q", value)
				}
			}
		}
	}
}

// block reads a block of positions; it counts only when its end is right too.
func (p *metaParser) block(m *meta, sync []byte) {
	count, data := p.long(), p.bytes(p.long())
	if end := p.bytes(16); p.err == nil && !bytes.Equal(end, sync) {
		p.fail("wrong sync marker")
	}
	if p.err != nil {
		return
	}
	in := metaParser{data: data}
	at, found := m.at, false
	at.records = 0
	for ; count > 0 && in.err == nil; count-- {
		v := in.long()
		switch {
		case in.err != nil:
		case v >= 0:
			at.offset, found = v, true
		case v > math.MinInt64:
			at.records = -1 - v
		}
	}
	if in.err != nil || in.at != len(data) || !found {
		p.fail("a block without a position")
		return
	}
	m.at, m.found = at, true
}
