package file

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"goflume/channels"
	"goflume/event"
	"goflume/internal/vfs/errfs"
	"goflume/internal/vfs/memfs"
)

// worn is a disk of which the bytes [from, to) of a file cannot be read.
type worn struct {
	name     string
	from, to atomic.Int64
}

func (w *worn) on(disk *memfs.FS) *errfs.FS {
	return errfs.New(disk, func(c errfs.Call) error {
		if c.Op == errfs.Read && c.Name == w.name && c.Off < w.to.Load() && c.Off+int64(c.Len) > w.from.Load() {
			return syscall.EIO
		}
		return nil
	})
}

// spoil has a page in the middle of a frame unreadable.
func (w *worn) spoil(offs []int64, frame int) {
	w.from.Store((offs[frame] + offs[frame+1]) / 2)
	w.to.Store((offs[frame]+offs[frame+1])/2 + 1)
}

// each is how many events make a frame of more than two pages, so that a page in its middle is its alone.
const each = 200

// sixFrames returns a disk with a closed channel of six frames, and where they start.
func sixFrames(t *testing.T, s Settings) (*memfs.FS, string, []int64) {
	t.Helper()
	disk := memfs.New()
	c := mustOpen(t, disk, s)
	for i := range 6 {
		mustPut(t, c, numbered(i*each, each))
	}
	name := c.lanes[0].segs[0].String()
	mustClose(t, c)
	return disk, name, frameOffsets(t, disk, name)
}

// refused takes and returns the error.
func refused(t *testing.T, c *Channel) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tx, err := c.Take(ctx, each, 0)
	if err == nil {
		t.Fatalf("Take: %d events, want an error", len(tx.Events()))
	}
	return err
}

func TestAPlaceThatCannotBeReadIsGivenUpAfterAWhileAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := small()
		disk, name, offs := sixFrames(t, s)
		w := &worn{name: name}
		c := mustOpen(t, w.on(disk), s)
		w.spoil(offs, 3)
		wantRun(t, takeUpTo(t, c, 2*each), 0, 2*each) // what is in front of the place is not held up
		for range 5 {
			if err := refused(t, c); !errors.Is(err, syscall.EIO) || !errors.Is(err, channels.ErrDamaged) || !strings.Contains(err.Error(), name) {
				t.Fatalf("Take: %v, want EIO with the file's name", err)
			}
			time.Sleep(10 * time.Second)
		}
		time.Sleep(unreadableFor)
		wantRun(t, drain(t, c), 3*each, 3*each)
		if n, q := c.m.lost.Value(), c.m.quarantined.Value(); n != each || q != 1 {
			t.Errorf("%d events counted as lost in %d places, want %d in 1", n, q, each)
		}
		if st := c.Stats(); st.Size != 0 || st.Held != 0 || c.room.used != 0 {
			t.Errorf("%+v left, %d used", st, c.room.used)
		}
		names, _ := disk.List("/ch/data/quarantine")
		if len(names) != 2 {
			t.Errorf("quarantine holds %q", names)
		}
		mustClose(t, c)
	})
}

func TestADiskThatIsGoneForAWhileCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := small()
		disk, name, offs := sixFrames(t, s)
		w := &worn{name: name}
		c := mustOpen(t, w.on(disk), s)
		w.from.Store(offs[2])
		w.to.Store(1 << 40)
		wantRun(t, takeUpTo(t, c, each), 0, each)
		for range 5 {
			if err := refused(t, c); !errors.Is(err, syscall.EIO) {
				t.Fatalf("Take: %v, want EIO", err)
			}
			time.Sleep(2 * unreadableFor)
		}
		w.to.Store(0)
		wantRun(t, drain(t, c), each, 5*each)
		if n := c.m.lost.Value(); n != 0 {
			t.Errorf("%d events counted as lost, want none", n)
		}
		mustClose(t, c)
	})
}

func TestHaltWaitsForSomebodyWhereADiskCannotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := small()
		s.OnCorruption = "halt"
		disk, name, offs := sixFrames(t, s)
		w := &worn{name: name}
		c := mustOpen(t, w.on(disk), s)
		w.spoil(offs, 1)
		for range 3 {
			if err := refused(t, c); !errors.Is(err, syscall.EIO) {
				t.Fatalf("Take: %v, want EIO", err)
			}
			time.Sleep(2 * unreadableFor)
		}
		mustClose(t, c)
	})
}

// Whatever cannot be read, a repair ends, tells exactly what is lost, and the channel delivers the rest without a wait,
// with onCorruption = halt too.
func TestRepairGivesUpWhatCannotBeRead(t *testing.T) {
	for _, policy := range []string{"quarantine", "halt"} {
		for frame := 1; frame <= 6; frame++ {
			for _, forget := range []bool{false, true} { // with the checkpoints, and with both of them gone
				s := small()
				s.OnCorruption = policy
				disk, name, offs := sixFrames(t, s)
				if forget {
					check(t, disk.Remove("/ch/checkpoint/ckpt-0.fqc"))
					check(t, disk.Remove("/ch/checkpoint/ckpt-1.fqc"))
				}
				w := &worn{name: name}
				w.spoil(offs, frame)
				fsys := w.on(disk)
				dirs := Dirs{Checkpoint: "/ch/checkpoint", Data: []string{"/ch/data"}}
				want := Findings{Events: 5 * each, Damaged: 1, Lost: each}
				if forget && frame == 6 {
					want.Damaged, want.Lost = 0, 0 // nobody promised the last group
				}
				for _, verb := range []string{"fsck", "repair"} {
					got, err := Findings{}, error(nil)
					if verb == "fsck" {
						got, err = Examine(t.Context(), fsys, dirs, slog.New(slog.DiscardHandler), func(uint64, time.Time, *event.Event) error { return nil })
					} else {
						got, err = Repair(t.Context(), fsys, dirs, slog.New(slog.DiscardHandler))
					}
					if err != nil || got.Events != want.Events || got.Damaged != want.Damaged || got.Lost != want.Lost {
						t.Fatalf("%s of frame %d, forget %v: %+v, %v; want %+v", verb, frame, forget, got, err, want)
					}
				}
				c := mustOpen(t, fsys, s)
				var rest []int
				for i := range 6 * each {
					if i/each != frame-1 {
						rest = append(rest, i)
					}
				}
				if got := drain(t, c); !slices.Equal(got, rest) {
					t.Fatalf("frame %d, %s: %d events after the repair, want %d", frame, policy, len(got), len(rest))
				}
				if st := c.Stats(); st.Size != 0 || c.m.lost.Value() != 0 {
					t.Errorf("frame %d, %s: %+v left, %d lost after the repair", frame, policy, st, c.m.lost.Value())
				}
				mustClose(t, c)
			}
		}
	}
}

func TestRepairGivesUpAFileWhoseHeaderCannotBeRead(t *testing.T) {
	s := small()
	disk, name, _ := sixFrames(t, s)
	w := &worn{name: name}
	w.to.Store(100)
	c := newChannel(testEnv(), s, w.on(disk))
	if err := c.Open(t.Context()); !errors.Is(err, syscall.EIO) || !errors.Is(err, channels.ErrDamaged) {
		t.Fatalf("Open: %v, want EIO and damage", err)
	}
	got, err := Repair(t.Context(), w.on(disk), Dirs{Checkpoint: "/ch/checkpoint", Data: []string{"/ch/data"}}, slog.New(slog.DiscardHandler))
	if err != nil || got.Events != 0 || got.Lost != 6*each {
		t.Fatalf("Repair: %+v, %v; want %d lost", got, err, 6*each)
	}
	c = mustOpen(t, w.on(disk), s)
	mustPut(t, c, numbered(6*each, 5))
	wantRun(t, drain(t, c), 6*each, 5)
	mustClose(t, c)
}

// A note of another channel that had the directory before says nothing of this one's files.
func TestNotesOfAnotherChannelAreNotBelieved(t *testing.T) {
	s := small()
	disk, name, offs := sixFrames(t, s)
	disk.Edit(name, func(b []byte) { b[offs[2]+70] ^= 1 })
	dirs := Dirs{Checkpoint: "/ch/checkpoint", Data: []string{"/ch/data"}}
	got, err := Repair(t.Context(), disk, dirs, slog.New(slog.DiscardHandler))
	if err != nil || got.Lost != each {
		t.Fatalf("Repair: %+v, %v; want %d lost", got, err, each)
	}
	for _, gone := range []string{name, "/ch/checkpoint/ckpt-0.fqc", "/ch/checkpoint/ckpt-1.fqc"} {
		check(t, disk.Remove(gone))
	}
	c := mustOpen(t, disk, s)
	for i := range 6 {
		mustPut(t, c, numbered(i*each, each))
	}
	mustClose(t, c)
	c = mustOpen(t, disk, s)
	wantRun(t, drain(t, c), 0, 6*each)
	mustClose(t, c)
}
