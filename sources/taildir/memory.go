package taildir

import "os"

// memory is what earlier runs, or Flume, left on disk.
type memory struct {
	marks      map[identity]mark
	positions  map[uint64]position // by inode
	newer      bool                // the positions are newer than the marks
	incomplete bool                // a directory could not be looked into: files may come back
}

func (s *Source) journalName() string { return s.settings.PositionFile + ".goflume" }

// recall reads both files. One that cannot be read is as good as missing: files are then read from their start.
func (s *Source) recall() *memory {
	m := &memory{positions: map[uint64]position{}}
	all, err := readPositions(s.settings.PositionFile)
	if err != nil {
		s.log.Error("The position file is of no use, files may be read again", "err", err)
	}
	for _, p := range all {
		m.positions[p.Inode] = p
	}
	if m.marks, err = readJournal(s.journalName()); err != nil {
		s.log.Error("The position journal is of no use, lines may come again", "err", err)
		m.marks = map[identity]mark{}
		os.Rename(s.journalName(), s.journalName()+".broken")
	}
	p, perr := os.Stat(s.settings.PositionFile)
	j, jerr := os.Stat(s.journalName())
	m.newer = perr == nil && (jerr != nil || p.ModTime().After(j.ModTime()))
	return m
}

// mark returns how far the file was delivered.
func (m *memory) mark(id identity, path string) (mark, bool) {
	noted, ok := m.marks[id]
	p, has := m.positions[id.inode]
	has = has && p.File == path // Flume knows a file by both
	switch {
	case has && (m.newer || !ok):
		if !ok || int64(noted.headLen) > p.Pos {
			noted = mark{head: hash(nil)}
		}
		noted.pos = p.Pos
		return noted, true
	default:
		return noted, ok
	}
}

func (m *memory) has(id identity, path string) bool {
	_, ok := m.mark(id, path)
	return ok
}

// startJournal starts the journal anew with what is followed now.
func (w *follower) startJournal() error {
	marks := map[identity]mark{}
	if w.known.incomplete {
		marks = w.known.marks
	}
	for _, f := range w.files {
		marks[f.identity] = f.mark()
	}
	if w.journal != nil {
		w.journal.f.Close()
		w.journal = nil
	}
	j, err := startJournal(w.journalName(), marks)
	w.journal = j
	return err
}

// note notes the file's position.
func (w *follower) note(f *file) {
	w.moved = true
	if w.journal == nil {
		return
	}
	if err := w.journal.append(f.identity, f.mark()); err != nil {
		w.log.Warn("Noting a position failed: after a crash now, lines come again", "err", err)
		w.journal.f.Close()
		w.journal = nil
	}
}

// writePositions writes the position file if a position has changed, and mends or shortens the journal.
func (w *follower) writePositions() error {
	if w.journal == nil || w.journal.long() {
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
	if err := writePositions(w.settings.PositionFile, all); err != nil {
		return err
	}
	w.moved = false
	return nil
}
