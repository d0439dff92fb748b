package taildir

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"

	"goflume/internal/vfs"
)

// The journal stands beside the position file and gets one record per batch. It is written anew at start and when it is
// long; a torn record ends it. On disk, little-endian:
//
//	offset  0  "gofltail" and the version, 8 bits; 7 bytes zero
//	then records of 48 bytes:
//	        0  CRC-32C of the other 44
//	        4  length of the head that is known, 16 bits
//	        6  length of the tail that is known, 8 bits
//	        7  kind, 8 bits: 0 a file, 1 the position file
//	        8  device
//	       16  inode
//	       24  position: everything before it was delivered
//	       32  FNV-1a of the head, the file's first bytes
//	       40  FNV-1a of the tail, the bytes before the position; where that is 0, of what the names of rotations begin with
//
// The record of the position file has the FNV-1a of its content in place of a position and zeros elsewhere: where the file
// is another one now, somebody else wrote it.
const (
	journalMagic   = "gofltail\x02\x00\x00\x00\x00\x00\x00\x00"
	recordBytes    = 48
	compactRecords = 1 << 16
	journalLimit   = 1 << 30 // bytes that are read at most
)

const (
	kindFile     = 0
	kindPosition = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// identity is a file while it exists.
type identity struct{ dev, inode uint64 }

// mark is how far a file was delivered, and what it held there and at its start.
type mark struct {
	pos     int64
	headLen int
	tailLen int
	head    uint64 // hashes
	tail    uint64 // where pos is 0, of the stem of its name
}

// hash is FNV-1a.
func hash(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// noted is what a journal says.
type noted struct {
	marks     map[identity]mark
	positions uint64 // hash of the position file; 0 for none
}

// journal is the one that is written.
type journal struct {
	fs      vfs.FS
	f       vfs.File
	size    int64
	records int // since it was started
	most    int
	buf     []byte
}

// readJournal returns the last mark of each file. A missing journal has none.
func readJournal(fsys vfs.FS, name string) (noted, error) {
	n := noted{marks: map[identity]mark{}}
	text, err := vfs.ReadFile(fsys, name, journalLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err != nil {
		return n, err
	}
	if len(text) < len(journalMagic) || string(text[:len(journalMagic)]) != journalMagic {
		return n, errors.New("position journal " + name + ": not one, or of another version")
	}
	for r := text[len(journalMagic):]; len(r) >= recordBytes; r = r[recordBytes:] {
		if binary.LittleEndian.Uint32(r) != crc32.Checksum(r[4:recordBytes], castagnoli) {
			break
		}
		pos := binary.LittleEndian.Uint64(r[24:])
		if r[7] == kindPosition {
			n.positions = pos
			continue
		}
		n.marks[identity{binary.LittleEndian.Uint64(r[8:]), binary.LittleEndian.Uint64(r[16:])}] = mark{
			pos: int64(pos), headLen: int(binary.LittleEndian.Uint16(r[4:])), tailLen: int(r[6]),
			head: binary.LittleEndian.Uint64(r[32:]), tail: binary.LittleEndian.Uint64(r[40:]),
		}
	}
	return n, nil
}

func appendRecord(dst []byte, kind byte, id identity, m mark) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(m.headLen))
	dst = append(dst, byte(m.tailLen), kind)
	for _, v := range []uint64{id.dev, id.inode, uint64(m.pos), m.head, m.tail} {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	binary.LittleEndian.PutUint32(dst[at:], crc32.Checksum(dst[at+4:], castagnoli))
	return dst
}

// startJournal replaces the journal by one with just these marks, which is safe on disk then, and goes on with it.
func startJournal(fsys vfs.FS, name string, n noted) (*journal, error) {
	content := []byte(journalMagic)
	for id, m := range n.marks {
		content = appendRecord(content, kindFile, id, m)
	}
	if n.positions != 0 {
		content = appendRecord(content, kindPosition, identity{}, mark{pos: int64(n.positions)})
	}
	f, err := vfs.Replace(fsys, name, content)
	if err != nil {
		return nil, err
	}
	return &journal{fs: fsys, f: f, size: int64(len(content)), most: max(compactRecords, 2*len(n.marks))}, nil
}

// note notes a mark. After an error the rest of the journal may not be readable: it has to be started anew.
func (j *journal) note(id identity, m mark) error { return j.append(kindFile, id, m) }

// notePositions notes that the position file is the one with that hash.
func (j *journal) notePositions(hash uint64) error {
	return j.append(kindPosition, identity{}, mark{pos: int64(hash)})
}

func (j *journal) append(kind byte, id identity, m mark) error {
	j.buf = appendRecord(j.buf[:0], kind, id, m)
	if _, err := j.f.WriteAt(j.buf, j.size); err != nil {
		return err
	}
	j.records++
	j.size += recordBytes
	return nil
}

// long tells whether it is time to start the journal anew.
func (j *journal) long() bool { return j.records >= j.most }
