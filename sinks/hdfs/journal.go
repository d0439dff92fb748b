package hdfs

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"goflume/internal/vfs"
)

// journal lists the files that the sink has open, on disk, so that the next start finds what a crash left, and how much of
// each was acknowledged. The first line names the boot of the machine in which the lengths were noted; each further one is
// a sign, for + the acknowledged length with its checksum, the file system and quoted names:
//
//	boot "7ff1fbbd-6f0c-4d3a-9d3a-8c2f5a6b7c8d"
//	+ 00000000000000012800:5a3c9f21 "hdfs://nn:8020" "/logs/x.1.tmp" "/logs/x.1"    opened
//	- "hdfs://nn:8020" "/logs/x.1.tmp"                                              closed and renamed
//
// A length is overwritten in place before its batch is taken as delivered, and not forced to the disk: it outlives the
// process, and counts for nothing after another boot. Without it, or with ? in its place, it is not known.
type journal struct {
	disk   vfs.FS
	name   string
	system string // what the file system is called
	boot   string // the machine's, empty where that cannot be told
	fresh  bool   // there was no journal
	lock   io.Closer

	mu    sync.Mutex
	file  vfs.File // nil where nothing is kept on disk
	size  int64
	lines int // in the file
	files map[fileKey]noted
	slot  []byte // scratch
}

type fileKey struct{ system, inUse string }

type noted struct {
	final string
	acked int64 // bytes, -1 for not known
	slot  int64 // where its length stands in the journal
}

// journalMax is how much of a journal is read: far more than the files that can be open.
const journalMax = 64 << 20

// compactAt is how many lines a journal has at least before it is written anew.
const compactAt = 4096

// slotSize is the length of a noted length: 20 digits, a colon and 8 digits of CRC-32C, on disk.
const slotSize = 20 + 1 + 8

// openJournal opens the journal and returns what it lists. An empty name, and an error, give one that is kept in memory only.
func openJournal(disk vfs.FS, name, system, boot string) (*journal, []*repair, error) {
	j := &journal{disk: disk, name: name, system: system, boot: boot, fresh: true, files: map[fileKey]noted{}}
	if name == "" {
		return j, nil, errors.New("there is no state directory")
	}
	if err := disk.MkdirAll(filepath.Dir(name)); err != nil {
		return j, nil, err
	}
	lock, err := disk.Lock(name + ".lock")
	if err != nil {
		return j, nil, err
	}
	err = j.load()
	if err == nil {
		err = j.compact()
	}
	if err != nil {
		clear(j.files)
		return j, nil, errors.Join(err, lock.Close())
	}
	j.lock = lock
	var left []*repair
	for key, n := range j.files {
		if key.system == system {
			left = append(left, &repair{inUse: key.inUse, final: n.final, safe: max(n.acked, 0), orphan: true, known: n.acked >= 0})
		}
	}
	return j, left, nil
}

func (j *journal) load() error {
	text, err := vfs.ReadFile(j.disk, j.name, journalMax)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	j.fresh = false
	boot := ""
	for line := range strings.Lines(string(text)) {
		sign, words, acked, ok := parseLine(line)
		switch {
		case !ok: // torn by a crash
		case sign == "boot":
			boot = words[0]
		case sign == "+":
			j.files[fileKey{words[0], words[1]}] = noted{final: words[2], acked: acked}
		default:
			delete(j.files, fileKey{words[0], words[1]})
		}
	}
	if boot == "" || boot != j.boot {
		for key, n := range j.files {
			n.acked = -1
			j.files[key] = n
		}
	}
	return nil
}

// parseLine takes a line apart: boot has one word, + three and a length, - two.
func parseLine(line string) (sign string, words []string, acked int64, ok bool) {
	line, whole := strings.CutSuffix(line, "\n")
	sign, rest, _ := strings.Cut(line, " ")
	acked = -1
	if sign == "+" && !strings.HasPrefix(rest, `"`) {
		var slot string
		slot, rest, _ = strings.Cut(rest, " ")
		acked = parseSlot(slot)
	}
	for rest != "" {
		q, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return "", nil, 0, false
		}
		w, _ := strconv.Unquote(q)
		words = append(words, w)
		rest = strings.TrimPrefix(rest[len(q):], " ")
	}
	want := map[string]int{"boot": 1, "+": 3, "-": 2}[sign]
	return sign, words, acked, whole && want > 0 && len(words) == want
}

// castagnoli is the polynomial of the lengths' checksums, on disk.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendSlot(dst []byte, acked int64) []byte {
	if acked < 0 {
		return append(dst, strings.Repeat("?", slotSize)...)
	}
	at := len(dst)
	dst = append(dst, "00000000000000000000:00000000"...)
	for i := at + 19; acked > 0; i-- {
		dst[i] = byte('0' + acked%10)
		acked /= 10
	}
	sum := crc32.Checksum(dst[at:at+20], castagnoli)
	for i := at + slotSize - 1; sum > 0; i-- {
		dst[i] = "0123456789abcdef"[sum&15]
		sum >>= 4
	}
	return dst
}

// parseSlot returns the length, -1 where it is not known or torn.
func parseSlot(s string) int64 {
	digits, _, _ := strings.Cut(s, ":")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || string(appendSlot(nil, n)) != s {
		return -1
	}
	return n
}

// compact writes the journal anew, with what is open.
func (j *journal) compact() error {
	text := fmt.Appendf(nil, "boot %q\n", j.boot)
	slots := make(map[fileKey]int64, len(j.files))
	for key, n := range j.files {
		slots[key] = int64(len(text)) + 2
		text = append(appendSlot(append(text, "+ "...), n.acked), fmt.Sprintf(" %q %q %q\n", key.system, key.inUse, n.final)...)
	}
	f, err := vfs.Replace(j.disk, j.name, text)
	if err != nil {
		return err
	}
	if j.file != nil {
		_ = j.file.Close() // replaced
	}
	for key, slot := range slots {
		n := j.files[key]
		n.slot = slot
		j.files[key] = n
	}
	j.file, j.size, j.lines = f, int64(len(text)), 1+len(j.files)
	return nil
}

// open notes that a file is about to be made. It is on disk before the file is.
func (j *journal) open(inUse, final string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	key := fileKey{j.system, inUse}
	n := noted{final: final, acked: -1, slot: j.size + 2}
	if j.file == nil {
		j.files[key] = n
		return nil
	}
	if j.lines > compactAt && j.lines > 4*len(j.files) {
		j.files[key] = n
		return j.compact()
	}
	line := append(appendSlot([]byte("+ "), -1), fmt.Sprintf(" %q %q %q\n", j.system, inUse, final)...)
	if err := j.write(line); err != nil {
		return fmt.Errorf("noting a file in %s: %w", j.name, err)
	}
	j.files[key] = n
	return j.file.Datasync()
}

// acked notes how many bytes of an open file are acknowledged.
func (j *journal) acked(inUse string, size int64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	key := fileKey{j.system, inUse}
	n, ok := j.files[key]
	if !ok || j.file == nil {
		return nil
	}
	n.acked = size
	j.files[key] = n
	j.slot = appendSlot(j.slot[:0], size)
	if _, err := j.file.WriteAt(j.slot, n.slot); err != nil {
		return fmt.Errorf("noting a length in %s: %w", j.name, err)
	}
	return nil
}

// has tells whether the sink has a file of that name open, or has yet to recover it.
func (j *journal) has(inUse string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, ok := j.files[fileKey{j.system, inUse}]
	return ok
}

// done notes that a file is closed and has its final name. Losing that note costs the next start a look.
func (j *journal) done(inUse string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.files, fileKey{j.system, inUse})
	if j.file != nil {
		_ = j.write(fmt.Appendf(nil, "- %q %q\n", j.system, inUse))
	}
}

func (j *journal) write(line []byte) error {
	_, err := j.file.WriteAt(line, j.size)
	if err == nil {
		j.size += int64(len(line))
		j.lines++
	}
	return err
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return errors.Join(j.file.Close(), j.lock.Close())
}
