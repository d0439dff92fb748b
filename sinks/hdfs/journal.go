package hdfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"goflume/internal/vfs"
)

// journal lists the files that the sink has open, on disk, so that the next start finds what a crash left: in paths made
// of dates and headers nobody could look for them. Each line is a sign, the file system and quoted names:
//
//   - "hdfs://nn:8020" "/logs/x.1.tmp" "/logs/x.1"    opened
//   - "hdfs://nn:8020" "/logs/x.1.tmp"                closed and renamed
//
// A nil journal does nothing.
type journal struct {
	disk   vfs.FS
	name   string
	system string // what the file system is called
	lock   io.Closer

	mu    sync.Mutex
	file  vfs.File
	size  int64
	lines int               // in the file
	files map[string]string // final names of files in use, by name
	other []string          // lines about other file systems
}

// journalMax is how much of a journal is read: far more than the files that can be open.
const journalMax = 64 << 20

// compactAt is how many lines a journal has at least before it is written anew.
const compactAt = 4096

// openJournal opens the journal and returns what it lists. An empty name is no journal.
func openJournal(disk vfs.FS, name, system string) (*journal, []*repair, error) {
	if name == "" {
		return nil, nil, errors.New("there is no state directory")
	}
	if err := disk.MkdirAll(filepath.Dir(name)); err != nil {
		return nil, nil, err
	}
	lock, err := disk.Lock(name + ".lock")
	if err != nil {
		return nil, nil, err
	}
	j := &journal{disk: disk, name: name, system: system, lock: lock, files: map[string]string{}}
	if err := j.load(); err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	if err := j.compact(); err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	var left []*repair
	for name, final := range j.files {
		left = append(left, &repair{inUse: name, final: final, orphan: true})
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
	others := map[string]string{}
	for line := range strings.Lines(string(text)) {
		opened, system, inUse, final, ok := parseLine(line)
		switch {
		case !ok: // torn by a crash
		case system != j.system && opened:
			others[system+" "+inUse] = line
		case system != j.system:
			delete(others, system+" "+inUse)
		case opened:
			j.files[inUse] = final
		default:
			delete(j.files, inUse)
		}
	}
	for _, line := range others {
		j.other = append(j.other, line)
	}
	return nil
}

func parseLine(line string) (opened bool, system, inUse, final string, ok bool) {
	sign, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	var words []string
	for rest != "" {
		q, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return false, "", "", "", false
		}
		w, _ := strconv.Unquote(q)
		words = append(words, w)
		rest = strings.TrimPrefix(rest[len(q):], " ")
	}
	switch {
	case !strings.HasSuffix(line, "\n"):
	case sign == "+" && len(words) == 3:
		return true, words[0], words[1], words[2], true
	case sign == "-" && len(words) == 2:
		return false, words[0], words[1], "", true
	}
	return false, "", "", "", false
}

// compact writes the journal anew, with what is open.
func (j *journal) compact() error {
	var text []byte
	for _, line := range j.other {
		text = append(text, line...)
	}
	for name, final := range j.files {
		text = fmt.Appendf(text, "+ %q %q %q\n", j.system, name, final)
	}
	fresh := j.name + ".new"
	if err := j.disk.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := j.disk.Create(fresh)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(text, 0)
	if err == nil {
		err = f.Datasync()
	}
	if err == nil {
		err = j.disk.Rename(fresh, j.name)
	}
	if err == nil {
		err = j.disk.SyncDir(filepath.Dir(j.name))
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if j.file != nil {
		_ = j.file.Close() // replaced
	}
	j.file, j.size, j.lines = f, int64(len(text)), len(j.other)+len(j.files)
	return nil
}

// open notes that a file is about to be made. It is on disk before the file is.
func (j *journal) open(inUse, final string) error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.files[inUse] = final
	if j.lines > compactAt && j.lines > 4*len(j.files) {
		return j.compact()
	}
	if err := j.write(fmt.Appendf(nil, "+ %q %q %q\n", j.system, inUse, final)); err != nil {
		return fmt.Errorf("noting a file in %s: %w", j.name, err)
	}
	return j.file.Datasync()
}

// done notes that a file is closed and has its final name. Losing that note costs the next start a look.
func (j *journal) done(inUse string) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.files, inUse)
	_ = j.write(fmt.Appendf(nil, "- %q %q\n", j.system, inUse))
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
	if j == nil {
		return nil
	}
	return errors.Join(j.file.Close(), j.lock.Close())
}
