package taildir

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"goflume/event"
	"goflume/internal/flowtest"
	"goflume/internal/vfs/errfs"
	"goflume/internal/vfs/memfs"
)

// killed is what the kill of a process panics with.
type killed struct{}

// live follows what is there, writing the position file now and then, until operation at of the disk, 0 for none, at which
// the process is killed; steps are called between rounds. It tells whether it was.
func (t *tail) live(disk *memfs.FS, at int64, out *flowtest.Recorder, steps ...func()) (died bool) {
	t.Helper()
	s := t.source()
	s.fs = errfs.New(disk, func(c errfs.Call) error {
		if c.N == at {
			panic(killed{})
		}
		return nil
	})
	var w *follower
	defer func() {
		if w != nil {
			w.fs, w.journal = disk, nil // the dead close nothing
			w.close()
		}
		if r := recover(); r != nil {
			if _, ok := r.(killed); !ok {
				panic(r)
			}
			died = true
		}
	}()
	var err error
	w, err = newFollower(s, out)
	t.ok(err)
	for _, step := range append([]func(){func() {}}, steps...) {
		step()
		w.look(false)
		for len(w.unread) > 0 {
			w.turns(t.Context())
		}
		t.ok(w.writePositions())
	}
	return false
}

// TestAKillAtAnyOperationRepeatsABatchAtMost kills at each operation on the position file and the journal, of a life and of
// the one after it. The files are rotated meanwhile.
func TestAKillAtAnyOperationRepeatsABatchAtMost(t *testing.T) {
	const batch = 10
	deaths := 0
	for at := int64(1); ; at++ {
		d, out := newTail(t), &flowtest.Recorder{}
		d.BatchSize = batch
		d.write("a.log", text(numbered(0, 55)))
		d.write("b.log", text(numbered(1000, 1033)))
		first := true
		rotate := func() {
			if !first {
				return
			}
			first = false
			d.append("a.log", text(numbered(55, 80)))
			d.copyTruncate("a.log", "a.log.1", func() {})
			d.append("a.log", text(numbered(80, 90)))
			d.ok(os.Rename(d.path("b.log"), d.path("b.log.1")))
			d.append("b.log.1", text(numbered(1033, 1050)))
			d.write("b.log", text(numbered(1050, 1061)))
		}
		now := memfs.New()
		died := d.live(now, at, out, rotate)
		now = now.Crash(nil)
		kills := 0
		if died {
			deaths++
			kills++
			if d.live(now, 1+at%7, out, rotate) {
				kills++
			}
			now = now.Crash(nil)
		}
		d.live(now, 0, out, rotate)
		want := append(numbered(0, 90), numbered(1000, 1061)...)
		got := out.Bodies()
		distinct := slices.Compact(slices.Sorted(slices.Values(got)))
		if !slices.Equal(distinct, want) {
			t.Fatalf("death at operation %d: %d distinct lines, want %d", at, len(distinct), len(want))
		}
		if more := len(got) - len(want); more > kills*batch {
			t.Errorf("death at operation %d: %d lines came again after %d kills, want at most %d", at, more, kills, kills*batch)
		}
		if !died {
			break
		}
	}
	if deaths < 30 {
		t.Errorf("only %d operations", deaths)
	}
}

// TestAPowerFailureLosesNothing: what the disk kept of the two files may be older, torn or garbage.
func TestAPowerFailureLosesNothing(t *testing.T) {
	for range 60 {
		seed := rand.Uint64()
		rng := rand.New(rand.NewPCG(seed, 2))
		d, out := newTail(t), &flowtest.Recorder{}
		d.BatchSize = 10
		now, written := memfs.New(), 0
		grow := func() {
			n := rng.IntN(60)
			d.append("a.log", text(numbered(written, written+n+1)))
			written += n + 1
		}
		for range 5 {
			grow()
			d.live(now, 1+rng.Int64N(60), out, grow, grow)
			now = now.Crash(rng)
		}
		d.live(now, 0, out, grow)
		if distinct := slices.Compact(slices.Sorted(slices.Values(out.Bodies()))); !slices.Equal(distinct, numbered(0, written)) {
			t.Fatalf("seed %d: %d distinct lines, want %d", seed, len(distinct), written)
		}
	}
}

// TestADiskThatFailsLosesNothing: any operation on the two files fails now and then; a restart repeats what was not noted.
func TestADiskThatFailsLosesNothing(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 3))
	for range 30 {
		d, out := newTail(t), &flowtest.Recorder{}
		d.BatchSize, d.WritePosInterval = 10, time.Millisecond
		disk, written := memfs.New(), 0
		for range 4 {
			s := d.source()
			s.fs = errfs.New(disk, func(c errfs.Call) error {
				if rng.IntN(5) == 0 {
					if c.Op == errfs.Write && rng.IntN(2) == 0 {
						return &errfs.Short{N: c.Len / 2, Err: errors.New("half")}
					}
					return errors.New("no")
				}
				return nil
			})
			w, err := newFollower(s, out)
			if err != nil {
				continue // it is tried again
			}
			for range 5 {
				n := rng.IntN(40)
				d.append("a.log", text(numbered(written, written+n+1)))
				written += n + 1
				w.look(false)
				for len(w.unread) > 0 {
					w.turns(t.Context())
				}
				if err := w.writePositions(); err == nil && w.journal == nil {
					t.Fatal("the journal is not mended")
				}
			}
			w.close()
		}
		d.live(disk, 0, out)
		if distinct := slices.Compact(slices.Sorted(slices.Values(out.Bodies()))); !slices.Equal(distinct, numbered(0, written)) {
			t.Fatalf("seed %d: %d distinct lines, want %d", seed, len(distinct), written)
		}
	}
}

func TestTheJournalIsBounded(t *testing.T) {
	d := newTail(t)
	disk := memfs.New()
	s := d.source()
	s.fs = disk
	d.write("a.log", "1\n")
	w, err := newFollower(s, hole{})
	d.ok(err)
	defer w.close()
	f := w.files[0]
	most := int64(0)
	for i := range 3 * compactRecords {
		f.pos = int64(i)
		w.note(f)
		most = max(most, disk.Used())
	}
	if limit := int64((compactRecords + 100) * recordBytes * 2); most > limit {
		t.Errorf("%d bytes, want at most %d", most, limit)
	}
	was, err := readJournal(disk, s.journalName())
	d.ok(err)
	if got := was.marks[f.identity].pos; got != 3*compactRecords-1 {
		t.Errorf("the journal ends with position %d", got)
	}
}

// TestARefusingChannelDoesNotHideRotations: the files that come and go while nothing can be sent are read later.
func TestARefusingChannelDoesNotHideRotations(t *testing.T) {
	d := newTail(t)
	d.Retry.Step, d.Retry.Max = 30*time.Millisecond, 30*time.Millisecond
	d.WritePosInterval = time.Millisecond
	refusals := 0
	out := &flowtest.Recorder{OnSend: func(context.Context, *event.Batch) error {
		refusals++
		switch refusals {
		case 1, 21, 41:
			d.ok(os.Rename(d.path("a.log"), d.path("a.log.1"))) // over the last one
			d.write("a.log", fmt.Sprintf("file %d\n", refusals))
		}
		if refusals < 60 {
			return event.ErrFull
		}
		if _, err := os.Stat(d.PositionFile); err != nil {
			t.Errorf("the position file is not written: %v", err)
		}
		return nil
	}}
	d.write("a.log", "file 0\n")
	d.run(out)
	d.waitSorted(out, []string{"file 0", "file 1", "file 21", "file 41"})
	if _, err := os.Stat(filepath.Join(d.dir, "logs", "a.log.1")); err != nil {
		t.Error(err)
	}
}
