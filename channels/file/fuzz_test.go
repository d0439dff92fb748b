package file

import (
	"bytes"
	"testing"

	"goflume/internal/vfs"
	"goflume/internal/vfs/memfs"
)

// FuzzSegment overwrites a part of a segment, without checkpoints, and cuts it: the channel may lose what is damaged, and
// opens and works in any case.
func FuzzSegment(f *testing.F) {
	_, _, img := filled(f, 3)
	f.Add(uint16(0), []byte{}, uint16(0xffff))
	f.Add(uint16(pageSize), []byte{0xff}, uint16(0xffff))
	f.Add(uint16(pageSize+80+8), []byte{0xff, 0xff, 0xff, 0xff}, uint16(0xffff))
	f.Add(uint16(8), []byte{2}, uint16(5000))
	f.Fuzz(func(t *testing.T, at uint16, patch []byte, cut uint16) {
		disk := memfs.New()
		check(t, disk.MkdirAll("/ch/data"))
		w, err := disk.Create("/ch/data/seg-00000001.fq")
		check(t, err)
		seg := bytes.Clone(img)
		copy(seg[min(int(at), len(seg)):], patch)
		if seg = seg[:min(int(cut), len(seg))]; len(seg) > 0 {
			_, err = w.WriteAt(seg, 0)
			check(t, err)
		}
		c := newChannel(testEnv(), small(), disk)
		if c.Open(t.Context()) != nil {
			return
		}
		for tx := take(t, c, 100); tx != nil; tx = take(t, c, 100) {
			check(t, tx.Commit())
		}
		mustPut(t, c, numbered(0, 3))
		wantRun(t, drain(t, c), 0, 3)
		mustClose(t, c)
	})
}

func FuzzCheckpoint(f *testing.F) {
	disk, _, _ := filled(f, 3)
	b, err := vfs.ReadFile(disk, "/ch/checkpoint/ckpt-0.fqc", 1<<20)
	check(f, err)
	f.Add(b[:400])
	f.Fuzz(func(t *testing.T, b []byte) {
		var k checkpoint
		if k.decode(b) != nil {
			return
		}
		var again checkpoint
		if err := again.decode(k.encode()); err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
	})
}

// FuzzPayloads decodes any bytes as what stands behind a right checksum.
func FuzzPayloads(f *testing.F) {
	events := numbered(0, 3)
	frames, err := encodeEvents(nil, events, 0)
	check(f, err)
	f.Add(frames[0].payload(), 3)
	f.Add(spans{{1, 3}, {5, 9}}.append(nil), 2)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if n >= 0 {
			if got, err := decodeEvents(b, n, nil); err == nil && len(got) != n {
				t.Fatalf("%d events, want %d", len(got), n)
			}
		}
		d := decoder{b: b}
		if s := d.spans(); !d.bad {
			e := decoder{b: s.append(nil)}
			if got := e.spans(); e.bad || got.count() != s.count() {
				t.Fatalf("%v became %v", s, got)
			}
		}
		var x sealIndex
		_ = x.decode(b)
	})
}
