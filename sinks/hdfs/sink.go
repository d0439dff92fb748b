package hdfs

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"goflume/event"
	"goflume/internal/deadletter"
	"goflume/internal/escape"
	"goflume/internal/hadoop"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/safe"
	"goflume/internal/vfs"
	"goflume/sinks"
	"goflume/sinks/serializer"
)

// Sink writes events into files.
type Sink struct {
	env      registry.Env
	log      *slog.Logger
	settings Settings
	format   serializer.Format
	suffix   string // of every file's name
	counters metric.SinkCounters
	writing  *metric.Gauge // open files
	confined *metric.Counter
	box      *deadletter.Box
	connect  func(root string, o hadoop.Options) (hadoop.FS, error)

	// From Open to Close.
	fs      hadoop.FS
	path    *escape.Template
	prefix  *escape.Template
	journal *journal
	mender  *mender
	mark    string // of the files, while they are written
	search  sync.WaitGroup
	stop    context.CancelFunc // ends the search

	buckets  map[place]*bucket
	batch    int64     // number of the batch being written
	plan     []*bucket // where each event of the batch goes, nil for nowhere
	touched  []*bucket // of this batch
	lastLog  time.Time // of confined values
	unlogged int
	unseen   bool // acknowledgements cannot be seen

	mu        sync.Mutex // files are closed side by side
	openFiles int
}

// place is what tells one bucket from another.
type place struct{ dir, prefix string }

var (
	_ sinks.Sink   = (*Sink)(nil)
	_ sinks.Ticker = (*Sink)(nil)
)

// New returns an hdfs sink.
func New(env registry.Env, s Settings) (sinks.Sink, error) {
	sink, err := newSink(env, s, hadoop.Open)
	if err != nil {
		return nil, err
	}
	return &grouped{Sink: sink}, nil
}

func newSink(env registry.Env, s Settings, connect func(string, hadoop.Options) (hadoop.FS, error)) (*Sink, error) {
	format, suffix, err := s.format(env)
	if err != nil {
		return nil, err
	}
	if s.FileSuffix != "" {
		suffix = s.FileSuffix
	}
	return &Sink{
		env: env, log: env.Log, settings: s, format: format, suffix: suffix, connect: connect,
		counters: metric.NewSink(env.Metrics), writing: metric.NewOpenFiles(env.Metrics),
		confined: env.Metrics.Counter("", "flume_sink_confined_names_total", "Paths and file names, one of each an event, in which a header value was changed so that it leads nowhere else."),
		box:      deadletter.NewBox(s.OnError, env, vfs.OS{}),
		buckets:  map[place]*bucket{},
	}, nil
}

// Open finds the file system, asks whether it answers, and takes care of the files that an earlier run left open.
func (s *Sink) Open(ctx context.Context) error {
	if s.fs != nil {
		return nil
	}
	site, err := hadoop.LoadConf(hadoop.ConfDirs())
	if err != nil {
		return err
	}
	root, rest, err := hadoop.Split(s.settings.Path, site.DefaultFS())
	if err != nil {
		return err
	}
	if s.path, s.prefix, err = s.settings.templates(root, rest); err != nil {
		return err
	}
	on, err := s.connect(root, s.options(site))
	if err != nil {
		return err
	}
	if err := on.Check(ctx); err != nil {
		return errors.Join(err, on.Close())
	}
	s.fs, s.mark = on, s.owner()
	var left []*repair
	if s.journal, left, err = openJournal(vfs.OS{}, s.journalFile(), on.String(), bootID()); err != nil {
		s.log.Warn("The list of open files cannot be kept: after a crash they are looked for by name", "err", err)
	}
	s.mender = newMender(on, s.journal, &s.settings, s.mark, s.log, s.env.Metrics)
	for _, r := range left {
		s.log.Warn("A file was left open by an earlier run, it will be closed and renamed", "file", r.inUse)
		s.mender.add(r)
	}
	s.seek(rest)
	return nil
}

func (s *Sink) options(site hadoop.Conf) hadoop.Options {
	return hadoop.Options{
		CallTimeout: s.settings.CallTimeout, Durability: s.settings.durability(s.env.Durable), Conf: site,
		User: s.settings.ProxyUser, Principal: s.settings.KerberosPrincipal, Keytab: s.settings.KerberosKeytab,
	}
}

// seek looks in the background for files that an earlier life left, if it left no journal.
func (s *Sink) seek(path string) {
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	if !s.journal.fresh {
		return
	}
	f := &search{fs: s.fs, journal: s.journal, mender: s.mender, settings: &s.settings, suffix: s.suffix, owner: s.mark, log: s.log}
	s.search.Go(func() {
		safe.Go(func() error { f.run(ctx, path); return nil }, func(err error) { s.log.Error("Files left by an earlier run are not looked for", "err", err) })
	})
}

// bootID tells one boot of the machine from another; empty where the system has none.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// templates compiles path and prefix for the file system. HDFS takes no colons in names.
func (s Settings) templates(root, rest string) (path, prefix *escape.Template, err error) {
	o, _, err := s.escapes()
	if err != nil {
		return nil, nil, err
	}
	if strings.HasPrefix(root, "hdfs:") {
		o.Reserved = ":"
	}
	if path, err = compilePath(rest, o); err != nil {
		return nil, nil, err
	}
	prefix, err = compileName(s.FilePrefix, o)
	return path, prefix, err
}

func (s *Sink) journalFile() string {
	if s.env.StateDir == "" {
		return ""
	}
	return filepath.Join(s.env.StateDir, "hdfs-"+s.env.Name+".open")
}

// BatchSize is the most events of one Write.
func (s *Sink) BatchSize() int { return s.settings.BatchSize }

// Write puts the events into their buckets' files and returns once they are safe there. After an error what the files
// took of the batch is taken back where the file system can do that.
func (s *Sink) Write(ctx context.Context, events []event.Event) error {
	err := s.begin(ctx, events)
	if err == nil {
		err = s.sync(ctx)
	}
	if err == nil {
		err = s.box.Commit()
	}
	return s.end(ctx, err)
}

// begin puts the events into the files, and makes nothing safe yet.
func (s *Sink) begin(ctx context.Context, events []event.Event) error {
	now := time.Now()
	s.batch++
	s.touched = s.touched[:0]
	if err := s.place(events, now); err != nil {
		return err
	}
	return s.fill(ctx, events)
}

// end cleans up after a batch; after one that failed it takes back what it can.
func (s *Sink) end(ctx context.Context, err error) error {
	if err != nil {
		s.box.Discard()
		s.takeBack(ctx)
	}
	s.forget()
	s.noteConfined(time.Now())
	return err
}

// place finds the bucket of each event, before anything is written: so an event without one spoils nothing.
func (s *Sink) place(events []event.Event, now time.Time) error {
	s.plan = s.plan[:0]
	var last *bucket
	for i := range events {
		e := &events[i]
		dir, err := s.path.Render(e, now)
		prefix := ""
		if err == nil {
			prefix, err = s.prefix.Render(e, now)
		}
		if err != nil {
			if !errors.Is(err, escape.ErrTimestamp) {
				return err
			}
			if err := s.box.Refuse(e, err); err != nil {
				return err
			}
			s.plan = append(s.plan, nil)
			continue
		}
		if last == nil || dir != last.dir || prefix != last.prefix {
			last = s.bucket(dir, prefix, now)
		}
		s.plan = append(s.plan, last)
	}
	return nil
}

// bucket returns the bucket of that place and notes that this batch touches it.
func (s *Sink) bucket(dir, prefix string, now time.Time) *bucket {
	b := s.buckets[place{dir, prefix}]
	if b == nil {
		b = &bucket{dir: dir, prefix: prefix, counter: now.UnixMilli()}
		s.buckets[place{dir, prefix}] = b
	}
	if b.batch != s.batch {
		b.batch = s.batch
		s.touched = append(s.touched, b)
	}
	return b
}

// fill appends each event to its bucket's file, beginning a new one where the last is full.
func (s *Sink) fill(ctx context.Context, events []event.Event) error {
	for i, b := range s.plan {
		if b == nil {
			continue
		}
		if b.file != nil {
			if err := s.roll(ctx, b); err != nil {
				return err
			}
		}
		if b.file == nil {
			if err := s.open(ctx, b); err != nil {
				if errors.Is(err, hadoop.ErrName) {
					if err := s.box.Refuse(&events[i], err); err != nil {
						return err
					}
					continue
				}
				return err
			}
		}
		if bad, err := b.file.append(ctx, &events[i]); bad {
			if err := s.box.Refuse(&events[i], err); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
	}
	return nil
}

// roll closes the bucket's file if it is full, or if too few datanodes hold it.
func (s *Sink) roll(ctx context.Context, b *bucket) error {
	f := b.file
	full := f.full(&s.settings)
	if !f.dirty { // replicas are known anew after a sync
		switch {
		case !f.thin(&s.settings):
			b.thin = 0
		case b.thin < maxThin:
			full = true
			b.thin++
		case b.thin == maxThin:
			b.thin++
			s.log.Warn("Files have too few replicas whatever is tried, they are no longer rolled for it", "file", f.inUse,
				"replicas", f.out.Replicas(), "wanted", f.out.Wanted())
		}
	}
	if !full {
		return nil
	}
	return s.finish(ctx, b)
}

// sync makes the batch safe: everything is sent first, then waited for.
func (s *Sink) sync(ctx context.Context) error {
	for _, b := range s.touched {
		if b.file == nil || !b.file.dirty {
			continue // rolled, or nothing but refused events
		}
		if err := b.file.flush(ctx); err != nil {
			return err
		}
		if len(s.touched) > 1 {
			if err := b.file.push(ctx); err != nil {
				return err
			}
		}
	}
	for _, b := range s.touched {
		if b.file == nil || !b.file.dirty {
			continue
		}
		unseen, err := b.file.sync(ctx, s.settings.Commit == "close")
		if err == nil {
			err = s.journal.acked(b.file.inUse, b.file.safe.size)
		}
		if err != nil {
			return err
		}
		if unseen && !s.unseen {
			s.unseen = true
			s.log.Warn("The data transfer is encrypted or signed, so that acknowledgements cannot be seen: files are closed and appended to, as with hdfs.commit = close",
				"file", b.file.inUse)
		}
	}
	return nil
}

// takeBack undoes what the batch did to the files. A file that cannot be taken back is given up: the batch comes again,
// into a new one.
func (s *Sink) takeBack(ctx context.Context) {
	for _, b := range s.touched {
		if b.file != nil && b.file.dirty && !b.file.takeBack(ctx, s.format) {
			s.giveUp(ctx, b)
		}
	}
}

// forget drops the batch's buckets that have no file.
func (s *Sink) forget() {
	for _, b := range s.touched {
		if b.file == nil {
			delete(s.buckets, place{b.dir, b.prefix})
		}
	}
}

// noteConfined counts values that were changed, and says so once a minute.
func (s *Sink) noteConfined(now time.Time) {
	n := s.path.Confined() + s.prefix.Confined()
	if n == 0 && s.unlogged == 0 {
		return
	}
	s.confined.Add(n)
	s.unlogged += n
	if now.Sub(s.lastLog) >= time.Minute {
		s.log.Warn("Header values were changed that would have led files out of their directory, or are no file names", "names", s.unlogged)
		s.lastLog, s.unlogged = now, 0
	}
}

// Tick closes the files whose time has come.
func (s *Sink) Tick(ctx context.Context, now time.Time) (next time.Time, err error) {
	if s.fs == nil {
		return time.Time{}, nil
	}
	var due []*bucket
	for _, b := range s.buckets {
		at := s.closeAt(b.file)
		switch {
		case at.IsZero():
		case !at.After(now):
			due = append(due, b)
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	s.finishAll(ctx, due)
	return next, nil
}

// closeAt is when the file is to be closed for its age or for being idle, zero for never.
func (s *Sink) closeAt(f *file) (at time.Time) {
	if f == nil {
		return at
	}
	if s.settings.RollInterval > 0 {
		at = f.opened.Add(s.settings.RollInterval)
	}
	if s.settings.IdleTimeout > 0 && !f.idle.IsZero() {
		if idle := f.idle.Add(s.settings.IdleTimeout); at.IsZero() || idle.Before(at) {
			at = idle
		}
	}
	return at
}

// finishAll closes the buckets' files, several at a time, and drops the buckets. Nothing in them waits to be made safe.
func (s *Sink) finishAll(ctx context.Context, due []*bucket) {
	var wg sync.WaitGroup
	room := make(chan struct{}, s.settings.ThreadsPoolSize)
	for _, b := range due {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			if err := s.finish(ctx, b); err != nil {
				s.log.Error("Closing a file failed", "directory", b.dir, "err", err)
			}
		})
	}
	wg.Wait()
	for _, b := range due {
		delete(s.buckets, place{b.dir, b.prefix})
	}
}

// Close closes and renames all files. What fails is left to the next start.
func (s *Sink) Close(ctx context.Context) error {
	if s.fs == nil {
		return nil
	}
	var open []*bucket
	for _, b := range s.buckets {
		if b.file != nil {
			open = append(open, b)
		}
	}
	s.finishAll(ctx, open)
	clear(s.buckets)
	s.stop()
	s.search.Wait()
	left := s.mender.close(ctx)
	if left > 0 {
		s.log.Warn("Files are left open, the next start takes care of them", "files", left)
	}
	err := errors.Join(s.journal.close(), s.fs.Close())
	s.fs = nil
	return err
}
