package hdfs

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path"
	"strconv"
	"strings"
	"time"

	"goflume/internal/hadoop"
	"goflume/internal/machine"
)

// search looks for files in use that a life of this sink left whose journal is gone, as on a machine that was set up anew.
// It reads the directories that the sink's path can lead to, below the part of it without escapes, and takes the files
// whose names are made as the sink's are and whose note says that they are the sink's own.
type search struct {
	fs       hadoop.FS
	journal  *journal
	mender   *mender
	settings *Settings
	suffix   string // of every file's name
	owner    string
	log      *slog.Logger

	left    int // directories that may still be read
	unknown []string
}

// What a search may cost the namenode, and how long a file is left alone that it finds: one that is closed between two
// commits has nothing else to show that its writer lives.
const (
	searchMost  = 10_000 // directories
	searchDepth = 16
	foundRest   = time.Minute
)

// owner is what files are marked with while they are written.
func (s *Sink) owner() string {
	if s.settings.Owner != "" {
		return s.settings.Owner
	}
	host, err := machine.Name(machine.Host)
	if err != nil {
		host = "?"
	}
	return s.env.Agent + "/" + s.env.Name + "@" + host
}

// run searches below the path, which may have escapes.
func (f *search) run(ctx context.Context, path string) {
	if f.settings.inUse("") == "" {
		return // no name tells a file in use from another
	}
	f.left = searchMost
	root, below := cutPath(path)
	err := f.look(ctx, root, below)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		f.log.Warn("Looking for files that an earlier run left open failed", "below", root, "err", err)
	case f.left == 0:
		f.log.Warn("Files that an earlier run left open were not looked for everywhere: there are too many directories", "below", root, "read", searchMost)
	}
	if n := len(f.unknown); n > 0 {
		f.log.Warn("Files in use that carry nobody's mark are left as they are", "files", n, "such as", f.unknown[:min(n, 3)])
	}
}

// cutPath returns the directory above the first escape, and a word for each level below it: what the directory is called,
// or nothing where an escape says. Values of headers may hold slashes; then nothing is known of the levels.
func cutPath(p string) (root string, below []string) {
	words := strings.Split(strings.Trim(path.Clean(p), "/"), "/")
	for i, w := range words {
		if !strings.Contains(w, "%") {
			continue
		}
		root = "/" + strings.Join(words[:i], "/")
		if strings.Contains(p, "%{") {
			return root, make([]string, searchDepth)
		}
		for _, w := range words[i:] {
			if strings.Contains(w, "%") {
				w = ""
			}
			below = append(below, w)
		}
		return root, below
	}
	return path.Clean(p), nil
}

// look reads a directory and those below it, the last names first, as they are the newest days.
func (f *search) look(ctx context.Context, dir string, below []string) error {
	if f.left == 0 {
		return nil
	}
	f.left--
	entries, err := f.fs.List(ctx, dir)
	for i := len(entries) - 1; i >= 0 && err == nil; i-- {
		e := entries[i]
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !e.Dir:
			err = f.consider(ctx, dir, e.Name)
		case len(below) > 0 && (below[0] == "" || below[0] == e.Name):
			err = f.look(ctx, path.Join(dir, e.Name), below[1:])
		}
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			err = nil // renamed or removed meanwhile, or not for the sink to see
		}
	}
	return err
}

// consider has a file repaired if it is the sink's own.
func (f *search) consider(ctx context.Context, dir, name string) error {
	final, ok := f.final(name)
	inUse := path.Join(dir, name)
	if !ok || f.journal.has(inUse) {
		return nil
	}
	owner, err := f.fs.Owner(ctx, inUse)
	switch {
	case errors.Is(err, errors.ErrUnsupported) || err == nil && owner == "":
		f.unknown = append(f.unknown, inUse)
		return nil
	case err != nil || owner != f.owner:
		return err
	}
	if f.journal.has(inUse) { // the sink has just made it
		return nil
	}
	final = path.Join(dir, final)
	if err := f.journal.open(inUse, final); err != nil {
		return err
	}
	f.log.Warn("A file was left open by an earlier run, it will be closed and renamed once nobody writes to it", "file", inUse)
	f.mender.add(&repair{inUse: inUse, final: final, orphan: true, next: time.Now().Add(foundRest)})
	return nil
}

// final returns the final name of a file in use, if its name is made as the sink makes names.
func (f *search) final(inUse string) (name string, ok bool) {
	around := strings.SplitN(f.settings.inUse("\x00"), "\x00", 2)
	if len(inUse) <= len(around[0])+len(around[1]) || !strings.HasPrefix(inUse, around[0]) || !strings.HasSuffix(inUse, around[1]) {
		return "", false
	}
	name = inUse[len(around[0]) : len(inUse)-len(around[1])]
	rest, ok := strings.CutSuffix(name, f.suffix)
	dot := strings.LastIndexByte(rest, '.')
	if !ok || dot < 0 {
		return "", false
	}
	if _, err := strconv.ParseUint(rest[dot+1:], 10, 63); err != nil {
		return "", false
	}
	if p := f.settings.FilePrefix; !strings.Contains(p, "%") && rest[:dot] != p {
		return "", false
	}
	return name, true
}
