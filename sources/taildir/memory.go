package taildir

import (
	"fmt"
	"maps"
	"path/filepath"
)

// memory is what earlier runs, or Flume, left on disk.
type memory struct {
	noted
	byInode    map[uint64]position // of the position file
	foreign    bool                // somebody else wrote the position file: it is newer than the journal
	incomplete bool                // a directory could not be looked into: files may come back
}

func (s *Source) journalName() string { return s.settings.PositionFile + ".goflume" }

// recall reads both files. One that cannot be read is as good as missing: files are then read from their start.
func (s *Source) recall() *memory {
	m := &memory{byInode: map[uint64]position{}}
	all, written, err := readPositions(s.fs, s.settings.PositionFile)
	if err != nil {
		s.log.Error("The position file is of no use, files may be read again", "err", err)
	}
	for _, p := range all {
		m.byInode[p.Inode] = p
	}
	if m.noted, err = readJournal(s.fs, s.journalName()); err != nil {
		s.log.Error("The position journal is of no use and is put aside, lines may come again", "err", err)
		s.fs.Rename(s.journalName(), s.journalName()+".broken")
	}
	if m.foreign = written != 0 && written != m.positions; m.foreign {
		m.positions = written // what it says is in the journal from its start on
	}
	return m
}

// mark returns how far the file was delivered.
func (m *memory) mark(id identity, path string) (mark, bool) {
	was, ok := m.marks[id]
	p, has := m.byInode[id.inode]
	if has = has && p.File == path; !has || ok && (!m.foreign || was.pos == p.Pos) { // Flume knows a file by both
		return was, ok
	}
	now := mark{pos: p.Pos}
	if ok && int64(was.headLen) <= p.Pos {
		now.headLen, now.head = was.headLen, was.head
	}
	return now, true
}

// knows tells whether files of the directory were followed before.
func (m *memory) knows(dir string) bool {
	for _, p := range m.byInode {
		if filepath.Dir(p.File) == dir {
			return true
		}
	}
	for id := range names(dir) {
		if _, ok := m.marks[id]; ok {
			return true
		}
	}
	return false
}

// startJournal starts the journal anew with what is followed now.
func (w *follower) startJournal() error {
	n := noted{marks: map[identity]mark{}, positions: w.known.positions}
	if w.known.incomplete {
		n.marks = maps.Clone(w.known.marks)
	}
	for _, f := range w.files {
		n.marks[f.identity] = f.mark()
	}
	w.dropJournal()
	j, err := startJournal(w.fs, w.journalName(), n)
	w.journal = j
	return err
}

func (w *follower) dropJournal() {
	if w.journal != nil {
		w.journal.f.Close()
		w.journal = nil
	}
}

// note notes the file's position.
func (w *follower) note(f *file) {
	w.moved = true
	if w.journal == nil {
		return
	}
	err := w.journal.note(f.identity, f.mark())
	if err == nil && w.journal.long() {
		err = w.startJournal()
	}
	if err != nil {
		w.log.Warn("Noting a position failed: after a crash now, lines come again", "err", err)
		w.dropJournal()
	}
}

// writePositions writes the position file if a position has changed, mends the journal, and has the disk keep both.
func (w *follower) writePositions() error {
	if w.journal == nil {
		if err := w.startJournal(); err != nil {
			return err
		}
	}
	if !w.moved {
		return nil
	}
	var all []position
	for _, f := range w.files {
		if f.listed {
			all = append(all, position{f.inode, f.pos, f.path})
		}
	}
	written, err := writePositions(w.fs, w.settings.PositionFile, all)
	if err != nil {
		return err
	}
	w.known.positions = written
	if err = w.journal.notePositions(written); err == nil {
		err = w.journal.f.Datasync()
	}
	if err != nil {
		w.dropJournal()
		return fmt.Errorf("write %s: %w", w.journalName(), err)
	}
	w.moved = false
	return nil
}
