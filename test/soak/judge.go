package soak

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/colinmarc/hdfs/v2"

	"goflume/test/ledger"
	"goflume/test/service"
)

// Limits of what the agent may hold when all is over. Beyond them something is left over.
const (
	patience       = 8 * time.Minute // for everything to arrive, and for the agent to come to rest
	moreMemory     = 24 << 20        // bytes, and a fifth, that the last third of a life may have beyond the one before
	moreGoroutines = 12              // at rest, beyond the most of the quiet start
	moreFiles      = 12              // descriptors, likewise
	channelFiles   = 12              // files of an empty file channel
	channelBytes   = 80 << 20        // and their size
)

// await calls probe until it finds nothing wrong, or for so long.
func await(ctx context.Context, limit time.Duration, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var last error // what was wrong before the time was over
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return cmp.Or(last, err)
		}
		last = err
		wait(ctx, time.Second)
	}
}

// verdicts looks at every destination.
func (w *world) verdicts(ctx context.Context) (map[*flow]ledger.Verdict, error) {
	all := map[*flow]ledger.Verdict{}
	var errs []error
	for _, f := range w.flows.all() {
		f.ledger.Forget()
		if err := f.gather(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: read the destination: %w", f.name, err))
		}
		v := f.ledger.Verdict()
		all[f] = v
		if v.Lost > 0 {
			errs = append(errs, fmt.Errorf("%s: %v", f.name, v))
		}
	}
	return all, errors.Join(errs...)
}

// judgeFlows says what is wrong with verdicts beside losses: torn lines that no kill explains, and flows that carried nothing.
func (w *world) judgeFlows(all map[*flow]ledger.Verdict) (wrong []error) {
	writers := w.report.times("kill") + w.report.times("freeze") + w.report.times("fill") + w.deaths
	for f, v := range all {
		allowed := 0
		if f.files {
			allowed = writers
		}
		if v.Torn > allowed {
			wrong = append(wrong, fmt.Errorf("%s: %d lines are torn, %d may be: %v", f.name, v.Torn, allowed, v.Strange))
		}
		if v.Acked < int(w.length.Seconds())*10 {
			wrong = append(wrong, fmt.Errorf("%s: only %d lines were acknowledged", f.name, v.Acked))
		}
	}
	return wrong
}

// awaitFlowing waits until every sink has delivered: then it has all the connections that it has at rest.
func (w *world) awaitFlowing(ctx context.Context) error {
	return await(ctx, patience, func(ctx context.Context) error {
		for _, name := range sinkNames {
			n, err := w.agent.FlumeMetric(ctx, "SINK."+name, "EventDrainSuccessCount")
			if err != nil {
				return err
			}
			if n == "0" {
				return fmt.Errorf("sink %s has delivered nothing yet", name)
			}
		}
		return nil
	})
}

// awaitEmpty waits until no channel holds anything.
func (w *world) awaitEmpty(ctx context.Context) error {
	return await(ctx, patience, func(ctx context.Context) error {
		for _, name := range fileChannels {
			size, err := w.agent.FlumeMetric(ctx, "CHANNEL."+name, "ChannelSize")
			if err != nil {
				return err
			}
			if size != "0" {
				return fmt.Errorf("channel %s holds %s events", name, size)
			}
		}
		return nil
	})
}

// awaitMended waits until no file in HDFS waits to be recovered. One whose maker was killed before it could mark it is
// recovered when its lease is a minute old, counted from the namenode's start.
func (w *world) awaitMended(ctx context.Context) error {
	return await(ctx, 3*time.Minute, func(ctx context.Context) error {
		n, err := w.agent.Metric(ctx, `flume_sink_files_broken{agent="a1",sink="hdfs",type="hdfs"}`)
		if err == nil && n != 0 {
			err = fmt.Errorf("%v files in HDFS wait to be recovered", n)
		}
		return err
	})
}

// awaitSpooled waits until every file was finished, which is some time after its last line was read.
func (w *world) awaitSpooled(ctx context.Context) error {
	return await(ctx, patience, func(context.Context) error {
		if left := w.unspooled(); len(left) > 0 {
			return fmt.Errorf("not finished yet: %v", left)
		}
		return nil
	})
}

// unspooled are the files that the spooling source has not finished.
func (w *world) unspooled() (names []string) {
	walk(filepath.Join(w.fed, "spool"), func(name string, _ int64) {
		if !strings.HasSuffix(name, ".COMPLETED") {
			names = append(names, name)
		}
	})
	return names
}

// awaitRest waits until the agent holds no more than at its quiet start, and returns the last look.
func (w *world) awaitRest(ctx context.Context) (rest sample, err error) {
	g, d := int(most(w.quiet, goroutines)), int(most(w.quiet, descriptors))
	err = await(ctx, 90*time.Second, func(ctx context.Context) error {
		s, err := w.sampleAgent(ctx)
		if err != nil {
			return err
		}
		rest = s
		if s.goroutines > g+moreGoroutines {
			return fmt.Errorf("%d goroutines at rest, %d in the quiet start", s.goroutines, g)
		}
		if s.descriptors > d+moreFiles {
			return fmt.Errorf("%d descriptors at rest, %d in the quiet start:\n%s", s.descriptors, d, openFiles(s.pid))
		}
		return nil
	})
	return rest, err
}

// openFiles lists what a process has open.
func openFiles(pid int64) string {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			fmt.Fprintln(&b, to)
		}
	}
	return b.String()
}

// thirds are the second and the last third of a life: the first one is for warming up.
func thirds(life []sample) (second, last []sample) {
	n := len(life) / 3
	return life[n : 2*n], life[2*n:]
}

// judgeMemory compares the last third of the last life with the one before.
func (w *world) judgeMemory() error {
	second, last := thirds(w.lastLife())
	before, after := median(second, rss), median(last, rss)
	if len(second) == 0 || after > before+before/5+moreMemory {
		return fmt.Errorf("VmRSS is %s in the last third of the last life, %s in the one before", mib(after), mib(before))
	}
	return nil
}

// judgeFiles looks for what is left over once the agent has stopped.
func (w *world) judgeFiles() (wrong []error) {
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	for _, dir := range []string{"net", "log", "topic", "spool"} {
		files, bytes := 0, int64(0)
		walk(filepath.Join(w.disk.path, dir), func(name string, size int64) {
			if kind := filepath.Base(filepath.Dir(name)); kind == "data" || kind == "checkpoint" { // the others are the source's
				files++
				bytes += size
			}
			if ext := filepath.Ext(name); ext == ".tmp" || ext == ".next" || ext == ".new" {
				add("%s is left over", name)
			}
		})
		w.report.say("left by the channel in %s: %d files, %s", dir, files, mib(bytes))
		if files > channelFiles || bytes > channelBytes {
			add("%s holds %d files with %s, though its channel is empty", dir, files, mib(bytes))
		}
	}
	walk(filepath.Join(w.disk.path, "spool", "tracker"), func(name string, _ int64) {
		if strings.Contains(name, "quarantine") {
			add("%s was set aside", name)
		}
	})
	return wrong
}

// walk calls visit for every file below a directory that may not be there.
func walk(dir string, visit func(name string, size int64)) {
	filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			visit(name, info.Size())
		}
		return nil
	})
}

// unfinished are the files in HDFS that still have the name of one that is written.
func (w *world) unfinished() ([]string, error) {
	client, err := hdfs.NewClient(hdfs.ClientOptions{Addresses: []string{w.hdfs.Addr()}, User: service.User()})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	entries, err := client.ReadDir("/soak")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".tmp") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// judgeLog looks for what a healthy program never writes.
func (w *world) judgeLog() (wrong []error) {
	text, err := os.ReadFile(w.agent.Log())
	if err != nil {
		return []error{err}
	}
	errors := 0
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "panic") || strings.Contains(line, "DATA RACE") {
			wrong = append(wrong, fmt.Errorf("the log says: %s", strings.TrimSpace(line)))
		}
		if strings.Contains(line, " ERROR ") {
			if errors++; errors <= 10 {
				w.report.say("log: %s", strings.TrimSpace(line))
			}
		}
	}
	w.report.say("the log has %d lines of level ERROR, %d in all", errors, strings.Count(string(text), "\n"))
	return wrong
}
