package taildir

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"goflume/event"
	"goflume/internal/lines"
)

// headBytes is how much of a file's start it is known by.
const headBytes = 256

// file is one that is followed.
type file struct {
	identity
	path    string
	group   *group
	headers []event.Header // shared by all its events
	head    []byte         // its first bytes, of those that were delivered
	tail    []byte         // what stands before pos
	passed  [passedMarks]passed
	passes  int // into passed

	pos    int64 // everything before was delivered
	read   int64 // everything before was read: what is larger or smaller has changed
	grown  time.Time
	unread bool // there may be something to read
	listed bool // under a name of its group, when last looked
	told   bool // that it cannot be read

	f       *os.File // nil when closed
	lines   *lines.Reader
	waiting bool // lines were left for the next turn

	own   bool      // it is no copy of another file, or one that is dealt with
	until time.Time // it is not read before that, because it may become a copy
}

// passed is a place in a file with the hash of the bytes before it.
type passed struct {
	pos  int64
	tail uint64
}

// passedMarks is how many of the last deliveries of a file are remembered.
const passedMarks = 8

func identityOf(info os.FileInfo) identity {
	st := info.Sys().(*syscall.Stat_t)
	return identity{uint64(st.Dev), st.Ino}
}

func (f *file) mark() mark {
	if f.pos == 0 {
		return mark{tail: hash([]byte(stem(filepath.Base(f.path))))}
	}
	return mark{f.pos, len(f.head), len(f.tail), hash(f.head), hash(f.tail)}
}

// name gives the file its path and its events their headers.
func (f *file) name(path string, s *Settings) {
	f.path, f.headers = path, nil
	for _, h := range f.group.headers {
		f.headers = append(f.headers, event.Header{Key: h.key, Value: h.value})
	}
	if s.FileHeader {
		f.headers = append(f.headers, event.Header{Key: s.FileHeaderKey, Value: path})
	}
	f.headers = f.headers[:len(f.headers):len(f.headers)]
}

// resume takes a position over if the file is, or is a copy of, the one that it was noted for.
func (f *file) resume(m mark, size int64) error {
	if m.pos > size {
		return nil
	}
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	head := make([]byte, min(m.pos, headBytes))
	tail := make([]byte, min(m.pos, tailBytes))
	if _, err := io.ReadFull(in, head); err != nil {
		return err
	}
	if _, err := in.ReadAt(tail, m.pos-int64(len(tail))); err != nil {
		return err
	}
	if m.is(head, tail) {
		f.pos, f.read, f.head, f.tail = m.pos, m.pos, head, tail
	}
	return nil
}

// began tells whether a file of that name may be the one that was followed, of which nothing was delivered: rotated names
// begin as the file's own does.
func (m mark) began(name string) bool {
	if slices.Contains(compressed, filepath.Ext(name)) {
		return false
	}
	for i := range len(name) {
		if hash([]byte(name[:i+1])) == m.tail {
			return true
		}
	}
	return false
}

// compressed are the ends of names of files that logrotate has compressed.
var compressed = []string{".gz", ".bz2", ".xz", ".zst", ".Z"}

// is tells whether that is what stood at the start of the file and before the position.
func (m mark) is(head, tail []byte) bool {
	return m.headLen <= len(head) && (m.headLen == 0 || hash(head[:m.headLen]) == m.head) &&
		m.tailLen <= len(tail) && (m.tailLen == 0 || hash(tail[len(tail)-m.tailLen:]) == m.tail)
}

// open opens the file unless it is open, under the name that it has now.
func (f *file) open() (err error) {
	if f.f != nil {
		return nil
	}
	if f.f, err = openIdentity(f.path, f.identity); err == nil {
		return nil
	}
	if path, ok := names(f.group.dir)[f.identity]; ok {
		f.f, err = openIdentity(path, f.identity)
	}
	return err
}

// openIdentity opens the path if it is that file.
func openIdentity(path string, id identity) (*os.File, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := in.Stat()
	if err == nil && identityOf(info) != id {
		err = os.ErrNotExist
	}
	if err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

// names returns the path of each file in the directory.
func names(dir string) map[identity]string {
	all := map[identity]string{}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			all[identityOf(info)] = filepath.Join(dir, e.Name())
		}
	}
	return all
}

// replaced tells whether the file begins otherwise than before.
func (f *file) replaced() (bool, error) {
	var was, is [headBytes]byte
	n := copy(was[:], f.head)
	if f.lines != nil && int64(n) == f.pos {
		n += copy(was[n:], f.lines.Rest())
	}
	if n == 0 {
		return false, nil
	}
	if _, err := f.f.ReadAt(is[:n], 0); err != nil && err != io.EOF {
		return false, err
	}
	return was != is, nil
}

// close lets go of the file; it is opened again when it grows.
func (f *file) close() {
	if f.f != nil {
		f.f.Close()
	}
	f.drop()
	f.f, f.waiting = nil, false
	f.read = f.pos
}

// drop lets go of what was read and not sent.
func (f *file) drop() {
	if f.lines != nil {
		f.lines.Close()
		f.lines = nil
	}
}

// turn reads once and sends what is complete.
func (f *file) turn(ctx context.Context, w *follower) error {
	if err := f.open(); err != nil {
		return err
	}
	f.told = false
	if f.waiting {
		return f.send(ctx, w, false)
	}
	if f.pos == 0 && !f.own {
		if held, err := w.holds(ctx, f); held || err != nil {
			f.unread = false
			return err
		}
	}
	replaced, err := f.replaced()
	if err != nil {
		return err
	}
	if replaced {
		return f.startOver(ctx, w)
	}
	if f.lines == nil {
		f.lines = lines.NewLender(newStream(f.f, f.pos, f.tail))
		f.read = f.pos
	}
	n, err := f.lines.Fill()
	switch {
	case err == errReplaced:
		return f.startOver(ctx, w)
	case err != nil && err != io.EOF:
		return err
	case n > 0:
		f.read += int64(n)
		f.grown = time.Now()
		return f.send(ctx, w, false)
	}
	f.unread = false
	if len(f.lines.Rest()) == 0 {
		f.drop() // of many files few are written to
	}
	return nil
}

// startOver reads a file from its start that was truncated or replaced. What was not read of it before may stand in a copy.
func (f *file) startOver(ctx context.Context, w *follower) error {
	w.log.Info("The file was truncated or replaced and is read from its start", "file", f.path, "position", f.pos)
	if !w.followCopy(f.group, f.identity, f.path, f.mark(), f) && f.lines != nil {
		if err := f.send(ctx, w, true); err != nil { // it stands nowhere else any more
			return err
		}
	}
	f.drop()
	f.pos, f.read, f.head, f.tail, f.waiting = 0, 0, nil, nil, false
	f.passed = [passedMarks]passed{}
	f.own, f.until = false, time.Time{}
	w.note(f)
	return nil
}
