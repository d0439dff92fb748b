package spooldir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/internal/vfs"
	"goflume/internal/vfs/errfs"
)

var errDead = errors.New("the process is gone")

// mortal is a disk on which nothing happens any more from operation n on, as after kill -9.
type mortal struct {
	badDisk
	dead atomic.Bool
}

func newMortal(n int64, last func()) *mortal {
	m := &mortal{}
	m.FS = errfs.New(unsynced{}, func(c errfs.Call) error {
		if c.N >= n && !m.dead.Swap(true) {
			last()
		}
		if m.dead.Load() {
			return errDead
		}
		return nil
	})
	return m
}

func (m *mortal) Stat(name string) (fs.FileInfo, error) {
	if m.dead.Load() {
		return nil, errDead
	}
	return m.badDisk.Stat(name)
}

// dieAt runs the source until operation n of the disk, and tells whether it came to that before all files were finished.
func (p *place) dieAt(n int64, out *flowtest.Recorder, finished func() bool) (died bool) {
	p.Helper()
	ctx, cancel := context.WithCancel(p.patience())
	defer cancel()
	d := newMortal(n, cancel)
	p.disk = d
	done := make(chan error, 1)
	s := p.source()
	go func() { done <- s.Run(ctx, out) }()
	for tick := time.NewTicker(time.Millisecond); ; {
		select {
		case <-done:
			tick.Stop()
			return true
		case <-tick.C:
			if finished() {
				tick.Stop()
				cancel()
				<-done
				return d.dead.Load()
			}
		}
	}
}

func TestDeathAtAnyMomentRepeatsABatchAtMost(t *testing.T) {
	const batch = 10
	for name, change := range map[string]func(*Settings){
		"rename":  func(*Settings) {},
		"delete":  func(s *Settings) { s.DeletePolicy = "immediate" },
		"tracker": func(s *Settings) { s.TrackingPolicy = "tracker_dir" },
		"avro":    func(s *Settings) { s.Deserializer = "AVRO" },
		"gzip":    func(s *Settings) { s.Decompress = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			deaths := 0
			for n := int64(1); ; n++ {
				p := spool(t, change, func(s *Settings) { s.BatchSize, s.PollDelay = batch, time.Millisecond })
				want := p.fill()
				var got []string
				out := &flowtest.Recorder{}
				finished := func() bool { return p.source().finished.Value() == 4 }
				died := p.dieAt(n, out, finished)
				got = append(got, said(out)...)
				if died {
					deaths++
					rest := &flowtest.Recorder{}
					p.disk = badDisk{errfs.New(unsynced{}, nil)}
					stop := p.run(rest)
					distinct := func() int { return len(set(append(slices.Clone(got), said(rest)...))) }
					p.await("all lines", func() bool { return distinct() == len(want) })
					p.await("end of all files", func() bool { return len(p.metas()) == 0 && p.source().finished.Value() >= 3 })
					stop()
					got = append(got, said(rest)...)
				}
				if more := len(got) - len(want); more < 0 || more > batch || len(set(got)) != len(want) {
					t.Fatalf("death at operation %d: %d events, %d distinct, want %d and at most %d twice\n%s",
						n, len(got), len(set(got)), len(want), batch, p.log)
				}
				if !died {
					break
				}
			}
			if deaths < 40 {
				t.Errorf("only %d operations", deaths)
			}
		})
	}
}

// fill puts four files into the directory and returns their events as said does.
func (p *place) fill() (all []string) {
	p.settings.BasenameHeader = true
	at := 0
	for i, n := range []int{35, 3, 4, 28} {
		name, text, want := fmt.Sprint("f", i), numbers(at, at+n), strings.Split(strings.TrimSuffix(numbers(at, at+n), "\n"), "\n")
		switch {
		case p.settings.Deserializer == "AVRO":
			file, records := avroFile(p.T, "null", 2, n)
			text, want = string(file), records
		case p.settings.Decompress:
			name, text = name+".gz", gz(text)
		}
		p.put(name, text, time.Duration(10-i)*time.Hour)
		for _, body := range want {
			all = append(all, name+": "+body)
		}
		at += n
	}
	return all
}

// said returns the bodies that came with the names of their files.
func said(out *flowtest.Recorder) (all []string) {
	for _, e := range out.Events() {
		name, _ := e.Header("basename")
		all = append(all, name+": "+string(e.Body))
	}
	return all
}

func set(all []string) map[string]bool {
	m := map[string]bool{}
	for _, s := range all {
		m[s] = true
	}
	return m
}

func TestAnyFailureOfTheDiskLosesNothing(t *testing.T) {
	for range 20 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			anyFailure(t, seed)
		})
	}
}

func anyFailure(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	p := spool(t, func(s *Settings) { s.BatchSize, s.PollDelay = 10, time.Millisecond })
	want := p.fill()
	var broken atomic.Bool
	broken.Store(true)
	p.disk = badDisk{errfs.New(vfs.OS{}, func(c errfs.Call) error {
		if broken.Load() && c.N > 12 && random.IntN(4) == 0 {
			if c.Op == errfs.Write {
				return &errfs.Short{N: c.Len / 2, Err: syscall.ENOSPC}
			}
			return syscall.EIO
		}
		return nil
	})}
	out := &flowtest.Recorder{}
	stop := p.run(out)
	time.AfterFunc(100*time.Millisecond, func() { broken.Store(false) })
	p.await("end of all files", func() bool { return p.source().finished.Value() == 4 })
	stop()
	if got := set(said(out)); len(got) != len(want) {
		t.Errorf("%d distinct lines, want %d\n%s", len(got), len(want), p.log)
	}
	if got := len(out.Bodies()); got != len(want) {
		t.Errorf("%d lines, want %d: nothing has to be read again without a restart", got, len(want))
	}
}

// hole takes everything.
type hole struct{ events atomic.Int64 }

func (h *hole) Send(_ context.Context, b *event.Batch) error {
	h.events.Add(int64(len(b.Events)))
	return nil
}
func (h *hole) Limits() (most, room int) { return 0, -1 }

// inUse returns the bytes of the heap after a collection, with what was thrown away since.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// soak has the source read what is there into nothing and returns by how much the heap grew while it did.
func (p *place) soak(events, files int64) (grown int64) {
	p.Helper()
	out := &hole{}
	before := inUse()
	stop := p.run(out)
	for next := events / 4; next < events; next += events / 4 {
		p.await(fmt.Sprint(next, " events"), func() bool { return out.events.Load() >= next })
		grown = max(grown, inUse()-before)
	}
	p.await("end of all", func() bool { return p.source().finished.Value() == files })
	stop()
	if got := out.events.Load(); got != events {
		p.Errorf("%d events, want %d", got, events)
	}
	return grown
}

func TestManySmallFilesTakeLittleMemory(t *testing.T) {
	p := spool(t)
	const files = 3000
	for i := range files {
		if err := os.WriteFile(filepath.Join(p.dir, fmt.Sprint("f", i)), []byte(numbers(0, 3)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if grown := p.soak(3*files, files); grown > 32<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

func TestALargeFileTakesLittleMemory(t *testing.T) {
	p := spool(t, func(s *Settings) { s.BatchSize = 1000 })
	block := strings.Repeat(strings.Repeat("x", 211)+"\n", 1000)
	f, err := os.Create(filepath.Join(p.dir, "big"))
	if err != nil {
		t.Fatal(err)
	}
	const blocks = 500 // 100 MB
	for range blocks {
		if _, err := f.WriteString(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if grown := p.soak(blocks*1000, 1); grown > 32<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

func TestLinesCostNoAllocation(t *testing.T) {
	p := spool(t, func(s *Settings) { s.FileHeader = true })
	p.put("a", strings.Repeat(strings.Repeat("x", 211)+"\n", 200_000), time.Hour)
	f := p.source()
	file := &file{path: filepath.Join(p.dir, "a"), headers: []event.Header{{Key: "file", Value: "a"}}}
	if err := f.open(file); err != nil {
		t.Fatal(err)
	}
	defer file.close()
	var b event.Batch
	read := func() {
		b.Reset()
		if err := file.events.read(&b, &quota{1000, 1 << 30}); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		read()
	}
	if n := testing.AllocsPerRun(100, read); n > 3 { // a chunk in 600 lines
		t.Errorf("%v allocations for 1000 events", n)
	}
}
