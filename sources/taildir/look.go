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
// renamed since.
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
	renamed := map[*group]map[identity]string{}
	for _, f := range slices.Clone(w.files) {
		if f.listed {
			continue
		}
		w.lookSooner() // the kernel tells its writes under a name that is not known
		if f.f == nil && renamed[f.group] == nil {
			renamed[f.group] = names(f.group.dir)
		}
		if path, ok := renamed[f.group][f.identity]; ok {
			f.path = path
		}
		info, err := stat(f)
		switch {
		case err == nil && identityOf(info) == f.identity && info.Size() != f.read:
			w.mark(f)
		case f.f == nil && !f.unread:
			w.forget(f)
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
		if start {
			w.known.incomplete = true
			w.log.Warn("A directory cannot be looked into and will be tried again", "group", g.name, "err", err)
		}
		g.listed = time.Time{}
		w.unlist(g)
		return
	}
	w.watch(g.dir)
	// A directory that was changed just now may change again at the same time of its clock.
	settled := dir.ModTime().Equal(g.listed) && time.Since(g.listed) > 2*time.Second
	if w.settings.CachePatternMatching && settled {
		w.lookAtKnown(g)
		return
	}
	g.listed = dir.ModTime()
	all := w.list(g)
	w.unlist(g)
	for _, found := range all {
		w.found(g, found, start)
	}
	if start {
		w.findRenamed(g)
	}
}

func (w *follower) watch(dir string) {
	if w.watcher == nil || w.watched[dir] {
		return
	}
	w.watched[dir] = true
	if err := w.watcher.Add(dir); err != nil {
		w.log.Warn("The kernel does not tell of changes, files are looked at every second", "directory", dir, "err", err)
		w.watcher.Close()
		w.watcher = nil
		w.lookSooner()
	}
}

// list returns the files of the group, the one that was written to last at the end.
func (w *follower) list(g *group) (all []found) {
	entries, err := os.ReadDir(g.dir)
	if err != nil {
		w.log.Warn("A directory cannot be looked into and will be tried again", "group", g.name, "err", err)
		g.listed = time.Time{}
	}
	for _, e := range entries {
		if ok, err := g.pattern.FullMatch([]byte(e.Name())); !ok || err != nil {
			continue
		}
		path := filepath.Join(g.dir, e.Name())
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			all = append(all, found{path, info})
		}
	}
	slices.SortStableFunc(all, func(a, b found) int {
		return cmp.Compare(a.info.ModTime().UnixNano(), b.info.ModTime().UnixNano())
	})
	return all
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
		} else if info.Size() != f.read {
			w.mark(f)
		}
	}
}

// found takes a file up, or its new name.
func (w *follower) found(g *group, at found, start bool) {
	id := identityOf(at.info)
	f := w.byID[id]
	if f == nil {
		f = w.take(g, id, at)
		if start && w.settings.SkipToEnd && f.pos == 0 && !w.known.has(id, at.path) {
			w.skip(f, at.info.Size())
		}
	}
	if f.listed {
		return // a second name of the same file
	}
	if f.path != at.path {
		f.name(at.path, &w.settings)
	}
	f.listed = true
	w.byPath[f.path] = f
	if at.info.Size() != f.read {
		w.mark(f)
	}
}

// take begins to follow a file, where it was left if it is known.
func (w *follower) take(g *group, id identity, at found) *file {
	f := &file{identity: id, group: g, grown: time.Now()}
	f.name(at.path, &w.settings)
	if m, ok := w.known.mark(id, at.path); ok {
		if err := f.resume(m, at.info.Size()); err != nil {
			w.log.Warn("The position of a file cannot be checked, it is read from its start", "file", at.path, "err", err)
		} else if f.pos != m.pos {
			w.log.Info("The file was truncated or replaced and is read from its start", "file", at.path)
		}
	}
	f.read = f.pos
	w.files = append(w.files, f)
	w.byID[id] = f
	return f
}

// skip has the file read from its end on.
func (w *follower) skip(f *file, size int64) {
	if err := f.resume(mark{pos: size, head: hash(nil)}, size); err != nil {
		w.log.Warn("Skipping to the end of a file failed, it is read from its start", "file", f.path, "err", err)
	}
	f.read = f.pos
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
		if !ok || w.byID[id] != nil || info.Size() <= m.pos {
			continue
		}
		f := w.take(g, id, found{filepath.Join(g.dir, e.Name()), info})
		if f.pos == m.pos && m.headLen > 0 {
			w.mark(f)
		} else {
			w.forget(f) // another file with its inode
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
	if w.byPath[f.path] == f {
		delete(w.byPath, f.path)
	}
	w.moved = true
}
