// Package flumelog reads the event files of Apache Flume's file channel, versions 2 and 3 (LogFileV2, LogFileV3), and
// works out what is queued in a directory of them. It never writes.
//
// A version 3 file has no header of its own; records are `op, length, payload`, the payload three protobuf messages. A
// version 2 file starts with 24 bytes, and its records have no length, so that reading it ends at the first damage.
package flumelog

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"goflume/event"
	"goflume/internal/vfs"
)

// Kind of a record, as Flume numbers them.
type Kind int32

// The records of Flume's TransactionEventRecord.
const (
	Put Kind = iota + 1
	Take
	Rollback
	Commit
)

// Pointer names a put: the number of its file and the offset of its record.
type Pointer uint64

func pointer(file int32, off int64) Pointer {
	return Pointer(uint64(uint32(file))<<32 | uint64(uint32(off)))
}

// File returns the file's number.
func (p Pointer) File() int32 { return int32(p >> 32) }

// Offset returns the record's offset in bytes.
func (p Pointer) Offset() int64 { return int64(uint32(p)) }

// Record is one record of a log.
type Record struct {
	At     Pointer
	Kind   Kind
	Tx     int64 // transaction
	Order  int64 // write order over all logs
	Event  event.Event
	Of     Pointer // of a take: the put
	OfPuts bool    // of a commit: the transaction's kind
}

// Damage is a record, or what should be one, that cannot be read. Where Ends is false Next goes on behind it.
type Damage struct {
	File string
	Off  int64
	Why  string
	Ends bool
}

func (d *Damage) Error() string { return fmt.Sprintf("record at %s:%d: %s", d.File, d.Off, d.Why) }

// On disk, version 3 and 2.
const (
	opRecord = 0x7f
	opNoop   = 0x00
	opEOF    = 0x80

	v2Header = 24
	v2Magic  = 0xdeadbeef

	maxRecord = 1 << 31
)

// Log is one open log file.
type Log struct {
	Name    string
	ID      int32
	Version int
	Key     string // alias of the key that it is encrypted with; empty: it is not

	block cipher.Block
	iv    []byte
	file  vfs.File
	size  int64
	off   int64
	win   []byte
	at    int64 // of win
}

// Keys returns the key of an alias, nil where there is none.
type Keys func(alias string) []byte

// Open opens log-N in dir. Its version is told by the log-N.meta beside it. keys are for logs that Flume encrypted; it may
// be nil.
func Open(fsys vfs.FS, dir, name string, keys Keys) (*Log, error) {
	n, err := strconv.ParseInt(strings.TrimPrefix(name, "log-"), 10, 32)
	if err != nil {
		return nil, fmt.Errorf("open %s: no log file's name", name)
	}
	l := &Log{Name: filepath.Join(dir, name), ID: int32(n), Version: 3}
	if l.file, err = fsys.OpenRead(l.Name); err != nil {
		return nil, err
	}
	if l.size, err = l.file.Size(); err != nil {
		l.Close()
		return nil, err
	}
	meta, err := vfs.ReadFile(fsys, l.Name+".meta", 1<<20)
	if err == nil && len(meta) > 0 {
		err = l.readMeta(meta, keys)
	} else {
		err = l.readHeader()
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("%s: %w", l.Name, err)
	}
	return l, nil
}

// Close closes the file.
func (l *Log) Close() error { return l.file.Close() }

func (l *Log) readMeta(b []byte, keys Keys) error {
	m, _, ok := delimited(b)
	if !ok {
		return errors.New("its .meta is damaged")
	}
	version := int64(0)
	for m.next() {
		switch m.field {
		case 1:
			version = m.num
		case 5:
			if err := l.readCipher(m.bytes, keys); err != nil {
				return err
			}
		}
	}
	if m.bad || version != 3 {
		return fmt.Errorf("its .meta says version %d, known are 2 and 3", version)
	}
	return nil
}

func (l *Log) readHeader() error {
	b, err := l.load(0, v2Header)
	if err != nil || len(b) < v2Header || binary.BigEndian.Uint32(b) != 2 {
		return err
	}
	l.Version, l.ID, l.off = 2, int32(binary.BigEndian.Uint32(b[4:])), v2Header
	return nil
}

const window = 1 << 20

// load returns up to n bytes at off; they stay valid.
func (l *Log) load(off, n int64) ([]byte, error) {
	n = max(0, min(n, l.size-off))
	if off < l.at || off+n > l.at+int64(len(l.win)) {
		win := make([]byte, min(max(n, window), l.size-off))
		m, err := l.file.ReadAt(win, off)
		if err != nil && err != io.EOF {
			return nil, err
		}
		l.win, l.at = win[:m], off
	}
	b := l.win[off-l.at:]
	return b[:min(n, int64(len(b)))], nil
}

// Next returns the next record, io.EOF at the log's end, or a *Damage.
func (l *Log) Next() (Record, error) {
	for {
		r, next, err := l.read(l.off)
		if next <= l.off { // nothing can be read behind this
			next = l.size
		}
		l.off = next
		if err == nil && r.Kind == 0 {
			continue // blanked by the integrity tool
		}
		return r, err
	}
}

// ReadAt returns the record that the pointer names.
func (l *Log) ReadAt(p Pointer) (Record, error) {
	r, _, err := l.read(p.Offset())
	return r, err
}

// read returns the record at off and where the next one is, 0 where nobody knows.
func (l *Log) read(off int64) (Record, int64, error) {
	b, err := l.load(off, 5)
	if err != nil {
		return Record{}, 0, err
	}
	if len(b) == 0 || b[0] == opEOF {
		return Record{}, 0, io.EOF
	}
	if b[0] != opRecord && (b[0] != opNoop || l.Version == 2) || len(b) < 5 {
		return Record{}, 0, &Damage{l.Name, off, fmt.Sprintf("byte %#x is no record's", b[0]), true}
	}
	if l.Version == 2 {
		return l.readV2(off)
	}
	n := int64(binary.BigEndian.Uint32(b[1:]))
	next := off + 5 + n
	if n >= maxRecord || next > l.size {
		return Record{}, 0, &Damage{l.Name, off, fmt.Sprintf("length %d goes beyond the file", n), true}
	}
	if b[0] == opNoop {
		return Record{}, next, nil
	}
	if b, err = l.load(off, 5+n); err != nil {
		return Record{}, 0, err
	}
	r := Record{At: pointer(l.ID, off)}
	if why := r.parseV3(l.decrypt(b[5:])); why != "" {
		d := &Damage{l.Name, off, why, !l.saneOp(next)}
		if d.Ends {
			next = 0
		}
		return Record{}, next, d
	}
	return r, next, nil
}

// saneOp tells whether a record may start at off.
func (l *Log) saneOp(off int64) bool {
	b, err := l.load(off, 1)
	return err == nil && (len(b) == 0 || b[0] == opRecord || b[0] == opNoop || b[0] == opEOF)
}

func (r *Record) parseV3(b []byte) string {
	head, b, ok := delimited(b)
	body, b, ok2 := delimited(b)
	foot, b, ok3 := delimited(b)
	if !ok || !ok2 || !ok3 || len(b) != 0 || len(foot.b) != 0 {
		return "its parts do not fill it"
	}
	for head.next() {
		switch head.field {
		case 1:
			r.Kind = Kind(head.num)
		case 2:
			r.Tx = head.num
		case 3:
			r.Order = head.num
		}
	}
	if head.bad || r.Kind < Put || r.Kind > Commit {
		return "its header is damaged"
	}
	var file, off, sum int64
	sum = -1
	for body.next() {
		switch {
		case r.Kind == Put && body.field == 1:
			if !r.parseEvent(body.bytes) {
				return "its event is damaged"
			}
		case r.Kind == Put && body.field == 2:
			sum = body.num
		case r.Kind == Take && body.field == 1:
			file = body.num
		case r.Kind == Take && body.field == 2:
			off = body.num
		case r.Kind == Commit && body.field == 1:
			r.OfPuts = body.num == int64(Put)
		}
	}
	if body.bad {
		return "its body is damaged"
	}
	r.Of = pointer(int32(file), off)
	if r.Kind == Put && sum >= 0 && uint32(sum) != crc32.ChecksumIEEE(r.Event.Body) {
		return "its checksum is wrong"
	}
	return ""
}

func (r *Record) parseEvent(b []byte) bool {
	m := message{b: b}
	for m.next() {
		switch m.field {
		case 1:
			var h event.Header
			kv := message{b: m.bytes}
			for kv.next() {
				switch kv.field {
				case 1:
					h.Key = string(kv.bytes)
				case 2:
					h.Value = string(kv.bytes)
				}
			}
			if kv.bad {
				return false
			}
			r.Event.Headers = append(r.Event.Headers, h)
		case 2:
			r.Event.Body = m.bytes
		}
	}
	return !m.bad
}

// message steps through the fields of a protobuf message.
type message struct {
	b     []byte
	field int
	num   int64
	bytes []byte
	bad   bool
}

func delimited(b []byte) (message, []byte, bool) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return message{}, nil, false
	}
	return message{b: b[k : k+int(n)]}, b[k+int(n):], true
}

func (m *message) next() bool {
	if len(m.b) == 0 || m.bad {
		return false
	}
	tag, n := binary.Uvarint(m.b)
	if n <= 0 {
		m.bad = true
		return false
	}
	m.b, m.field, m.num, m.bytes = m.b[n:], int(tag>>3), 0, nil
	switch tag & 7 {
	case 0:
		v, n := binary.Uvarint(m.b)
		if m.bad = n <= 0; !m.bad {
			m.num, m.b = int64(v), m.b[n:]
		}
	case 1:
		if m.bad = len(m.b) < 8; !m.bad {
			m.num, m.b = int64(binary.LittleEndian.Uint64(m.b)), m.b[8:]
		}
	case 5:
		if m.bad = len(m.b) < 4; !m.bad {
			m.num, m.b = int64(int32(binary.LittleEndian.Uint32(m.b))), m.b[4:]
		}
	case 2:
		v, n := binary.Uvarint(m.b)
		if m.bad = n <= 0 || v > uint64(len(m.b)-max(n, 0)); !m.bad {
			m.bytes, m.b = m.b[n:n+int(v)], m.b[n+int(v):]
		}
	default:
		m.bad = true
	}
	return !m.bad
}
