package taildir

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"goflume/event"
	"goflume/internal/lines"
	"goflume/sources"
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

	pos    int64 // everything before was delivered
	read   int64 // everything before was read: what is larger or smaller has changed
	grown  time.Time
	unread bool // there may be something to read
	listed bool // under a name of its group, when last looked

	f       *os.File // nil when closed
	lines   *lines.Reader
	waiting bool // lines were left for the next turn
}

func identityOf(info os.FileInfo) identity {
	st := info.Sys().(*syscall.Stat_t)
	return identity{uint64(st.Dev), st.Ino}
}

func (f *file) mark() mark { return mark{f.pos, len(f.head), hash(f.head)} }

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

// resume takes a position over if the file is still the one that it was noted for.
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
	if _, err := io.ReadFull(in, head); err != nil {
		return err
	}
	if m.headLen <= len(head) && hash(head[:m.headLen]) == m.head {
		f.pos, f.head = m.pos, head
	}
	return nil
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

// check readies the file for reading on, from its start if it was truncated or begins otherwise than before.
func (f *file) check() (restarted bool, err error) {
	info, err := f.f.Stat()
	if err != nil {
		return false, err
	}
	var was, is [headBytes]byte
	n := copy(was[:], f.head)
	if f.lines == nil {
		f.read = f.pos
	} else if int64(n) == f.pos {
		n += copy(was[n:], f.lines.Rest())
	}
	if _, err := f.f.ReadAt(is[:n], 0); err != nil && err != io.EOF {
		return false, err
	}
	if info.Size() < f.read || was != is {
		f.pos, f.read, f.head, f.lines, restarted = 0, 0, nil, nil, true
	}
	if f.lines == nil {
		f.lines = lines.NewReader(f.f)
		_, err = f.f.Seek(f.pos, io.SeekStart)
	}
	return restarted, err
}

// close lets go of the file; it is opened again when it grows.
func (f *file) close() {
	if f.f != nil {
		f.f.Close()
	}
	f.f, f.lines, f.waiting = nil, nil, false
	f.read = f.pos
}

// turn reads once and sends what is complete.
func (f *file) turn(ctx context.Context, w *follower) error {
	if err := f.open(); err != nil {
		return err
	}
	if f.waiting {
		return f.send(ctx, w, false)
	}
	restarted, err := f.check()
	if err != nil {
		return err
	}
	if restarted {
		w.log.Info("The file was truncated or replaced and is read from its start", "file", f.path)
	}
	n, err := f.lines.Fill()
	switch {
	case err != nil && err != io.EOF:
		return err
	case n > 0:
		f.read += int64(n)
		f.grown = time.Now()
		return f.send(ctx, w, false)
	}
	f.unread = false
	if len(f.lines.Rest()) == 0 {
		f.lines = nil // of many files few are written to
	}
	return nil
}

// send sends the lines that were read, and the last one too if it is to be sent without a newline.
func (f *file) send(ctx context.Context, w *follower, unfinished bool) error {
	most := w.settings.MaxLineLength
	batches := int64(0)
	at := f.pos
	f.waiting = false
	for line, ok := f.lines.Next(); ok; line, ok = f.lines.Next() {
		text := line
		if n := len(line); n > 0 && line[n-1] == '\r' {
			text = line[:n-1]
		}
		for ; len(text) > most; text = text[most:] {
			f.add(w, text[:most], at)
			at += int64(most)
			line = line[most:]
		}
		f.add(w, text, at)
		f.keep(line, "\n", at)
		at += int64(len(line)) + 1
		if len(w.batch.Events) >= w.settings.BatchSize {
			if err := f.deliver(ctx, w, at); err != nil {
				return err
			}
			if batches++; batches == w.settings.MaxBatchCount {
				f.waiting = true
				return nil
			}
		}
	}
	if rest := f.lines.Rest(); len(rest) >= most || unfinished && len(rest) > 0 {
		for text := f.lines.Take(); len(text) > 0; text = text[min(most, len(text)):] {
			piece := text[:min(most, len(text))]
			f.add(w, piece, at)
			f.keep(piece, "", at)
			at += int64(len(piece))
		}
	}
	if len(w.batch.Events) > 0 {
		return f.deliver(ctx, w, at)
	}
	return nil
}

func (f *file) add(w *follower, text []byte, at int64) {
	e := w.batch.Adopt(text)
	e.Headers = f.headers
	if w.settings.ByteOffsetHeader {
		w.batch.SetHeader(e, "byteoffset", strconv.FormatInt(at, 10))
	}
}

// keep adds to the head what was read at that offset.
func (f *file) keep(line []byte, end string, at int64) {
	if at != int64(len(f.head)) || len(f.head) == headBytes {
		return
	}
	f.head = append(f.head, line[:min(len(line), headBytes-len(f.head))]...)
	f.head = append(f.head, end[:min(len(end), headBytes-len(f.head))]...)
}

// deliver sends the batch until it is held, and notes that everything before at was delivered.
func (f *file) deliver(ctx context.Context, w *follower, at int64) error {
	err := sources.DeliverWith(ctx, w.out, &w.batch, w.settings.Retry.Backoff(), w.health)
	w.batch.Reset()
	if err != nil {
		return err
	}
	f.pos = at
	w.note(f)
	return nil
}
