package file

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/vfs"
)

// Dirs are a channel's directories, for the verbs that work without a configuration.
type Dirs struct {
	Checkpoint, Backup string
	Data               []string

	// Where the channel is encrypted: its encryption.keyProvider, and what stands below that.
	KeyProvider string
	Keys        map[string]string
}

// FindDirs looks for a channel in root and the directories right below it: of this program's, or of Flume's.
func FindDirs(fsys vfs.FS, root string) (Dirs, error) {
	var d Dirs
	names, err := fsys.List(root)
	if err != nil {
		return d, err
	}
	for _, sub := range append([]string{"."}, names...) {
		dir := filepath.Join(root, sub)
		files, err := fsys.List(dir)
		if err != nil {
			continue // a file
		}
		has := func(f func(string) bool) bool { return slices.ContainsFunc(files, f) }
		if has(func(n string) bool { _, ok := segmentNumber(n); return ok || IsFlumeLog(n) }) {
			d.Data = append(d.Data, dir)
		}
		flumes := func(n string) bool { // of version 2 it has no .meta
			_, err := fsys.List(filepath.Join(dir, n))
			return n == "checkpoint.meta" || n == "checkpoint" && err != nil
		}
		if has(func(n string) bool { return n == "ckpt-0.fqc" || n == "ckpt-1.fqc" || flumes(n) }) {
			switch {
			case d.Checkpoint == "":
				d.Checkpoint = dir
			case has(func(n string) bool { return n == "backupComplete" }) || strings.Contains(sub, "b"):
				d.Backup = dir
			default:
				d.Checkpoint, d.Backup = dir, d.Checkpoint
			}
		}
	}
	if len(d.Data) == 0 {
		return d, fmt.Errorf("%s: no file channel here, nor right below", root)
	}
	return d, nil
}

// checkpointDir is where the checkpoints are, or, where there are none, beside the first data directory.
func (d *Dirs) checkpointDir() string {
	if d.Checkpoint != "" {
		return d.Checkpoint
	}
	return filepath.Join(filepath.Dir(d.Data[0]), "checkpoint")
}

func (d *Dirs) settings() Settings {
	s := defaults()
	s.CheckpointDir, s.DataDirs = d.checkpointDir(), d.Data
	if d.Backup != "" {
		s.UseDualCheckpoints, s.BackupCheckpointDir = true, d.Backup
	}
	s.MinimumRequiredSpace, s.CacheBytes, s.Capacity = 0, 0, 1<<62
	s.EncryptionKeyProvider, s.EncryptionKeys = d.KeyProvider, d.Keys
	return s
}

// Status is what a channel's newest checkpoint says; the channel may be running.
type Status struct {
	Running    bool
	Clean      bool // it was closed in order
	Generation uint64
	Events     int
	Bytes      int64 // of the bodies
	Segments   int
	DiskBytes  int64 // of all log files
	Quarantine int   // damaged spans that were set aside
}

// ReadStatus reads the status without disturbing the channel.
func ReadStatus(fsys vfs.FS, d Dirs) (Status, error) {
	var st Status
	var best *checkpoint
	var whys []error
	for _, dir := range []string{d.Checkpoint, d.Backup} {
		for n := range 2 {
			if dir == "" {
				continue
			}
			k, err := (&slot{dir: dir, n: n}).read(fsys)
			if err != nil {
				whys = append(whys, err)
			} else if best == nil || k.gen > best.gen {
				best = k
			}
		}
	}
	for _, dir := range d.Data {
		names, err := fsys.List(dir)
		if err != nil {
			return st, err
		}
		for _, name := range names {
			if _, ok := segmentNumber(name); !ok {
				continue
			}
			st.Segments++
			if f, err := fsys.OpenRead(filepath.Join(dir, name)); err == nil {
				n, _ := f.Size()
				st.DiskBytes += n
				f.Close()
			}
		}
		if q, err := fsys.List(filepath.Join(dir, quarantineDir)); err == nil {
			st.Quarantine += len(q) / 2
		}
	}
	l, err := fsys.Lock(filepath.Join(d.Data[0], lockName))
	if st.Running = errors.Is(err, vfs.ErrLocked); err == nil {
		l.Close()
	}
	if best == nil {
		return st, fmt.Errorf("no readable checkpoint, `agent channel fsck` reads the log itself: %w", errors.Join(whys...))
	}
	st.Clean, st.Generation, st.Bytes = best.clean, best.gen, best.bytes
	st.Events = int(best.done.open(best.next) - best.pending.count())
	return st, nil
}

// Findings are what reading a whole channel found.
type Findings struct {
	Events    int
	Bytes     int64
	Damaged   int // spans that are no valid frames
	Lost      int // events that were in them, or in files that are gone
	TornTails int // unfinished writes; no loss
	Repaired  bool
}

// Visit is given every queued event, oldest first. An error ends the reading.
type Visit func(seq uint64, put time.Time, e *event.Event) error

// Examine reads all that is queued in a stopped channel, and writes nothing but the lock.
func Examine(ctx context.Context, fsys vfs.FS, d Dirs, log *slog.Logger, visit Visit) (Findings, error) {
	return readAll(ctx, fsys, d, log, visit, false)
}

// Repair reads all that is queued in a stopped channel, sets damaged spans aside and gives up what was in them or in
// files that are gone, so that the channel opens and delivers the rest.
func Repair(ctx context.Context, fsys vfs.FS, d Dirs, log *slog.Logger) (Findings, error) {
	return readAll(ctx, fsys, d, log, func(uint64, time.Time, *event.Event) error { return nil }, true)
}

func readAll(ctx context.Context, fsys vfs.FS, d Dirs, log *slog.Logger, visit Visit, repair bool) (Findings, error) {
	env := registry.Env{Name: "offline", Log: log, Metrics: metric.NewSet(metric.Channel, "", "offline", "file")}
	c := newChannel(env, d.settings(), fsys)
	c.readOnly, c.giveUp = !repair, true
	var fi Findings
	err := func() error {
		defer c.unlock()
		if err := c.readKeys(); err != nil {
			return err
		}
		if err := c.lockDirs(); err != nil {
			return err
		}
		if err := c.recover(ctx); err != nil {
			return err
		}
		var from []pos
		for _, l := range c.lanes {
			from = append(from, l.cur)
		}
		seen, err := c.visitAll(ctx, visit, &fi)
		for i, l := range c.lanes {
			l.cur, l.heads = from[i], nil // nothing was taken
		}
		if err != nil || c.failure != nil {
			return errors.Join(err, c.failure)
		}
		for _, s := range c.done.without(0, c.next) {
			for _, g := range seen.without(s.from, s.to) {
				fi.Lost += int(g.to - g.from)
				c.done.add(g.from, g.to)
			}
		}
		if repair {
			fi.Repaired = true
			return c.checkpoint(nil, false)
		}
		return nil
	}()
	fi.Damaged, fi.TornTails = int(c.m.quarantined.Value()), int(c.m.tornTails.Value())
	fi.Lost += int(c.m.lost.Value())
	return fi, err
}

// visitAll reads every lane to its end, merged by sequence number.
func (c *Channel) visitAll(ctx context.Context, visit Visit, fi *Findings) (spans, error) {
	var seen spans
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := c.fillHeads(); err != nil {
			return nil, err
		}
		var first *lane
		for _, l := range c.lanes {
			if len(l.heads) > 0 && (first == nil || l.heads[0].seq < first.heads[0].seq) {
				first = l
			}
		}
		if first == nil {
			return seen, nil
		}
		p := first.heads[0]
		first.heads = first.heads[1:]
		for i := range p.events {
			fi.Events++
			fi.Bytes += int64(len(p.events[i].Body))
			if err := visit(p.seq+uint64(i), time.UnixMilli(p.time), &p.events[i]); err != nil {
				return nil, err
			}
		}
		seen.add(p.seq, p.end())
	}
}
