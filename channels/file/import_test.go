package file

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"goflume/event"
	"goflume/internal/vfs"
	"goflume/internal/vfs/errfs"
	"goflume/internal/vfs/memfs"
)

// flumeDisk puts a fixture on a disk in memory, below /.
func flumeDisk(t testing.TB, name string) *memfs.FS {
	t.Helper()
	f, err := os.Open("flumelog/testdata/" + name)
	check(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	check(t, err)
	m := memfs.New()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return m.Clone()
		}
		check(t, err)
		p := path.Join("/", h.Name)
		if h.Typeflag == tar.TypeDir {
			check(t, m.MkdirAll(p))
			continue
		}
		check(t, m.MkdirAll(path.Dir(p)))
		w, err := m.Create(p)
		check(t, err)
		b, err := io.ReadAll(r)
		check(t, err)
		if len(b) > 0 {
			_, err = w.WriteAt(b, 0)
			check(t, err)
		}
	}
}

func texts(t testing.TB, c *Channel) string {
	t.Helper()
	var all []string
	for tx := take(t, c, 10); tx != nil; tx = take(t, c, 10) {
		for _, e := range tx.Events() {
			all = append(all, fmt.Sprintf("%s%v", e.Body, e.Headers))
		}
		check(t, tx.Commit())
	}
	return strings.Join(all, " ")
}

func flumeDirs(t testing.TB, m vfs.FS, root string) Dirs {
	t.Helper()
	d, err := FindDirs(m, root)
	check(t, err)
	if d.Checkpoint != root+"/cp" || len(d.Data) != 1 || d.Data[0] != root+"/data" {
		t.Fatalf("FindDirs: %+v", d)
	}
	return d
}

const realQueue = "one[] [] three[{host h1} {k v}] vier ☃[{é ü}]"

func TestImport(t *testing.T) {
	for _, tt := range []struct{ file, root, want string }{
		{"v3.tgz", "/put2-clean", "hello[{k v}] world[]"},
		{"v3.tgz", "/put2-take1-crash", "world[]"},
		{"v3.tgz", "/dual-checkpoint-clean", "hello[{k v}] world[]"},
		{"real.tgz", "/clean", realQueue},
		{"real.tgz", "/kill9", realQueue},
	} {
		m := flumeDisk(t, tt.file)
		s := small()
		s.CheckpointDir, s.DataDirs = tt.root+"/cp", []string{tt.root + "/data"}
		c := newChannel(testEnv(), s, m)
		if err := c.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "agent channel import") {
			t.Fatalf("Open of Flume's directory: %v", err)
		}
		d := flumeDirs(t, m, tt.root)
		dry, err := Import(t.Context(), m, d, testEnv().Log, true, nil)
		check(t, err)
		if names, _ := m.List(tt.root + "/data"); len(names) > 3 {
			t.Errorf("a dry run left %q", names)
		}
		rep, err := Import(t.Context(), m, d, testEnv().Log, false, nil)
		check(t, err)
		if rep.Events != dry.Events || rep.Checksum != dry.Checksum || rep.Differs != 0 || rep.Moved == 0 {
			t.Errorf("%s: %+v, dry %+v", tt.root, rep, dry)
		}
		m = m.Crash(rand.New(rand.NewPCG(1, 1)))
		if names, _ := m.List(tt.root + "/data/" + migrated); len(names) != 2 {
			t.Errorf("%s: moved %q", tt.root, names)
		}
		c = mustOpen(t, m, s)
		if got := texts(t, c); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.root, got, tt.want)
		}
		mustClose(t, c)
	}
}

func TestImportCutShortAnywhereIsDoneAgain(t *testing.T) {
	for at := int64(1); ; at += importStep {
		disk := flumeDisk(t, "real.tgz")
		e := errfs.New(disk, func(c errfs.Call) error {
			if c.N == at {
				disk.Halt()
			}
			return nil
		})
		d := Dirs{Checkpoint: "/clean/cp", Data: []string{"/clean/data"}}
		_, err := Import(context.Background(), e, d, testEnv().Log, false, nil)
		whole := err == nil
		s := small()
		s.CheckpointDir, s.DataDirs = "/clean/cp", []string{"/clean/data"}
		m := disk.Crash(rand.New(rand.NewPCG(uint64(at), 3)))
		if c := newChannel(testEnv(), s, m); c.Open(t.Context()) == nil {
			mustClose(t, c) // it was far enough
		} else if _, err := Import(t.Context(), m, d, testEnv().Log, false, nil); err != nil {
			t.Fatalf("down at %d, second import: %v", at, err)
		}
		c := mustOpen(t, m, s)
		if got := texts(t, c); got != realQueue {
			t.Fatalf("down at %d: %s", at, got)
		}
		mustClose(t, c)
		if whole {
			return
		}
	}
}

func TestExamineChangesNothingAndRepairDoes(t *testing.T) {
	disk, name, _ := filled(t, 6)
	offs := frameOffsets(t, disk, name)
	disk.Edit(name, func(b []byte) { b[offs[3]+70] ^= 1 })
	d, err := FindDirs(disk, "/ch")
	check(t, err)
	before := disk.Clone()
	var seqs []uint64
	f, err := Examine(t.Context(), disk, d, testEnv().Log, func(seq uint64, _ time.Time, _ *event.Event) error {
		seqs = append(seqs, seq)
		return nil
	})
	check(t, err)
	if f.Events != 50 || f.Lost != 10 || f.Damaged != 1 || len(seqs) != 50 {
		t.Errorf("Examine: %+v", f)
	}
	for _, file := range []string{name, "/ch/checkpoint/ckpt-0.fqc"} {
		a, _ := vfs.ReadFile(before, file, 1<<20)
		b, _ := vfs.ReadFile(disk, file, 1<<20)
		if string(a) != string(b) {
			t.Errorf("Examine changed %s", file)
		}
	}
	stop := errors.New("stop")
	if _, err := Examine(t.Context(), disk, d, testEnv().Log, func(uint64, time.Time, *event.Event) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("Examine that is ended: %v", err)
	}
	f, err = Repair(t.Context(), disk, d, testEnv().Log)
	check(t, err)
	if f.Events != 50 || f.Lost != 10 || !f.Repaired {
		t.Errorf("Repair: %+v", f)
	}
	f, err = Examine(t.Context(), disk, d, testEnv().Log, func(uint64, time.Time, *event.Event) error { return nil })
	check(t, err)
	if f.Events != 50 || f.Lost != 0 {
		t.Errorf("Examine after Repair: %+v", f)
	}
	st, err := ReadStatus(disk, d)
	check(t, err)
	if st.Events != 50 || st.Running || st.Quarantine != 1 {
		t.Errorf("ReadStatus: %+v", st)
	}
	c := mustOpen(t, disk, small())
	if st, err := ReadStatus(disk, d); err != nil || !st.Running {
		t.Errorf("ReadStatus of a running channel: %+v, %v", st, err)
	}
	if got := drain(t, c); len(got) != 50 {
		t.Errorf("%d events, want 50", len(got))
	}
	mustClose(t, c)
}

func TestRepairGivesUpWhatIsInAFileThatIsGone(t *testing.T) {
	disk := memfs.New()
	s := small()
	c := mustOpen(t, disk, s)
	for i := range 300 {
		mustPut(t, c, numbered(i*10, 10))
	}
	gone := c.lanes[0].segs[1]
	n := int(gone.last - gone.first)
	mustClose(t, c)
	check(t, disk.Remove(gone.String()))
	c = newChannel(testEnv(), s, disk)
	if err := c.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "is a disk missing?") {
		t.Fatalf("Open: %v", err)
	}
	d, err := FindDirs(disk, "/ch")
	check(t, err)
	f, err := Repair(t.Context(), disk, d, testEnv().Log)
	check(t, err)
	if f.Lost != n || f.Events != 3000-n {
		t.Errorf("Repair: %+v, want %d lost", f, n)
	}
	c = mustOpen(t, disk, s)
	if got := drain(t, c); len(got) != 3000-n {
		t.Errorf("%d events, want %d", len(got), 3000-n)
	}
	mustClose(t, c)
}
