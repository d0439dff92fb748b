package taildir

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// found is a file under a name of a group.
type found struct {
	path string
	info os.FileInfo
}

// look finds new, renamed, grown and truncated files. At the start it also finds those that were followed before and were
// renamed or copied since.
func (w *follower) look(start bool) {
	w.lookAt = time.Now().Add(lookEvery)
	if w.watcher == nil {
		w.lookAt = time.Now().Add(lookOften)
	}
	for _, g := range w.groups {
		w.lookGroup(g, start)
	}
	w.lookAtUnlisted()
}

// lookAtUnlisted looks at files that have no name of their group any more: they are followed until they are idle.
func (w *follower) lookAtUnlisted() {
	for _, f := range slices.Clone(w.files) {
		if f.listed || f.group.missing {
			continue
		}
		w.lookSooner() // the kernel tells its writes under a name that is not known
		if f.f == nil {
			if err := f.open(); err != nil {
				w.failed(f, err)
				continue
			}
			f.grown = time.Now() // who writes to it may not know of its new name yet
		}
		if info, err := stat(f); err == nil && info.Size() != f.read {
			w.mark(f)
		}
	}
}

func (w *follower) lookSooner() {
	if soon := time.Now().Add(lookOften); soon.Before(w.lookAt) {
		w.lookAt = soon
	}
}

func stat(f *file) (os.FileInfo, error) {
	if f.f == nil {
		return os.Stat(f.path)
	}
	return f.f.Stat()
}

func (w *follower) lookGroup(g *group, start bool) {
	dir, err := os.Stat(g.dir)
	if err != nil {
		if !g.missing {
			w.log.Warn("A directory cannot be looked into and will be tried again", "group", g.name, "err", err)
		}
		if start {
			w.known.incomplete = true
		}
		g.missing, g.listed = true, time.Time{}
		delete(w.watched, g.dir)
		w.lookSooner()
		return
	}
	g.missing = false
	w.watch(g.dir, identityOf(dir))
	// A directory that was changed just now may change again at the same time of its clock.
	settled := dir.ModTime().Equal(g.listed) && time.Since(g.listed) > 2*time.Second
	if w.settings.CachePatternMatching && settled {
		w.lookAtKnown(g)
		return
	}
	all, err := w.list(g)
	if err != nil {
		w.log.Warn("A directory cannot be looked into and will be tried again", "group", g.name, "err", err)
		g.listed = time.Time{}
		return
	}
	g.listed = dir.ModTime()
	w.unlist(g)
	fresh := start && w.settings.SkipToEnd && !w.known.knows(g.dir)
	for _, found := range all {
		w.found(g, found)
	}
	if start {
		w.findRenamed(g)
		w.findCopies(g)
	}
	if fresh {
		w.skipAll(g)
	}
}

// watch has the kernel tell of changes in the directory, or of the file where it is one.
func (w *follower) watch(path string, id identity) {
	if was, ok := w.watched[path]; w.watcher == nil || ok && was == id {
		return
	} else if ok {
		w.watcher.Remove(path) // another directory of that name
	}
	err := w.watcher.Add(path)
	if err == nil {
		w.watched[path] = id
		return
	}
	w.log.Warn("The kernel does not tell of changes, files are looked at every second", "path", path, "err", err)
	w.watcher.Close()
	w.watcher = nil
	w.lookSooner()
}

// list returns the files of the group, the one that was written to last at the end.
func (w *follower) list(g *group) (all []found, err error) {
	entries, err := os.ReadDir(g.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if ok, err := g.pattern.FullMatch([]byte(e.Name())); !ok || err != nil {
			continue
		}
		path := filepath.Join(g.dir, e.Name())
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		all = append(all, found{path, info})
		if e.Type()&os.ModeSymlink != 0 {
			w.watch(path, identityOf(info)) // it may stand in a directory that is not watched
		}
	}
	slices.SortStableFunc(all, func(a, b found) int {
		return cmp.Compare(a.info.ModTime().UnixNano(), b.info.ModTime().UnixNano())
	})
	return all, nil
}

// unlist forgets the names of the group's files, but not the files.
func (w *follower) unlist(g *group) {
	for _, f := range w.files {
		if f.group == g && f.listed {
			f.listed = false
			delete(w.byPath, f.path)
		}
	}
}

// lookAtKnown looks only whether the files have changed.
func (w *follower) lookAtKnown(g *group) {
	for _, f := range w.files {
		if f.group != g || !f.listed {
			continue
		}
		if info, err := os.Stat(f.path); err != nil || identityOf(info) != f.identity {
			g.listed = time.Time{}
			w.lookSoon()
		} else if info.Size() != f.read {
			w.mark(f)
		}
	}
}

// found takes a file up, or its new name.
func (w *follower) found(g *group, at found) {
	id := identityOf(at.info)
	f := w.byID[id]
	if f == nil {
		f = w.take(g, at)
		if w.journal != nil { // not at the start, when there may be thousands
			f.open() // it may be rotated away before its turn
		}
	}
	if f.listed {
		return // a second name of the same file
	}
	if f.path != at.path {
		f.name(at.path, &w.settings)
		w.moved = true
	}
	f.listed = true
	w.byPath[f.path] = f
	if at.info.Size() != f.read {
		w.mark(f)
	}
}

// newFile returns a file that was not read yet.
func newFile(g *group, at found, s *Settings) *file {
	f := &file{identity: identityOf(at.info), group: g, grown: time.Now()}
	f.name(at.path, s)
	return f
}

// follow begins to follow the file.
func (w *follower) follow(f *file) {
	w.files = append(w.files, f)
	w.byID[f.identity] = f
	w.note(f)
}

// take begins to follow a file, where it was left if it is known.
func (w *follower) take(g *group, at found) *file {
	f := newFile(g, at, &w.settings)
	if m, ok := w.known.mark(f.identity, at.path); ok {
		if err := f.resume(m, at.info.Size()); err != nil {
			w.log.Warn("The position of a file cannot be checked, it is read from its start", "file", at.path, "err", err)
		} else if f.pos != m.pos {
			w.log.Info("The file was truncated or replaced and is read from its start", "file", at.path, "position", m.pos)
			w.truncated = append(w.truncated, truncated{f, m})
		}
	}
	w.follow(f)
	return f
}

// truncated is a file that was followed before and holds something else now.
type truncated struct {
	*file
	was mark
}

// findCopies goes on in the copies of files that were truncated while nobody followed them.
func (w *follower) findCopies(g *group) {
	for _, t := range w.truncated {
		w.followCopy(g, t.identity, t.path, t.was, nil)
	}
	w.truncated = nil
}

// skipAll has the files of the group read from their end on.
func (w *follower) skipAll(g *group) {
	for _, f := range w.files {
		if f.group != g || f.pos > 0 {
			continue
		}
		info, err := os.Stat(f.path)
		if err == nil {
			err = f.skipTo(info.Size())
		}
		if err != nil {
			w.log.Warn("Skipping to the end of a file failed, it is read from its start", "file", f.path, "err", err)
		}
	}
}

// findRenamed finds files that were followed before and have a name now that is none of the group's, to read their rest.
func (w *follower) findRenamed(g *group) {
	if len(w.known.marks) == 0 {
		return
	}
	entries, _ := os.ReadDir(g.dir)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		id := identityOf(info)
		m, ok := w.known.marks[id]
		if !ok || w.byID[id] != nil || info.Size() < m.pos || m.pos == 0 && !m.began(e.Name()) || m.pos > 0 && m.headLen == 0 {
			continue
		}
		f := newFile(g, found{filepath.Join(g.dir, e.Name()), info}, &w.settings)
		if f.resume(m, info.Size()) == nil && f.pos == m.pos { // else another file with its inode
			w.follow(f)
			w.mark(f)
		}
	}
}

// forget ends following the file.
func (w *follower) forget(f *file) {
	f.close()
	f.unread = false
	w.files = slices.DeleteFunc(w.files, func(o *file) bool { return o == f })
	w.unread = slices.DeleteFunc(w.unread, func(o *file) bool { return o == f })
	delete(w.byID, f.identity)
	delete(w.known.marks, f.identity)
	delete(w.open, f)
	if w.byPath[f.path] == f {
		delete(w.byPath, f.path)
	}
	w.moved = true
}
