package spooldir

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"

	"goflume/internal/flowtest"
)

// flumeMeta is a progress file that Flume 1.11 left after five batches.
func flumeMeta(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/flume.meta")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestProgressFilesAreFlumes(t *testing.T) {
	m, err := parseMeta(flumeMeta(t))
	if want := (meta{path: "/var/spool/flume/a.log", at: position{offset: 5500}, found: true}); m != want || err != nil {
		t.Errorf("Flume's file says %+v, error %v, want %+v", m, err, want)
	}
	c := newContainer()
	data := c.appendHeader(nil, "/spool/b", 7)
	for _, at := range []position{{offset: 100}, {offset: 200, records: 5}, {offset: 300, records: 1}} {
		data = c.appendPosition(data, at)
	}
	m, err = parseMeta(data)
	if want := (meta{path: "/spool/b", inode: 7, at: position{300, 1}, found: true}); m != want || err != nil {
		t.Errorf("our file says %+v, error %v, want %+v", m, err, want)
	}
	// Avro's own library sees the offset last, as Flume does.
	r, err := goavro.NewOCFReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for r.Scan() {
		v, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, v.(map[string]any)["offset"].(int64))
	}
	if want := []int64{100, -6, 200, -2, 300}; !slices.Equal(got, want) {
		t.Errorf("records %v, want %v", got, want)
	}
	if file := string(r.MetaData()["file"]); file != "/spool/b" {
		t.Errorf("metadata file %q, want /spool/b", file)
	}
}

func TestATornProgressFileSaysWhatStandsBeforeTheTear(t *testing.T) {
	data := flumeMeta(t)
	for size := range data {
		m, err := parseMeta(data[:size])
		whole := (len(data) - size) % 20 // bytes of one position
		switch {
		case err == nil && whole != 0:
			t.Errorf("%d of %d bytes: no error", size, len(data))
		case err != nil && !errors.Is(err, errMeta):
			t.Errorf("%d of %d bytes: %v, want errMeta", size, len(data), err)
		case m.found && m.at.offset%1100 != 0:
			t.Errorf("%d of %d bytes: offset %d", size, len(data), m.at.offset)
		}
	}
}

func FuzzParseMeta(f *testing.F) {
	data := flumeMeta(f)
	f.Add(data)
	f.Add(data[:len(data)-30])
	c := newContainer()
	f.Add(c.appendPosition(c.appendHeader(nil, "/spool/b", 7), position{200, 5}))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMeta(data)
		if err != nil && !errors.Is(err, errMeta) {
			t.Errorf("error %v, want errMeta", err)
		}
		if m.found && (m.path == "" || m.at.offset < 0 || m.at.records < 0) {
			t.Errorf("%+v is no position", m)
		}
	})
}

// numbers are lines by which one sees what is missing or doubled.
func numbers(from, to int) string {
	var text strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&text, "line %06d\n", i)
	}
	return text.String()
}

const lineSize = int64(len("line 000000\n"))

// leave puts a progress file into the tracker directory.
func (p *place) leave(name string, data []byte) {
	p.Helper()
	dir := filepath.Join(p.dir, ".flumespool")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
		p.Fatal(err)
	}
}

func (p *place) metas() []string {
	names, err := filepath.Glob(filepath.Join(p.dir, ".flumespool", ".flumespool*.meta"))
	if err != nil {
		p.Fatal(err)
	}
	return names
}

func TestGoesOnWhereAProgressFileSays(t *testing.T) {
	text := numbers(0, 50)
	for name, c := range map[string]struct {
		meta func(path string, inode uint64) []byte
		from int
	}{
		"Flume's, without an inode": {func(path string, _ uint64) []byte {
			c := newContainer()
			return c.appendPosition(c.appendHeader(nil, path, 0), position{offset: 20 * lineSize})
		}, 20},
		"ours": {func(path string, inode uint64) []byte {
			c := newContainer()
			data := c.appendPosition(c.appendHeader(nil, path, inode), position{offset: 20 * lineSize})
			return c.appendPosition(data, position{offset: 30 * lineSize})
		}, 30},
		"torn": {func(path string, inode uint64) []byte {
			c := newContainer()
			data := c.appendPosition(c.appendHeader(nil, path, inode), position{offset: 20 * lineSize})
			data = c.appendPosition(data, position{offset: 30 * lineSize})
			return data[:len(data)-3]
		}, 20},
		"without a position": {func(path string, inode uint64) []byte {
			c := newContainer()
			return c.appendHeader(nil, path, inode)
		}, 0},
		"at the end": {func(path string, inode uint64) []byte {
			c := newContainer()
			return c.appendPosition(c.appendHeader(nil, path, inode), position{offset: 50 * lineSize})
		}, 50},
	} {
		t.Run(name, func(t *testing.T) {
			p := spool(t)
			p.put("older", "first\n", 2*time.Hour)
			p.put("a", text, time.Hour)
			fi, err := os.Stat(filepath.Join(p.dir, "a"))
			if err != nil {
				t.Fatal(err)
			}
			p.leave(mainMeta, c.meta(filepath.Join(p.dir, "a"), inode(fi)))
			out := p.collect(50-c.from+1, "a.COMPLETED", "older.COMPLETED")
			want := strings.Split(strings.TrimSuffix(numbers(c.from, 50), "\n"), "\n")
			switch {
			case c.from == 50:
				want = []string{"first"}
			case c.from == 0:
				want = append([]string{"first"}, want...)
			default: // what was under way comes first
				want = append(want, "first")
			}
			if got := out.Bodies(); !slices.Equal(got, want) {
				t.Errorf("bodies %q, want %q", got, want)
			}
			if left := p.metas(); len(left) > 0 {
				t.Errorf("%q are left when all is read", left)
			}
		})
	}
}

func TestAnotherFileUnderTheNameOfTheOneUnderWayIsSetAside(t *testing.T) {
	p := spool(t)
	p.put("a", numbers(0, 50), time.Hour)
	c := newContainer()
	p.leave(mainMeta, c.appendPosition(c.appendHeader(nil, filepath.Join(p.dir, "a"), 1), position{offset: 20 * lineSize}))
	out := &flowtest.Recorder{}
	stop := p.run(out)
	p.await("quarantine", func() bool { return p.quarantined("a") == numbers(0, 50) })
	stop()
	if got := out.Bodies(); len(got) > 0 {
		t.Errorf("bodies %q of a file of which nobody knows what was delivered", got)
	}
}

func TestAnUnreadableProgressFileIsKeptAside(t *testing.T) {
	p := spool(t)
	p.put("a", numbers(0, 3), time.Hour)
	p.leave(mainMeta, []byte("Obj\x01 nonsense"))
	p.collect(3, "a.COMPLETED")
	if _, err := os.Stat(filepath.Join(p.dir, ".flumespool", mainMeta+".corrupt")); err != nil {
		t.Error(err)
	}
	if !strings.Contains(p.log.String(), "level=ERROR") {
		t.Errorf("the log says only\n%s", p.log)
	}
}

// quarantined returns what is in the file of that name in the quarantine.
func (p *place) quarantined(name string) string {
	text, _ := os.ReadFile(filepath.Join(p.dir, ".flumespool", "quarantine", name))
	return string(text)
}

func TestAStoppedSourceLeavesItsPlaceInFlumesFile(t *testing.T) {
	p := spool(t, func(s *Settings) { s.BatchSize = 10 })
	p.put("a", numbers(0, 50), time.Hour)
	out := &flowtest.Recorder{OnSend: failAfter(3)}
	stop := p.run(out)
	out.Wait(p.patience(), t, 30)
	stop()
	data, err := os.ReadFile(filepath.Join(p.dir, ".flumespool", mainMeta))
	if err != nil {
		t.Fatal(err)
	}
	m, err := parseMeta(data)
	if err != nil || m.path != filepath.Join(p.dir, "a") || m.at != (position{offset: 30 * lineSize}) {
		t.Errorf("progress %+v, error %v, want line 30 of a", m, err)
	}
	rest := p.collect(20, "a.COMPLETED")
	if got := rest.Bodies(); got[0] != "line 000030" {
		t.Errorf("goes on with %q, want line 30", got[0])
	}
}

func TestProgressFilesStaySmall(t *testing.T) {
	dir := t.TempDir()
	p := progress{disk: realDisk{}, name: filepath.Join(dir, "meta")}
	defer p.close()
	largest := int64(0)
	for i := range 60_000 {
		if err := p.note("/spool/a", 7, position{offset: int64(i) * 1_000_000}); err != nil {
			t.Fatal(err)
		}
		largest = max(largest, p.size)
	}
	data, err := os.ReadFile(p.name)
	if err != nil {
		t.Fatal(err)
	}
	m, err := parseMeta(data)
	if err != nil || m.at.offset != 59_999*1_000_000 || largest > metaLimit+100 {
		t.Errorf("last %+v, error %v, up to %d bytes", m, err, largest)
	}
}
