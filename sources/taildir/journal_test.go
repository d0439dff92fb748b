package taildir

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"goflume/internal/vfs"
)

func TestATornRecordEndsTheJournal(t *testing.T) {
	d := newTail(t)
	name := filepath.Join(d.dir, "journal")
	first := mark{pos: 3, headLen: 3, tailLen: 2, head: 4, tail: 5}
	j, err := startJournal(vfs.OS{}, name, noted{map[identity]mark{{1, 2}: first}, 11})
	d.ok(err)
	second, third := mark{5, 3, 2, 4, 6}, mark{7, 0, 0, hash(nil), hash(nil)}
	d.ok(j.note(identity{1, 2}, second))
	d.ok(j.notePositions(12))
	d.ok(j.note(identity{1, 9}, third))
	d.ok(j.f.Close())
	for cut, want := range map[int]noted{
		0:                 {map[identity]mark{{1, 2}: second, {1, 9}: third}, 12},
		1:                 {map[identity]mark{{1, 2}: second}, 12},
		recordBytes + 1:   {map[identity]mark{{1, 2}: second}, 11},
		2*recordBytes + 1: {map[identity]mark{{1, 2}: first}, 11},
		3*recordBytes + 1: {map[identity]mark{{1, 2}: first}, 0},
		4*recordBytes + 1: {map[identity]mark{}, 0},
	} {
		text, err := os.ReadFile(name)
		d.ok(err)
		torn := name + ".torn"
		d.ok(os.WriteFile(torn, text[:len(text)-cut], 0o600))
		got, err := readJournal(vfs.OS{}, torn)
		d.ok(err)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("without the last %d bytes: %v, want %v", cut, got, want)
		}
	}
	d.ok(os.WriteFile(name, []byte("something else, and long enough for it"), 0o600))
	if _, err := readJournal(vfs.OS{}, name); err == nil {
		t.Error("a file that is no journal is read as one")
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte{})
	f.Add(appendRecord(nil, kindFile, identity{1, 2}, mark{pos: 3}))
	f.Fuzz(func(t *testing.T, text []byte) {
		name := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(name, append([]byte(journalMagic), text...), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readJournal(vfs.OS{}, name); err != nil {
			t.Error(err)
		}
	})
}
