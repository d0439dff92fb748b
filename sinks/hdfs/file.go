package hdfs

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"time"

	"goflume/event"
	"goflume/internal/hadoop"
	"goflume/sinks/serializer"
)

// bucket is where the events of one path and prefix go: a file at a time.
type bucket struct {
	dir, prefix string
	counter     int64 // in the name of the last file
	file        *file // nil when none is open
	batch       int64 // the batch that last touched it
	thin        int   // files in a row closed for want of replicas
}

// maxThin is how many files in a row are closed for want of replicas before that is put up with, as in Flume.
const maxThin = 30

// file is one open file.
type file struct {
	bucket *bucket
	fs     hadoop.FS
	out    hadoop.File
	enc    serializer.Serializer
	inUse  string // the whole path
	final  string
	begun  bool   // enc.Begin was called
	buf    []byte // made by enc, not given to out yet
	dirty  bool   // has something of a batch that is not safe yet
	broken bool   // the file system refused something
	parked bool   // closed, to be appended to: what it holds is safe

	now  count // what was appended
	safe count // up to the last sync

	opened time.Time
	idle   time.Time // of the last sync
}

// count is how far a file is.
type count struct {
	events int
	bodies int64 // bytes of bodies: what rollSize means
	size   int64 // bytes given to the file system
}

// writeAt is how much of a batch is collected before it is given to the file system: a packet of HDFS and the small one that
// goes before it up to a multiple of 512 bytes, so that the first ones are on their way while the next are made.
const writeAt = 64<<10 + 512

// bufferMax is the most that a file keeps for the next batch.
const bufferMax = 4 << 20

// full tells whether the file is to be closed before a further event.
func (f *file) full(s *Settings) bool {
	return s.RollCount > 0 && f.now.events >= s.RollCount || s.RollSize > 0 && f.now.bodies >= s.RollSize
}

// thin tells whether fewer datanodes hold the file than should.
func (f *file) thin(s *Settings) bool {
	want := s.MinBlockReplicas
	if want < 0 {
		want = f.out.Wanted()
	}
	n := f.out.Replicas()
	return n >= 0 && n < want
}

// append takes one event. An error is about the event if bad.
func (f *file) append(ctx context.Context, e *event.Event) (bad bool, err error) {
	f.dirty = true
	if !f.begun {
		if f.buf, err = f.enc.Begin(f.buf, e); err != nil {
			return errors.Is(err, serializer.ErrSchema), err // else the schema cannot be read now
		}
		f.begun = true
	}
	if f.buf, err = f.enc.Append(f.buf, e); err != nil {
		return true, err
	}
	f.now.events++
	f.now.bodies += int64(len(e.Body))
	if len(f.buf) >= writeAt {
		return false, f.write(ctx)
	}
	return false, nil
}

// write gives what is collected to the file system.
func (f *file) write(ctx context.Context) error {
	n := len(f.buf)
	if n == 0 {
		return nil
	}
	err := f.unpark(ctx)
	if err == nil {
		err = f.out.Write(ctx, f.buf)
	}
	f.broken = f.broken || err != nil
	if f.buf = f.buf[:0]; n > bufferMax {
		f.buf = nil
	}
	f.now.size += int64(n)
	return err
}

// park closes the file so that what it holds is safe, where that cannot be had otherwise.
func (f *file) park(ctx context.Context) error {
	if err := f.out.Close(ctx); err != nil {
		return err
	}
	f.parked = true
	return nil
}

// unpark opens a parked file again.
func (f *file) unpark(ctx context.Context) error {
	if !f.parked {
		return nil
	}
	out, err := f.fs.Append(ctx, f.inUse)
	if err != nil {
		return err
	}
	f.out, f.parked = out, false
	return nil
}

// flush gives all of the batch to the file system.
func (f *file) flush(ctx context.Context) (err error) {
	if f.buf, err = f.enc.Flush(f.buf); err != nil {
		return err
	}
	return f.write(ctx)
}

// push sends what was given to the file system.
func (f *file) push(ctx context.Context) error {
	if f.parked {
		return nil
	}
	err := f.out.Push(ctx)
	f.broken = f.broken || err != nil
	return err
}

// sync waits until all that was appended is safe; closing means by closing the file.
func (f *file) sync(ctx context.Context, closing bool) (unseen bool, err error) {
	switch {
	case f.parked:
	case closing:
		err = f.park(ctx)
	default:
		if err = f.out.Sync(ctx); errors.Is(err, hadoop.ErrUnseen) {
			unseen, err = true, f.park(ctx)
		}
	}
	if err != nil {
		f.broken = true
		return unseen, err
	}
	f.safe, f.idle, f.dirty = f.now, time.Now(), false
	return unseen, nil
}

// takeBack undoes what came since the last sync, where that is possible: what was given to a file system that cannot take
// it back stays, and comes twice. It returns false where the file cannot be written on.
func (f *file) takeBack(ctx context.Context, format serializer.Format) bool {
	given := f.now.size > f.safe.size
	if f.safe.size == 0 && !given {
		f.enc, f.begun = format.File(), false
	} else if _, err := f.enc.Flush(f.buf[:0]); err != nil { // the serializer forgets
		return false
	}
	f.buf = f.buf[:0]
	switch {
	case !given && !f.broken, f.safe.size > 0 && f.out.Rewind(ctx) == nil:
		f.now, f.dirty, f.broken = f.safe, false, false
		return true
	}
	return !f.broken
}

// names returns the next pair of names of the bucket's files.
func (s *Sink) names(b *bucket) (inUse, final string) {
	b.counter++
	name := b.prefix + "." + strconv.FormatInt(b.counter, 10) + s.suffix
	return b.dir + "/" + s.settings.inUse(name), b.dir + "/" + name
}

// open makes the bucket's next file.
func (s *Sink) open(ctx context.Context, b *bucket) error {
	if s.openFiles >= s.settings.MaxOpenFiles {
		if err := s.closeEldest(ctx, b); err != nil {
			return err
		}
	}
	for {
		inUse, final := s.names(b)
		if s.mender.has(inUse) { // a repair would take the new file for the old one
			continue
		}
		if err := s.journal.open(inUse, final); err != nil {
			return err
		}
		out, err := s.fs.Create(ctx, inUse)
		switch {
		case err == nil:
			if err := s.noteMade(ctx, inUse); err != nil {
				out.Abandon()
				s.mender.add(&repair{inUse: inUse, final: final})
				s.counters.ConnectionFailed.Add(1)
				return err
			}
			b.file = &file{bucket: b, fs: s.fs, out: out, enc: s.format.File(), inUse: inUse, final: final, opened: time.Now()}
			s.openFiles++
			s.writing.Add(1)
			s.counters.ConnectionCreated.Add(1)
			return nil
		case errors.Is(err, fs.ErrExist):
			s.journal.done(inUse)
			continue
		case hadoop.Permanent(err):
			s.journal.done(inUse)
		default: // it may have been made all the same
			s.mender.add(&repair{inUse: inUse, final: final, unsure: true})
		}
		s.counters.ConnectionFailed.Add(1)
		return err
	}
}

// noteMade notes that a new file is the sink's own. Where files take no marks, or the namenode is not there, one is missing.
func (s *Sink) noteMade(ctx context.Context, inUse string) error {
	if err := s.fs.Mark(ctx, inUse, s.mark); err != nil {
		s.log.Debug("A file carries no mark of its owner", "file", inUse, "err", err)
	}
	return s.journal.acked(inUse, 0)
}

// closeEldest closes the file that was not written to for the longest time.
func (s *Sink) closeEldest(ctx context.Context, but *bucket) error {
	var eldest *bucket
	for _, b := range s.buckets {
		if b.file != nil && b != but && (eldest == nil || b.batch < eldest.batch ||
			b.batch == eldest.batch && b.file.idle.Before(eldest.file.idle)) {
			eldest = b
		}
	}
	if eldest == nil {
		return nil
	}
	if eldest.batch != s.batch { // else the batch's end drops it
		delete(s.buckets, place{eldest.dir, eldest.prefix})
	}
	return s.finish(ctx, eldest)
}

// finish closes the bucket's file and renames it. It errs only where events that are not safe yet were in it: what else
// goes wrong is repaired in the background.
func (s *Sink) finish(ctx context.Context, b *bucket) error {
	f := b.file
	if f.dirty {
		if err := f.flush(ctx); err != nil {
			s.giveUp(ctx, b)
			return err
		}
	}
	s.take(b)
	if err := f.out.Close(ctx); err != nil {
		s.counters.ConnectionFailed.Add(1)
		s.mender.add(&repair{inUse: f.inUse, final: f.final, safe: f.safe.size, why: err})
		if f.dirty {
			return err
		}
		s.log.Warn("Closing a file failed, it will be recovered", "file", f.inUse, "err", err)
		return nil
	}
	s.counters.ConnectionClosed.Add(1)
	if err := s.journal.acked(f.inUse, f.now.size); err != nil { // else a crash before the rename would cut it
		s.mender.add(&repair{inUse: f.inUse, final: f.final, safe: f.safe.size, why: err})
		if f.dirty {
			return err
		}
		return nil
	}
	if f.inUse == f.final {
		s.journal.done(f.inUse)
		return nil
	}
	if err := rename(ctx, s.fs, f.inUse, f.final); err != nil {
		s.log.Warn("Renaming a file failed, it will be tried again", "file", f.inUse, "err", err)
		s.mender.add(&repair{inUse: f.inUse, final: f.final, safe: f.now.size, why: err})
		return nil
	}
	s.journal.done(f.inUse)
	return nil
}

// take takes the file from its bucket.
func (s *Sink) take(b *bucket) {
	b.file = nil
	s.writing.Add(-1)
	s.mu.Lock()
	s.openFiles--
	s.mu.Unlock()
}

// giveUp abandons the bucket's file. The next event opens a new one.
func (s *Sink) giveUp(ctx context.Context, b *bucket) {
	f := b.file
	s.take(b)
	f.out.Abandon()
	s.counters.ConnectionFailed.Add(1)
	s.mender.add(&repair{inUse: f.inUse, final: f.final, safe: f.safe.size})
}

// renameTries is how many names are tried where a file of the wanted one is there already.
const renameTries = 100

// rename moves a file to its final name, or to one like it: name, name-1, name-2.
func rename(ctx context.Context, on hadoop.FS, from, to string) error {
	err := on.Rename(ctx, from, to)
	for i := 1; errors.Is(err, fs.ErrExist) && i < renameTries; i++ {
		err = on.Rename(ctx, from, to+"-"+strconv.Itoa(i))
	}
	return err
}
