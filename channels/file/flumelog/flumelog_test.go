package flumelog

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"testing"

	"goflume/internal/vfs"
	"goflume/internal/vfs/memfs"
)

// unpack puts a fixture on a disk in memory, below /.
func unpack(t testing.TB, name string) *memfs.FS {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	m := memfs.New()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return m
		}
		if err != nil {
			t.Fatal(err)
		}
		p := path.Join("/", h.Name)
		if h.Typeflag == tar.TypeDir {
			_ = m.MkdirAll(p)
			continue
		}
		_ = m.MkdirAll(path.Dir(p))
		b, _ := io.ReadAll(r)
		write(t, m, p, b)
	}
}

func write(t testing.TB, m vfs.FS, name string, b []byte) {
	t.Helper()
	w, err := m.Create(name)
	if err == nil && len(b) > 0 {
		_, err = w.WriteAt(b, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// events returns the queue as text.
func events(t *testing.T, q *Queue) string {
	t.Helper()
	var s []string
	for _, p := range q.Events {
		r, err := q.Read(p)
		if err != nil {
			t.Fatal(err)
		}
		s = append(s, fmt.Sprintf("%s%v", r.Event.Body, r.Event.Headers))
	}
	return strings.Join(s, " ")
}

func TestQueuesThatFlumeLeft(t *testing.T) {
	const all = "one[] [] three[{host h1} {k v}] vier ☃[{é ü}]"
	for _, tt := range []struct{ file, dir, want string }{
		{"v3", "put2-clean", "hello[{k v}] world[]"},
		{"v3", "put2-take1-clean", "world[]"},
		{"v3", "put2-take1-crash", "world[]"},
		{"v3", "put2-then-uncommitted-crash", "hello[{k v}] world[]"},
		{"v3", "rollback-then-take-clean", "world[]"},
		{"v3", "dual-checkpoint-clean", "hello[{k v}] world[]"},
		{"real", "clean", all},
		{"real", "kill9", all},
	} {
		m := unpack(t, "testdata/"+tt.file+".tgz")
		q, err := Load(m, []string{"/" + tt.dir + "/data"}, "/"+tt.dir+"/cp", nil, nil)
		if err != nil {
			t.Fatalf("%s: %v", tt.dir, err)
		}
		if got := events(t, q); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.dir, got, tt.want)
		}
		if q.Differs != 0 || q.Checkpoint == "" || len(q.Damages) != 0 {
			t.Errorf("%s: checkpoint %q, %d damages", tt.dir, q.Checkpoint, len(q.Damages))
		}
		q.Close()
	}
}

func TestDamagedRecordIsPassedOver(t *testing.T) {
	m := unpack(t, "testdata/real.tgz")
	m.Edit("/clean/data/log-1", func(b []byte) { b[5+25+6] ^= 1 }) // in the body of "one"
	q, err := Load(m, []string{"/clean/data"}, "/clean/cp", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := events(t, q); got != "[] three[{host h1} {k v}] vier ☃[{é ü}]" {
		t.Errorf("queue: %s", got)
	}
	if len(q.Damages) != 1 || q.Damages[0].Ends || q.Differs != 1 {
		t.Errorf("damages %v, %d differ", q.Damages, q.Differs)
	}
}

// v2 builds a version 2 log as LogFileV2 writes it.
type v2 struct{ bytes.Buffer }

func (w *v2) ints(vs ...any) int64 {
	at := int64(w.Len())
	for _, v := range vs {
		_ = binary.Write(w, binary.BigEndian, v)
	}
	return at
}

func (w *v2) record(kind Kind, tx, order int64, fields ...any) int64 {
	at := w.ints(uint8(opRecord), uint32(v2Magic), uint16(kind), tx, order)
	w.ints(fields...)
	return at
}

func TestVersion2(t *testing.T) {
	w := &v2{}
	w.ints(int32(2), int32(7), int64(0), int64(0))
	long := strings.Repeat("x", 300) // a length of three bytes
	first := w.record(Put, 1, 10, uint8(0), int32(2), []byte("\x8c\x01k\x8c\x01v\x8c\x01l"), []byte{0x8c, 0x8e, 1, 44}, []byte(long), int32(3), []byte("one"))
	w.record(Put, 1, 11, uint8(0), int32(0), int32(-1))
	w.record(Commit, 1, 12, uint16(Put))
	w.record(Take, 2, 13, uint32(first), int32(7))
	w.record(Rollback, 2, 14)
	w.record(Take, 3, 15, uint32(first), int32(7))
	before := w.Len()
	w.record(Commit, 3, 16, uint16(Take))
	for _, tt := range []struct {
		b    []byte
		want string
	}{
		{w.Bytes(), "[]"},
		{w.Bytes()[:before], "one[{k v} {l " + long + "}] []"},
		{append(bytes.Clone(w.Bytes()), opEOF, opEOF), "[]"},
	} {
		m := memfs.New()
		_ = m.MkdirAll("/d")
		write(t, m, "/d/log-7", tt.b)
		q, err := Load(m, []string{"/d"}, "", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := events(t, q); got != tt.want || len(q.Damages) != 0 {
			t.Errorf("queue %q, want %q; damages %v", got, tt.want, q.Damages)
		}
	}
}

func FuzzLog(f *testing.F) {
	f.Add([]byte("\x7f\x00\x00\x00\x1f"), true)
	w := &v2{}
	w.ints(int32(2), int32(7), int64(0), int64(0))
	w.record(Put, 1, 10, uint8(0), int32(1), []byte("\x8c\x01k\x8c\x01v"), int32(3), []byte("one"))
	f.Add(w.Bytes(), false)
	m := unpack(f, "testdata/real.tgz")
	b, _ := vfs.ReadFile(m, "/clean/data/log-1", 1<<21)
	f.Add(b[:400], true)
	f.Fuzz(func(t *testing.T, b []byte, meta bool) {
		m := memfs.New()
		_ = m.MkdirAll("/d")
		write(t, m, "/d/log-1", b)
		if meta {
			write(t, m, "/d/log-1.meta", []byte{5, 0x0d, 3, 0, 0, 0})
		}
		q, err := Load(m, []string{"/d"}, "/d", nil, nil)
		if err != nil {
			return
		}
		for _, p := range q.Events {
			if _, err := q.Read(p); err != nil {
				t.Fatalf("an event that was listed cannot be read: %v", err)
			}
		}
	})
}
