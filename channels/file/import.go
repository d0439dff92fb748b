package file

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"goflume/channels/file/flumelog"
	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/vfs"
)

// Marks in the data directories while an import is under way: before all events are in the new log and were read back,
// and after.
const (
	importMark = "flume-import"
	importDone = "flume-import-done"
	migrated   = "flume-migrated" // directory that Flume's files are moved to
)

// ImportReport tells what an import did, or, dry, would do.
type ImportReport struct {
	flumelog.Report
	Events   int
	Bytes    int64  // of the bodies
	Checksum uint32 // CRC-32C over the events in order
	Moved    int    // files moved to flume-migrated
	Resumed  bool   // an earlier import had copied everything
}

// Import turns a directory of Flume's file channel into one of this program's, in place: it copies what is queued, reads
// it back and compares, and only then moves Flume's files aside. It may be run again after it was cut short. With dry it
// reads and reports. progress, where not nil, is called with what is done and all there is, in units of its own.
func Import(ctx context.Context, fsys vfs.FS, d Dirs, log *slog.Logger, dry bool, progress func(what string, done, total int64)) (ImportReport, error) {
	if progress == nil {
		progress = func(string, int64, int64) {}
	}
	d.Checkpoint = d.checkpointDir()
	set := d.settings()
	set.UseDualCheckpoints = false // the copy of Flume's checkpoint is just moved
	env := registry.Env{Name: "import", Log: log, Metrics: metric.NewSet(metric.Channel, "", "import", "file")}
	c := newChannel(env, set, fsys)
	c.importing, c.segSize = true, min(1<<20, set.segmentSize())
	rep := ImportReport{}
	if err := c.readKeys(); err != nil {
		return rep, err
	}
	if err := c.lockDirs(); err != nil {
		c.unlock()
		return rep, err
	}
	state, err := c.importState()
	if err == nil && !state.done {
		err = c.copyQueue(ctx, d, &rep, state, dry, progress)
	}
	c.unlock()
	if err != nil || dry {
		return rep, err
	}
	rep.Resumed = state.done
	if !state.done {
		if err := verifyImport(ctx, fsys, d, log, &rep, progress); err != nil {
			return rep, err
		}
	}
	return rep, moveFlume(fsys, d, &rep)
}

// importState tells how far an earlier import came.
type importState struct {
	begun, done bool
	ours        []string // files of the new channel
}

func (c *Channel) importState() (st importState, err error) {
	dirs := []string{c.slots[0].dir}
	for _, d := range c.dirs {
		dirs = append(dirs, d.path)
	}
	for _, dir := range dirs {
		names, err := c.fs.List(dir)
		if err != nil {
			return st, err
		}
		for _, n := range names {
			st.begun = st.begun || n == importMark
			st.done = st.done || n == importDone
			if _, ok := segmentNumber(n); ok || strings.HasPrefix(n, "ckpt-") {
				st.ours = append(st.ours, filepath.Join(dir, n))
			}
		}
	}
	if len(st.ours) > 0 && !st.begun && !st.done {
		return st, fmt.Errorf("%s: there is a channel of this program already; nothing was imported", filepath.Dir(st.ours[0]))
	}
	return st, nil
}

// copyQueue puts what Flume has queued into a new log.
func (c *Channel) copyQueue(ctx context.Context, d Dirs, rep *ImportReport, st importState, dry bool, progress func(string, int64, int64)) error {
	keys := func(alias string) []byte { return c.keys.keys[alias] }
	q, err := flumelog.Load(c.fs, d.Data, d.Checkpoint, keys, func(done, total int64) { progress("bytes of Flume's log read", done, total) })
	if err != nil {
		return err
	}
	defer q.Close()
	rep.Report = q.Report
	c.keys.active = q.Key // what Flume kept from other eyes is not written in the clear
	if !dry {
		for _, name := range st.ours { // of an import that was cut short
			if err := c.fs.Remove(name); err != nil {
				return err
			}
		}
		for _, dir := range c.dirs {
			if err := c.writeNew(filepath.Join(dir.path, importMark), []byte("an import is under way\n")); err != nil {
				return err
			}
			if err := c.fs.SyncDir(dir.path); err != nil {
				return err
			}
		}
		if err := c.recover(ctx); err != nil {
			return err
		}
		c.mu.Lock()
		c.state = stateOpen
		c.mu.Unlock()
	}
	put := func(events []event.Event) error {
		if dry || len(events) == 0 {
			return nil
		}
		return c.Put(ctx, events)
	}
	var batch []event.Event
	size := 0
	for i, p := range q.Events {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r, err := q.Read(p)
		if err != nil {
			return fmt.Errorf("read event: %w", err)
		}
		rep.add(&r.Event)
		batch = append(batch, r.Event)
		if size += len(r.Event.Body); len(batch) == 10000 || size > maxFrame {
			if err := put(batch); err != nil {
				return err
			}
			c.housekeep(false)
			batch, size = batch[:0], 0
			progress("events copied", int64(i+1), int64(len(q.Events)))
		}
	}
	if err := put(batch); err != nil || dry {
		return err
	}
	return c.checkpoint(nil, true)
}

func (r *ImportReport) add(e *event.Event) {
	r.Events++
	r.Bytes += int64(len(e.Body))
	r.Checksum = crc32.Update(r.Checksum, castagnoli, appendEvent(nil, e))
}

// verifyImport reads the new log back.
func verifyImport(ctx context.Context, fsys vfs.FS, d Dirs, log *slog.Logger, rep *ImportReport, progress func(string, int64, int64)) error {
	var got ImportReport
	d.Backup = ""
	_, err := readImported(ctx, fsys, d, log, func(_ uint64, _ time.Time, e *event.Event) error {
		if got.add(e); got.Events%100000 == 0 {
			progress("events read back", int64(got.Events), int64(rep.Events))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read back what was imported: %w", err)
	}
	if got.Events != rep.Events || got.Bytes != rep.Bytes || got.Checksum != rep.Checksum {
		return fmt.Errorf("read back %d events, %d bytes, checksum %08x; copied %d, %d, %08x: Flume's files are untouched",
			got.Events, got.Bytes, got.Checksum, rep.Events, rep.Bytes, rep.Checksum)
	}
	return nil
}

func readImported(ctx context.Context, fsys vfs.FS, d Dirs, log *slog.Logger, visit Visit) (Findings, error) {
	env := registry.Env{Name: "import", Log: log, Metrics: metric.NewSet(metric.Channel, "", "import", "file")}
	c := newChannel(env, d.settings(), fsys)
	c.readOnly, c.importing = true, true
	defer c.unlock()
	var fi Findings
	err := c.readKeys()
	if err == nil {
		err = c.lockDirs()
	}
	if err == nil {
		err = c.recover(ctx)
	}
	if err == nil {
		_, err = c.visitAll(ctx, visit, &fi)
	}
	return fi, err
}

// moveFlume marks the import as done and moves Flume's files aside.
func moveFlume(fsys vfs.FS, d Dirs, rep *ImportReport) error {
	for _, dir := range d.Data {
		err := fsys.Rename(filepath.Join(dir, importMark), filepath.Join(dir, importDone))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := fsys.SyncDir(dir); err != nil {
			return err
		}
	}
	flumes := []string{"checkpoint", "checkpoint.meta", "checkpoint.snappy", "inflightputs", "inflighttakes", "backupComplete"}
	for _, dir := range append(slices.Clone(d.Data), d.Checkpoint, d.Backup) {
		if dir == "" {
			continue
		}
		names, err := fsys.List(dir)
		if err != nil {
			return err
		}
		aside, moved := filepath.Join(dir, migrated), false
		for _, n := range names {
			log, _, _ := strings.Cut(n, ".")
			if !IsFlumeLog(log) && !slices.Contains(flumes, n) {
				continue
			}
			if _, err := fsys.List(filepath.Join(dir, n)); err == nil {
				continue // a directory that happens to have the name, such as checkpointDir itself
			}
			if err := fsys.MkdirAll(aside); err != nil {
				return err
			}
			if err := fsys.Rename(filepath.Join(dir, n), filepath.Join(aside, n)); err != nil {
				return err
			}
			rep.Moved++
			moved = true
		}
		if moved { // the new names first
			if err := fsys.SyncDir(aside); err != nil {
				return err
			}
		}
		if err := fsys.SyncDir(dir); err != nil {
			return err
		}
	}
	for _, dir := range d.Data {
		if err := fsys.Remove(filepath.Join(dir, importDone)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := fsys.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}
