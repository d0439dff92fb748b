package test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"goflume/test/ledger"
	"goflume/test/service"
)

// torture is how long a torture lasts, and how many lines a writer has at most.
type torture struct {
	lasts time.Duration
	lines int
}

// rotations are logrotate's modes, one for each writer. Where matches is set, the rotated names match the source's pattern.
var rotations = []struct {
	name, directives  string
	matches, truncate bool
}{
	{"create", "create 0644\nrotate 20", false, false},
	{"createall", "create 0644\nrotate 20", true, false},
	{"copytruncate", "copytruncate\nrotate 10000", false, true},
	{"copytruncateall", "copytruncate\nrotate 10000", true, true},
	{"dateext", "nocreate\ndateext\ndateformat -%Y%m%d-%s\ncompress\ndelaycompress\nrotate 20", false, false},
}

const taildirToDurableFiles = `
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = taildir
a1.sources.r1.channels = c1
a1.sources.r1.positionFile = ${dir}/positions.json
a1.sources.r1.batchSize = 100
a1.sources.r1.idleTimeout = 5000
a1.sources.r1.writePosInterval = 200
a1.channels.c1.type = file
a1.channels.c1.checkpointDir = ${dir}/checkpoint
a1.channels.c1.dataDirs = ${dir}/data
a1.channels.c1.minimumRequiredSpace = 1048576
a1.sinks.k1.type = file_roll
a1.sinks.k1.channel = c1
a1.sinks.k1.sink.directory = ${dir}/out
a1.sinks.k1.sink.rollInterval = 0
a1.sinks.k1.sink.batchSize = 100
`

// rotated is a log that one writer writes and logrotate rotates.
type rotated struct {
	*ledger.Ledger
	client   int
	file     string
	conf     string
	truncate bool
	matches  bool
	turned   time.Time // when it was rotated last
	reopen   atomic.Bool
	written  int
}

// write appends numbered lines until ctx ends, a few at a time, and opens its file again when it is told to.
func (r *rotated) write(ctx context.Context, t *testing.T, lines int) {
	var f *os.File
	var text []byte
	for ctx.Err() == nil && r.written < lines {
		if f == nil || r.reopen.CompareAndSwap(true, false) {
			if f != nil {
				f.Close()
			}
			var err error
			if f, err = os.OpenFile(r.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644); err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
		}
		text = text[:0]
		n := min(1+rand.IntN(50), lines-r.written)
		for i := range n {
			text = r.AppendLine(text, r.client, r.written+i)
		}
		if _, err := f.Write(text); err != nil {
			t.Error(err)
			return
		}
		r.Acknowledge(r.client, r.written, r.written+n)
		r.written += n
		linger(ctx, time.Duration(rand.IntN(int(40*time.Millisecond))))
	}
}

func linger(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// rotate runs logrotate once. The writer hears of it a little later, as after a signal.
func (r *rotated) rotate(ctx context.Context, t *testing.T, logrotate service.Program) {
	out, err := logrotate.Command(t.Context(), "--force", "--state", r.conf+".state", r.conf).CombinedOutput()
	if err != nil {
		t.Errorf("logrotate: %v: %s", err, out)
	}
	r.turned = time.Now()
	if !r.truncate {
		linger(ctx, time.Duration(rand.IntN(int(200*time.Millisecond))))
		r.reopen.Store(true)
	}
}

// followed tells whether the agent has looked since the last rotation, knows the file and has read nearly all of it.
func (r *rotated) followed(positions string) bool {
	const behind = 256 << 10
	said, err := os.Stat(positions)
	if err != nil || said.ModTime().Before(r.turned.Add(500*time.Millisecond)) {
		return false
	}
	info, err := os.Stat(r.file)
	text, err2 := os.ReadFile(positions)
	var all []struct {
		Inode uint64
		Pos   int64
	}
	if errors.Join(err, err2) != nil || json.Unmarshal(text, &all) != nil {
		return false
	}
	for _, p := range all {
		if p.Inode == info.Sys().(*syscall.Stat_t).Ino {
			return p.Pos <= info.Size() && p.Pos >= info.Size()-behind
		}
	}
	return false
}

// TestRealTaildirRotatedAndKilledLosesNothing has logrotate rotate logs that are written to, in all its ways, while the agent
// is killed again and again. A kill repeats at most a batch of the source for each file, and one of the sink. A log whose
// rotated names do not match the pattern is rotated when the agent follows it, and at most once while the agent is down: what
// came and went unseen between two rotations is lost. What copytruncate itself loses is counted by what is in no file at the end.
func TestRealTaildirRotatedAndKilledLosesNothing(t *testing.T) {
	const width, batch, sinkBatch = 120, 100, 100
	logrotate := service.Logrotate(t)
	a, logs := startRotated(t, width)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	positions := filepath.Join(a.Dir, "positions.json")
	working, end := context.WithTimeout(t.Context(), rotationTorture.lasts)
	defer end()
	ctx, cancel := context.WithTimeout(t.Context(), rotationTorture.lasts+5*time.Minute)
	defer cancel()

	var up atomic.Bool
	var lives atomic.Int64
	up.Store(true)
	var work sync.WaitGroup
	var turned atomic.Int64
	for _, r := range logs {
		work.Go(func() { r.write(working, t, rotationTorture.lines) })
		work.Go(func() {
			for life := int64(-1); ; {
				linger(working, time.Second+time.Duration(rand.IntN(int(2*time.Second))))
				if working.Err() != nil {
					return
				}
				if !up.Load() && life == lives.Load() || !r.matches && !r.followed(positions) {
					continue
				}
				life = lives.Load()
				r.rotate(working, t, logrotate)
				turned.Add(1)
			}
		})
	}
	killed := 0
	for working.Err() == nil {
		linger(working, time.Second+time.Duration(random.IntN(int(3*time.Second))))
		up.Store(false)
		a.Kill()
		killed++
		linger(working, time.Duration(random.IntN(int(time.Second))))
		if err := a.Restart(); err != nil {
			t.Fatal(err)
		}
		if err := a.AwaitReady(ctx); err != nil {
			t.Fatal(err)
		}
		linger(working, 300*time.Millisecond) // it has looked
		lives.Add(1)
		up.Store(true)
	}
	work.Wait()
	if err := awaitQuiet(ctx, a); err != nil {
		t.Fatal(err)
	}
	a.Stop(time.Minute)
	arrived(t, logs[0].Ledger, filepath.Join(a.Dir, "out", "*"))
	kept := ledger.New(len(logs), rotationTorture.lines, width)
	for _, r := range logs {
		if !r.truncate {
			continue
		}
		arrived(t, kept, filepath.Join(filepath.Dir(r.file), "*"))
		lost, here := r.Excuse(r.client, kept)
		t.Logf("%s: %d lines, copytruncate itself lost %d of them, %d of these arrived", filepath.Base(r.file), r.written, lost, here)
	}
	for _, r := range logs {
		if n := r.Doubles(r.client); n > killed*(batch+sinkBatch) {
			t.Errorf("%s: %d of %d lines came again, want at most %d", filepath.Base(r.file), n, r.written, killed*(batch+sinkBatch))
		} else {
			t.Logf("%s: %d of %d lines came again", filepath.Base(r.file), n, r.written)
		}
		if missing := r.Missing(r.client); len(missing) > 0 {
			t.Errorf("%s: lost are %v", filepath.Base(r.file), missing)
		}
	}
	v := logs[0].Verdict()
	torn := kept.Verdict().Torn
	t.Logf("seed %d, %d kills, %d rotations, %d lines torn by them: %v", seed, killed, turned.Load(), torn, v)
	if v.Lost > 0 || v.Torn > killed+2*torn {
		t.Errorf("%d lines are lost, %d torn", v.Lost, v.Torn)
	}
}

// startRotated makes a directory for each mode and starts an agent that follows them.
func startRotated(t *testing.T, width int) (*service.AgentServer, []*rotated) {
	root := t.TempDir()
	l := ledger.New(len(rotations), rotationTorture.lines, width)
	conf := taildirToDurableFiles
	var groups []string
	var logs []*rotated
	for i, mode := range rotations {
		dir := filepath.Join(root, mode.name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		r := &rotated{Ledger: l, client: i, file: filepath.Join(dir, mode.name+".log"), conf: filepath.Join(root, mode.name+".conf"), truncate: mode.truncate, matches: mode.matches}
		if err := os.WriteFile(r.conf, []byte(r.file+" {\n"+mode.directives+"\n}\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		pattern := ".*[.]log"
		if mode.matches {
			pattern += ".*"
		}
		groups = append(groups, mode.name)
		conf += fmt.Sprintf("a1.sources.r1.filegroups.%s = %s/%s\n", mode.name, dir, pattern)
		logs = append(logs, r)
	}
	conf += "a1.sources.r1.filegroups = " + strings.Join(groups, " ") + "\n"
	return service.Start(t, service.Agent{Conf: conf}), logs
}

// awaitQuiet waits until nothing new has come for a while, and the channel is empty.
func awaitQuiet(ctx context.Context, a *service.AgentServer) error {
	const quiet = 8 * time.Second
	last, since := "", time.Now()
	err := service.Await(ctx, "quiet", func(context.Context) error {
		n, err := a.FlumeMetric(ctx, "SOURCE.r1", "EventAcceptedCount")
		if err != nil {
			return err
		}
		if n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) < quiet {
			return errors.New("lines still come")
		}
		return nil
	}, a.Process)
	if err != nil {
		return err
	}
	return a.AwaitEmpty(ctx, "c1")
}

// arrived has a ledger note the lines of files, compressed ones too.
func arrived(t *testing.T, l *ledger.Ledger, pattern string) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		var r io.Reader = f
		if strings.HasSuffix(name, ".gz") {
			if r, err = gzip.NewReader(f); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Arrived(r); err != nil {
			t.Error(err)
		}
		f.Close()
	}
}
