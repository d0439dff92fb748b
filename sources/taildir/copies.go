package taildir

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A rotation with copytruncate copies the file to a new name and truncates it. What was not read before is then in the
// copy alone, and what was read must not be read there again. Until the truncation the copy cannot be told from a file
// that just says the same, so it waits.

const (
	// copyTime is how long after it came a file that has so far said the same as another one waits to become its copy, and
	// copySpeed the bytes per second at which a long one is copied at least.
	copyTime  = 3 * time.Second
	copySpeed = 50 << 20
)

// stem is what the names of a file's rotations begin with: its name without the extension.
func stem(name string) string {
	return cmp.Or(strings.TrimSuffix(name, filepath.Ext(name)), name)
}

// copyName tells whether a copy of a file of that name may have the other name.
func copyName(original, name string) bool {
	return name != original && strings.HasPrefix(name, stem(original))
}

// holds tells whether the file waits, because it may be the copy of one that is followed. It is open and nothing of it was
// delivered.
func (w *follower) holds(ctx context.Context, f *file) (bool, error) {
	info, err := f.f.Stat()
	if err != nil || info.Size() == 0 {
		return false, err
	}
	o, err := w.original(f, info.Size())
	if err != nil && err != io.EOF {
		return false, err
	}
	now := time.Now()
	switch {
	case o == nil:
		f.own = f.pos == 0 // or a truncation was seen meanwhile
		return false, nil
	case f.until.IsZero():
		f.until = now.Add(w.copyTime + time.Duration(o.pos/copySpeed)*time.Second)
	case now.After(f.until):
		f.own = true
		return false, nil
	}
	// Between the copy and the truncation there is little time.
	if err := o.open(); err == nil {
		if replaced, err := o.replaced(); err == nil && replaced && !o.waiting {
			return false, o.startOver(ctx, w)
		}
	}
	w.lookSooner()
	return true, nil
}

// original returns the file that this one says the same as, as far as both go.
func (w *follower) original(f *file, size int64) (*file, error) {
	first := make([]byte, min(size, headBytes))
	if n, err := f.f.ReadAt(first, 0); n == 0 || err != nil && err != io.EOF {
		return nil, err
	}
	for _, o := range w.files { // there may be thousands
		if o.pos == 0 || len(o.head) == 0 || o.head[0] != first[0] || o == f {
			continue
		}
		if n := min(len(o.head), len(first)); !bytes.Equal(o.head[:n], first[:n]) {
			continue
		}
		if o.group.dir == f.group.dir && copyName(filepath.Base(o.path), filepath.Base(f.path)) && f.agrees(o, size) {
			return o, nil
		}
	}
	return nil, nil
}

// agrees tells whether both files say the same before the end of the shorter one. It does where that is not known.
func (f *file) agrees(o *file, size int64) bool {
	at := min(size, o.pos)
	want, got := o.tail, make([]byte, min(at, tailBytes))
	if at < o.pos {
		if o.open() != nil {
			return true
		}
		want = make([]byte, len(got))
		if _, err := o.f.ReadAt(want, at-int64(len(want))); err != nil {
			return true // truncated, or being so
		}
		if replaced, err := o.replaced(); err != nil || replaced {
			return true
		}
	}
	_, err := f.f.ReadAt(got, at-int64(len(got)))
	return err == nil && bytes.Equal(got[len(got)-len(want):], want)
}

// followCopy goes on in the copy of a file that was truncated, behind what was delivered of the original. It returns false
// if there is none. f is the original where it is followed already.
func (w *follower) followCopy(g *group, id identity, path string, m mark, f *file) bool {
	if m.pos == 0 || m.headLen == 0 {
		return false
	}
	entries, _ := os.ReadDir(g.dir)
	for _, e := range entries {
		if !copyName(filepath.Base(path), e.Name()) {
			continue
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || identityOf(info) == id {
			continue
		}
		at := found{filepath.Join(g.dir, e.Name()), info}
		c := w.byID[identityOf(info)]
		if c != nil && (c.pos > 0 || c.own) {
			continue
		}
		followed := c != nil
		if !followed {
			c = newFile(g, at, &w.settings)
		}
		if !c.resumeCopy(m, f, info.Size()) {
			continue
		}
		w.log.Info("What was not read of the file stands in its copy", "file", path, "copy", at.path, "position", c.pos, "size", info.Size())
		c.own = true
		if !followed {
			w.follow(c)
		}
		w.note(c)
		w.mark(c)
		return true
	}
	return false
}

// resumeCopy takes over how far the original was delivered. A copy that ends before has nothing that was not.
func (c *file) resumeCopy(m mark, original *file, size int64) bool {
	if size >= m.pos {
		return c.resume(m, size) == nil && c.pos > 0
	}
	if original == nil {
		return false
	}
	for _, p := range original.passed {
		if p.pos == 0 || p.pos > size {
			continue
		}
		m := mark{pos: p.pos, headLen: m.headLen, head: m.head, tailLen: int(min(p.pos, tailBytes)), tail: p.tail}
		if c.resume(m, size) == nil && c.pos > 0 {
			return c.skipTo(size) == nil
		}
	}
	return false
}

// skipTo makes all before that offset delivered.
func (f *file) skipTo(pos int64) error {
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	tail := make([]byte, min(pos, tailBytes))
	if _, err := in.ReadAt(tail, pos-int64(len(tail))); err != nil && err != io.EOF {
		return err
	}
	head := make([]byte, min(pos, headBytes))
	if _, err := in.ReadAt(head, 0); err != nil && err != io.EOF {
		return err
	}
	f.pos, f.read, f.head, f.tail = pos, pos, head, tail
	return nil
}
