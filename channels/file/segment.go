package file

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strconv"
	"strings"

	"goflume/internal/vfs"
)

// On disk: a segment's header page.
const (
	segMagic   = "GOFLUMEQ"
	version    = 1
	segCopy    = 2048 // offset of the header's copy
	segCRC     = 508  // offset of the checksum of what stands before it
	maxAlias   = 64
	cipherNone = 0
	cipherGCM  = 1
)

// errUnused marks a file that was made for a segment and never got a whole header: nothing was ever written to it.
var errUnused = errors.New("no segment header")

// segHeader is the header page of a segment.
type segHeader struct {
	uuid   [16]byte // of the channel
	id     uint64   // of the segment, never used twice
	size   int64    // bytes reserved
	cipher uint8
	alias  string // of the master key
	salt   [16]byte
}

func (h *segHeader) encode() []byte {
	b := make([]byte, pageSize)
	le := binary.LittleEndian
	copy(b, segMagic)
	le.PutUint32(b[8:], version)
	copy(b[16:], h.uuid[:])
	le.PutUint64(b[32:], h.id)
	le.PutUint64(b[40:], uint64(h.size))
	b[48], b[49] = h.cipher, byte(len(h.alias))
	copy(b[50:50+maxAlias], h.alias)
	copy(b[114:], h.salt[:])
	le.PutUint32(b[segCRC:], crc32.Checksum(b[:segCRC], castagnoli))
	copy(b[segCopy:], b[:segCRC+4])
	return b
}

// decode reads a header page. errUnused: there is none. Another error: there is one that this program cannot use.
func (h *segHeader) decode(b []byte) error {
	if len(b) < pageSize {
		return errUnused
	}
	err := h.decodeCopy(b)
	if errors.Is(err, errUnused) {
		err = h.decodeCopy(b[segCopy:])
	}
	return err
}

func (h *segHeader) decodeCopy(b []byte) error {
	le := binary.LittleEndian
	if string(b[:8]) != segMagic {
		return errUnused
	}
	if le.Uint32(b[segCRC:]) != crc32.Checksum(b[:segCRC], castagnoli) {
		return fmt.Errorf("header page: %w", errUnused)
	}
	if v := le.Uint32(b[8:]); v != version {
		return fmt.Errorf("format version %d, this program knows %d", v, version)
	}
	if b[48] > cipherGCM || b[49] > maxAlias {
		return fmt.Errorf("cipher %d is unknown", b[48])
	}
	*h = segHeader{id: le.Uint64(b[32:]), size: int64(le.Uint64(b[40:])), cipher: b[48], alias: string(b[50 : 50+b[49]])}
	copy(h.uuid[:], b[16:])
	copy(h.salt[:], b[114:])
	return nil
}

// pos is a place in a lane: segments of a lane have rising ids.
type pos struct {
	seg uint64
	off int64
}

func (p pos) before(q pos) bool { return p.seg < q.seg || p.seg == q.seg && p.off < q.off }

// dataDir is one of dataDirs.
type dataDir struct {
	path   string
	cow    bool        // overwriting reserves nothing
	next   uint64      // number of the next file
	free   []*segment  // files that hold nothing any more
	spare  *segment    // ready to be written
	failed bool        // the last try to make a segment or to write one went wrong
	space  spaceReport // of the last look
}

// segment is one file of a data directory. What a lane writes and reads is below its `end`.
type segment struct {
	segHeader
	dir  *dataDir
	name string
	file vfs.File
	aead cipher.AEAD

	lenient bool // what cannot be read of it counts as damage

	// Guarded by Channel.mu.
	lane        int
	end         int64  // offset behind the last published frame
	first, last uint64 // the events lie in [first, last)
	puts        spans  // the events, until it is sealed; not whole unless `whole`
	putBytes    int64
	whole       bool // puts has all events
	closed      bool // nothing is appended any more
	poisoned    bool // a write or sync failed: never touched again
	sealed      bool
	sealing     bool   // its index is about to be written: the file is not used for anything else
	dropped     uint64 // generation of the first checkpoint without it
}

func segmentName(n uint64) string { return fmt.Sprintf("seg-%08d.fq", n) }

// segmentNumber returns the number in a segment's file name.
func segmentNumber(name string) (uint64, bool) {
	s, ok := strings.CutPrefix(name, "seg-")
	if s, ok2 := strings.CutSuffix(s, ".fq"); ok && ok2 {
		n, err := strconv.ParseUint(s, 10, 63)
		return n, err == nil
	}
	return 0, false
}

func (s *segment) String() string { return filepath.Join(s.dir.path, s.name) }

// addPutLocked notes that the segment holds events [from, to).
func (s *segment) addPutLocked(from, to uint64, bytes int64) {
	if s.first == s.last {
		s.first, s.last = from, to
	}
	s.first, s.last = min(s.first, from), max(s.last, to)
	if !s.sealed {
		s.puts.add(from, to)
	}
	s.putBytes += bytes
}

var zeros [1 << 20]byte

// fillStep is how many zeros are brought to the disk at a time, so that commits do not wait behind all of them.
const fillStep = 8 << 20

// makeSegment returns a segment that is ready to be written: from a file that is free, or a new one of at most `most` bytes
// filled with zeros so that writing it later needs neither room nor the file system's journal. Those who wait for it want a
// small one: filling takes time.
func (c *Channel) makeSegment(d *dataDir, most int64) (*segment, error) {
	c.mu.Lock()
	var s *segment
	for s == nil && len(d.free) > 0 {
		s = d.free[len(d.free)-1]
		d.free = d.free[:len(d.free)-1]
		if s.size < c.leastLocked() || s.size > 2*c.segSize {
			c.mu.Unlock()
			c.discard(s)
			s = nil
			c.mu.Lock()
		}
	}
	c.segID++
	h := segHeader{uuid: c.uuid, id: c.segID, size: min(c.segSize, most), alias: c.keys.active}
	c.mu.Unlock()
	if s == nil {
		var err error
		if h.size, err = c.affordable(d, h.size); err != nil {
			return nil, err
		}
		if s, err = c.newFile(d, h.size); err != nil {
			return nil, err
		}
	}
	h.size = s.size
	made, err := c.prepare(s, &h)
	if err != nil {
		c.setAside(s)
		return nil, fmt.Errorf("prepare segment %s: %w", s, err)
	}
	return made, nil
}

// leastLocked is the size in bytes below which a file is not used again: files grow, but to write a larger one with zeros
// costs more than to have it filled sooner.
func (c *Channel) leastLocked() int64 { return c.segSize / 4 }

// prepare makes the file of s a segment with the header h.
func (c *Channel) prepare(s *segment, h *segHeader) (*segment, error) {
	if h.alias != "" {
		h.cipher = cipherGCM
		if _, err := rand.Read(h.salt[:]); err != nil {
			return nil, err
		}
	}
	aead, err := c.keys.cipher(c.uuid, h)
	if err != nil {
		return nil, err
	}
	if err := s.writeHeader(h); err != nil {
		return nil, err
	}
	return &segment{segHeader: *h, dir: s.dir, name: s.name, file: s.file, aead: aead, end: pageSize, whole: true}, nil
}

func (s *segment) writeHeader(h *segHeader) error {
	if _, err := s.file.WriteAt(h.encode(), 0); err != nil {
		return err
	}
	return s.file.Datasync()
}

// newFile creates a file of size bytes; all of it is written, so that the blocks are there.
func (c *Channel) newFile(d *dataDir, size int64) (*segment, error) {
	c.mu.Lock()
	d.next++
	s := &segment{segHeader: segHeader{size: size}, dir: d, name: segmentName(d.next)}
	c.mu.Unlock()
	f, err := c.fs.Create(s.String())
	if err != nil {
		return nil, fmt.Errorf("create segment: %w", err)
	}
	s.file = f
	err = func() error {
		if !d.cow {
			for off := int64(pageSize); off < size; off += int64(len(zeros)) {
				if _, err := f.WriteAt(zeros[:min(size-off, int64(len(zeros)))], off); err != nil {
					return err
				}
				if off%fillStep == pageSize && off > fillStep {
					if err := f.Datasync(); err != nil {
						return err
					}
				}
			}
			if err := f.Datasync(); err != nil {
				return err
			}
		}
		return c.fs.SyncDir(d.path)
	}()
	if err != nil {
		c.discard(s)
		return nil, fmt.Errorf("fill segment %s: %w", s, err)
	}
	return s, nil
}

// discard removes a file that holds nothing.
func (c *Channel) discard(s *segment) {
	s.file.Close()
	if err := c.fs.Remove(s.String()); err != nil {
		c.env.Log.Warn("A segment file that holds nothing could not be removed", "file", s.String(), "err", err)
	}
}

// setAside gives a file that holds nothing and could not be written another name: the disk below it may be bad.
func (c *Channel) setAside(s *segment) {
	s.file.Close()
	if err := c.fs.Rename(s.String(), s.String()+".bad"); err != nil {
		c.env.Log.Warn("A segment file that could not be written stays under its name", "file", s.String(), "err", err)
	}
}
