package taildir

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"hash/fnv"
	"io/fs"
	"os"
)

// The journal stands beside the position file and gets one record per batch. It is compacted at start and when it is
// long; a torn record at its end is dropped. On disk, little-endian:
//
//	offset  0  "gofltail" and the version, 8 bits; 7 bytes zero
//	then records of 40 bytes:
//	        0  CRC-32C of the other 36
//	        4  length of the head that is known, 16 bits; 2 bytes zero
//	        8  device
//	       16  inode
//	       24  position: everything before it was delivered
//	       32  FNV-1a of the head, the file's first bytes
const (
	journalMagic   = "gofltail\x01\x00\x00\x00\x00\x00\x00\x00"
	recordBytes    = 40
	compactRecords = 1 << 16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// identity is a file while it exists.
type identity struct{ dev, inode uint64 }

// mark is how far a file was delivered, and what it began with.
type mark struct {
	pos     int64
	headLen int
	head    uint64 // hash
}

func hash(head []byte) uint64 {
	h := fnv.New64a()
	h.Write(head)
	return h.Sum64()
}

type journal struct {
	f       *os.File
	records int
	buf     []byte
}

// readJournal returns the last mark of each file.
func readJournal(name string) (map[identity]mark, error) {
	marks := map[identity]mark{}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return marks, nil
	}
	if err != nil {
		return nil, err
	}
	if len(text) < len(journalMagic) || string(text[:len(journalMagic)]) != journalMagic {
		return nil, errors.New("position journal " + name + ": not one, or of another version")
	}
	for r := text[len(journalMagic):]; len(r) >= recordBytes; r = r[recordBytes:] {
		if binary.LittleEndian.Uint32(r) != crc32.Checksum(r[4:recordBytes], castagnoli) {
			break
		}
		id := identity{binary.LittleEndian.Uint64(r[8:]), binary.LittleEndian.Uint64(r[16:])}
		marks[id] = mark{int64(binary.LittleEndian.Uint64(r[24:])), int(binary.LittleEndian.Uint16(r[4:])), binary.LittleEndian.Uint64(r[32:])}
	}
	return marks, nil
}

func appendRecord(dst []byte, id identity, m mark) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(m.headLen))
	dst = append(dst, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, id.dev)
	dst = binary.LittleEndian.AppendUint64(dst, id.inode)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(m.pos))
	dst = binary.LittleEndian.AppendUint64(dst, m.head)
	binary.LittleEndian.PutUint32(dst[at:], crc32.Checksum(dst[at+4:], castagnoli))
	return dst
}

// startJournal replaces the journal by one with just these marks and opens it.
func startJournal(name string, marks map[identity]mark) (*journal, error) {
	content := []byte(journalMagic)
	for id, m := range marks {
		content = appendRecord(content, id, m)
	}
	if err := replace(name, content); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	return &journal{f: f}, nil
}

// append notes a mark. After an error the rest of the journal may not be readable: it has to be started anew.
func (j *journal) append(id identity, m mark) error {
	j.records++
	j.buf = appendRecord(j.buf[:0], id, m)
	_, err := j.f.Write(j.buf)
	return err
}

func (j *journal) long() bool { return j.records >= compactRecords }
