package spooldir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"goflume/event"
	"goflume/internal/javaregex"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/vfs"
	"goflume/sources"
)

func init() {
	registry.Add(sources.Registry, "spooldir", []string{"org.apache.flume.source.SpoolDirectorySource"}, defaults, New)
}

// batchBytes is the size in bytes at which a batch is sent though it could hold more events.
const batchBytes = 16 << 20

// mostEnded is the number of files that end in one batch at most.
const mostEnded = 1000

// Source reads the files of a directory.
type Source struct {
	settings Settings
	log      *slog.Logger
	health   func(error)
	disk     disk
	include  *javaregex.Regexp
	ignore   *javaregex.Regexp

	dir     string // spoolDir as Java writes it
	tracker string // trackerDir

	counters metric.SourceCounters
	finished *metric.Counter
	aside    *metric.Counter
}

// New returns a spooldir source.
func New(env registry.Env, s Settings) (sources.Source, error) {
	include, err := javaregex.Compile(s.IncludePattern)
	if err != nil {
		return nil, err
	}
	ignore, err := javaregex.Compile(s.IgnorePattern)
	if err != nil {
		return nil, err
	}
	dir := javaPath(s.SpoolDir)
	tracker := javaPath(s.TrackerDir)
	if !filepath.IsAbs(tracker) {
		tracker = filepath.Join(dir, tracker)
	}
	tracker = filepath.Clean(tracker)
	const files, filesHelp = "flume_source_files_total", "Files by what became of them."
	return &Source{settings: s, log: env.Log, health: env.Report, disk: realDisk{vfs.OS{}}, include: include, ignore: ignore,
		dir: dir, tracker: tracker,
		counters: metric.NewSource(env.Metrics),
		finished: env.Metrics.Counter("", files, filesHelp, "outcome", "finished"),
		aside:    env.Metrics.Counter("", files, filesHelp, "outcome", "set_aside"),
	}, nil
}

// javaPath is the path as java.io.File keeps it: without slashes that are of no use.
func javaPath(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return path
}

// file is a file that is read, or waits to be read on.
type file struct {
	name    string // below spoolDir
	path    string
	headers []event.Header // of all its events

	seen   state    // when it was opened, or found to have changed
	at     position // behind what is delivered or in the batch
	begun  bool     // an event of it is delivered or in the batch
	again  bool     // it was read to its end, or to a damaged place, before, and has not changed since
	grew   bool     // it changed while it was read
	final  bool     // what is kept back at its end is read, too
	failed bool     // told that the disk refuses it

	stream *stream
	events deserializer
	end    ending
	due    time.Time // of one that waits
}

func (f *file) close() {
	if f.stream != nil {
		f.stream.close()
	}
	f.stream, f.events = nil, nil
}

// run is one Run.
type run struct {
	*Source
	out   sources.Output
	locks []io.Closer

	scan   scanner
	due    bool // the next look
	watch  *watch
	waits  waits
	notes  progress
	noted  position        // of current
	parked map[string]bool // names of files with progress files of their own

	unsafe map[string]bool // directories whose last changes may not outlive a power failure
	synced time.Time

	batch   event.Batch
	quota   quota
	ended   []*file // read, in the order of their events in the batch
	current *file   // being read
}

// Run reads files until ctx is cancelled. An error is about the directories.
func (s *Source) Run(ctx context.Context, out sources.Output) error {
	r := &run{Source: s, out: out, parked: map[string]bool{}, unsafe: map[string]bool{}}
	r.scan = scanner{s: s, waits: &r.waits, odd: map[string]bool{}}
	defer r.close()
	if err := r.prepare(); err != nil {
		return err
	}
	r.health(nil)
	for ctx.Err() == nil {
		read, err := r.fill()
		if err != nil {
			return err
		}
		if err := r.flush(ctx); err != nil {
			return nil // ctx ended: what is not noted is read again
		}
		if !read {
			r.sync(0)
			r.watch.wait(ctx, r.pause())
		}
	}
	return nil
}

func (r *run) close() {
	r.sync(0)
	if r.current != nil {
		r.current.close()
	}
	if r.watch != nil {
		r.watch.close()
	}
	r.notes.close()
	for _, l := range r.locks {
		l.Close()
	}
}

// pause is how long to wait when there is nothing to read.
func (r *run) pause() time.Duration {
	d := r.settings.PollDelay
	if due, ok := r.waits.due(); ok {
		d = min(d, max(time.Until(due), 0))
	}
	return d
}

// fill reads into the batch until it is full or there is nothing more to read for now. read is false if there was nothing at
// all. An error is the directory's.
func (r *run) fill() (read bool, err error) {
	r.quota = quota{r.settings.BatchSize, batchBytes}
	for r.quota.left() && len(r.ended) < mostEnded {
		if r.current == nil {
			f, err := r.next()
			if f == nil || err != nil {
				return len(r.ended) > 0, err
			}
			r.begin(f)
			continue
		}
		f := r.current
		before := len(r.batch.Events)
		err := f.events.read(&r.batch, &r.quota)
		f.at = f.events.position()
		f.begun = f.begun || len(r.batch.Events) > before
		if err != nil {
			r.stop(f, err)
		}
	}
	return true, nil
}

// next returns the next file to read, nil when there is none now.
func (r *run) next() (*file, error) {
	if f := r.waits.take(time.Now()); f != nil {
		return f, nil
	}
	if r.due = r.due || r.looks(); r.due {
		if len(r.ended) > 0 {
			return nil, nil // they would be found again
		}
		r.due = false
		if err := r.scan.look(r.watch.add); err != nil {
			return nil, fmt.Errorf("look into the spool directory: %w", err)
		}
	}
	for {
		name, ok := r.scan.next()
		if !ok {
			return nil, nil
		}
		if !r.waits.has(name) {
			return r.file(name), nil
		}
	}
}

// looks tells whether it is time to look into the directory: when the known files are read and there may be others, and
// where the order matters also before.
func (r *run) looks() bool {
	passed := time.Since(r.scan.began)
	if r.scan.left() {
		return r.settings.ConsumeOrder != "random" && passed >= max(r.settings.PollDelay, 16*r.scan.took) && r.watch.news()
	}
	return r.watch.news() || r.scan.more || passed >= r.settings.PollDelay && r.scan.stale()
}

func (r *run) file(name string) *file {
	f := &file{name: name, path: r.dir + "/" + name}
	if r.dir == "/" {
		f.path = "/" + name
	}
	if r.settings.FileHeader {
		path := f.path
		if !filepath.IsAbs(path) {
			if wd, err := os.Getwd(); err == nil {
				path = wd + "/" + path
			}
		}
		f.headers = append(f.headers, event.Header{Key: r.settings.FileHeaderKey, Value: path})
	}
	if r.settings.BasenameHeader {
		f.headers = append(f.headers, event.Header{Key: r.settings.BasenameHeaderKey, Value: filepath.Base(name)})
	}
	f.headers = f.headers[:len(f.headers):len(f.headers)]
	return f
}

// begin makes a file the current one, or ends it at once.
func (r *run) begin(f *file) {
	fi, err := r.disk.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) && !f.begun {
		return // it was taken away again
	}
	r.current = f
	if err != nil {
		r.stop(f, err)
		return
	}
	if f.begun && f.seen.inode != 0 && f.seen.inode != inode(fi) {
		r.stop(f, io.EOF) // another file
		return
	}
	if now := stateOf(fi); now != f.seen {
		f.seen, f.again = now, false
	}
	if !f.begun && r.settings.TrackingPolicy == "tracker_dir" {
		done, err := r.marked(f)
		if done {
			r.current = nil
			return
		}
		if err != nil {
			r.stop(f, err)
			return
		}
	}
	if err = r.open(f); err != nil {
		r.stop(f, err)
		return
	}
	r.noted = f.at
}
