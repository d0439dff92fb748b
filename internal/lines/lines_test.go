package lines

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"goflume/event"
)

// all reads src to its end and returns its lines and the unfinished one.
func all(t *testing.T, src io.Reader) (lines []string, rest string) {
	t.Helper()
	r := NewReader(src)
	var kept [][]byte
	for {
		_, err := r.Fill()
		for line, ok := r.Next(); ok; line, ok = r.Next() {
			kept = append(kept, line)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range kept { // now, to see that no later read wrote over them
		lines = append(lines, string(l))
	}
	return lines, string(r.Rest())
}

func TestLinesDoNotDependOnHowTheyAreRead(t *testing.T) {
	var text strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&text, "%d %s\n", i, strings.Repeat("x", i%700))
	}
	text.WriteString(strings.Repeat("long", 200<<10) + "\n\n\r\nunfinished")
	want := strings.Split(text.String(), "\n")
	for name, src := range map[string]io.Reader{
		"whole":          strings.NewReader(text.String()),
		"halves":         iotest.HalfReader(strings.NewReader(text.String())),
		"data with EOF":  iotest.DataErrReader(strings.NewReader(text.String())),
		"single bytes":   iotest.OneByteReader(strings.NewReader(text.String()[:20000])),
		"behind a limit": io.LimitReader(strings.NewReader(text.String()), 100_000),
	} {
		got, rest := all(t, src)
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("%s: line %d is %.40q, want %.40q", name, i, got[i], want[i])
			}
		}
		if !strings.HasPrefix(want[len(got)], rest) || len(got) < 20 {
			t.Errorf("%s: after %d lines %.40q is left, want a part of %.40q", name, len(got), rest, want[len(got)])
		}
	}
}

func TestChunksGrowWithTheStream(t *testing.T) {
	line := append(bytes.Repeat([]byte("x"), 99), '\n')
	busy := NewReader(bytes.NewReader(bytes.Repeat(line, 100_000)))
	idle := NewReader(iotest.OneByteReader(bytes.NewReader(bytes.Repeat(line, 1000))))
	for _, c := range []struct {
		r    *Reader
		want int
	}{{busy, maxChunk}, {idle, minChunk}} {
		for n, err := c.r.Fill(); n > 0 && err == nil; n, err = c.r.Fill() {
			for _, ok := c.r.Next(); ok; _, ok = c.r.Next() {
			}
		}
		if len(c.r.chunk) != c.want {
			t.Errorf("a chunk has %d bytes, want %d", len(c.r.chunk), c.want)
		}
	}
}

func TestTakeEndsTheUnfinishedLine(t *testing.T) {
	r := NewReader(io.MultiReader(strings.NewReader("a\nbc"), strings.NewReader("d\n")))
	r.Fill()
	r.Next()
	r.Next()
	if got := string(r.Take()); got != "bc" {
		t.Errorf("Take: %q, want bc", got)
	}
	r.Fill()
	if got, ok := r.Next(); string(got) != "d" || !ok {
		t.Errorf("Next: %q, want d", got)
	}
}

func TestAnyLineEndIsOne(t *testing.T) {
	const text = "a\nb\r\nc\rd\r\r\n\n\re"
	want := []string{"a", "b", "c", "d", "", "", "", "e"}
	for name, src := range map[string]io.Reader{
		"whole":        strings.NewReader(text),
		"single bytes": iotest.OneByteReader(strings.NewReader(text)),
	} {
		r := NewReader(src)
		var got []string
		for err := error(nil); err == nil; {
			_, err = r.Fill()
			for line, ok := r.NextAny(); ok; line, ok = r.NextAny() {
				got = append(got, string(line))
			}
		}
		if got = append(got, string(r.Rest())); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestAGroupEndsBeforeTheNextFirstLine(t *testing.T) {
	const text = "x\ny\n1a\n b\n c\n2\n3d\n\n e\n4 unfinish"
	want := []string{"x\ny", "1a\n b\n c", "2"}
	isFirst := func(line []byte) bool { return len(line) > 0 && line[0] >= '0' && line[0] <= '9' }
	for name, src := range map[string]io.Reader{"whole": strings.NewReader(text), "single bytes": iotest.OneByteReader(strings.NewReader(text))} {
		r := NewReader(src)
		var got []string
		for err := error(nil); err == nil; {
			_, err = r.Fill()
			for group, ok := r.NextGroup(isFirst); ok; group, ok = r.NextGroup(isFirst) {
				got = append(got, string(group))
				if before := string(r.Before(len(group) + 1)); before != string(group)+"\n" && len(before) > len(group) {
					t.Errorf("%s: before what comes next stands %q, want %q", name, before, group)
				}
			}
		}
		if !slices.Equal(got, want) || string(r.Rest()) != "3d\n\n e\n4 unfinish" || string(r.Group()) != "3d\n\n e\n" {
			t.Errorf("%s: %q, %q and %q, want %q", name, got, r.Group(), r.Rest(), want)
		}
	}
}

func TestTakeGroupEndsAGroupThatMayGoOn(t *testing.T) {
	r := NewReader(io.MultiReader(strings.NewReader("1\n a\n b"), strings.NewReader("c\n2\n")))
	isFirst := func(line []byte) bool { return len(line) > 0 && line[0] != ' ' }
	r.Fill()
	r.NextGroup(isFirst)
	if got, ok := r.TakeGroup(); !ok || string(got) != "1\n a" || string(r.Rest()) != " b" {
		t.Errorf("TakeGroup: %q and %q, want the whole lines and the rest", got, r.Rest())
	}
	if got, ok := r.TakeGroup(); ok {
		t.Errorf("TakeGroup again: %q, want none", got)
	}
	r.Fill()
	if got, ok := r.NextGroup(isFirst); !ok || string(got) != " bc" {
		t.Errorf("NextGroup: %q, want the lines that came later", got)
	}
	r.NextGroup(isFirst)
	if got := string(r.Group()); got != "2\n" {
		t.Errorf("Group: %q, want 2", got)
	}
}

func FuzzGroups(f *testing.F) {
	f.Add([]byte("1\n a\n2\n"), 4)
	f.Fuzz(func(t *testing.T, text []byte, at int) {
		at = min(max(at, 0), len(text))
		r := NewReader(io.MultiReader(bytes.NewReader(text[:at]), bytes.NewReader(text[at:])))
		isFirst := func(line []byte) bool { return !bytes.HasPrefix(line, []byte(" ")) }
		var got []byte
		for err := error(nil); err == nil; {
			_, err = r.Fill()
			for group, ok := r.NextGroup(isFirst); ok; group, ok = r.NextGroup(isFirst) {
				for _, line := range bytes.Split(group, []byte("\n"))[1:] {
					if isFirst(line) {
						t.Errorf("%q has a first line in it", group)
					}
				}
				got = append(append(got, group...), '\n')
			}
		}
		if got = append(got, r.Rest()...); !bytes.Equal(got, text) {
			t.Errorf("got %q, want %q", got, text)
		}
	})
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\n\nb\r\nc"), 1)
	f.Fuzz(func(t *testing.T, text []byte, at int) {
		at = min(max(at, 0), len(text))
		got, rest := all(t, io.MultiReader(bytes.NewReader(text[:at]), bytes.NewReader(text[at:])))
		if joined := strings.Join(append(got, rest), "\n"); joined != string(text) {
			t.Errorf("got %q, want %q", joined, text)
		}
	})
}

func TestANewlineOfTwoBytesStandsAtEvenPlaces(t *testing.T) {
	text := "\x00a\x00\n" + "\x0a\x0a\x00b\x0a\x00\x00\n" + "\x00\n" + strings.Repeat("\x01\x0a", 5000) + "\x00\n" + "\x00c"
	want := []string{"\x00a", "\x0a\x0a\x00b\x0a\x00", "", strings.Repeat("\x01\x0a", 5000)}
	for name, src := range map[string]io.Reader{"whole": strings.NewReader(text), "single bytes": iotest.OneByteReader(strings.NewReader(text))} {
		r := NewReaderOf(src, []byte{0, '\n'})
		var got []string
		for err := error(nil); err != io.EOF; {
			_, err = r.Fill()
			for line, ok := r.Next(); ok; line, ok = r.Next() {
				got = append(got, string(line))
			}
		}
		if !slices.Equal(got, want) || string(r.Rest()) != "\x00c" {
			t.Errorf("%s: %.60q and %q, want %.60q and 0063", name, got, r.Rest(), want)
		}
	}
}

func TestUnreadAndSkip(t *testing.T) {
	r := NewReader(strings.NewReader("abcdef\nrest"))
	if _, err := r.Fill(); err != nil {
		t.Fatal(err)
	}
	r.Next()
	r.Unread(len("def\n"))
	if line, ok := r.Next(); !ok || string(line) != "def" {
		t.Errorf("after Unread: %q, want def", line)
	}
	if _, ok := r.Next(); ok {
		t.Error("the unfinished line is none")
	}
	r.Skip(len("re"))
	if got := string(r.Rest()); got != "st" {
		t.Errorf("after Skip: %q, want st", got)
	}
}

func TestLentLinesStayUntilTheirBatchesAreReset(t *testing.T) {
	var text strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&text, "%d %s\n", i, strings.Repeat("x", i%100))
	}
	want := strings.Split(text.String(), "\n")
	r := NewLender(strings.NewReader(text.String()))
	defer r.Close()
	var batches [3]event.Batch // in turns: two are held while the next is filled
	first, at := [3]int{}, 0
	for turn := 0; ; turn = (turn + 1) % 3 {
		b := &batches[turn]
		for i := range b.Events {
			if got := string(b.Events[i].Body); got != want[first[turn]+i] {
				t.Fatalf("line %d is %.40q, want %.40q", first[turn]+i, got, want[first[turn]+i])
			}
		}
		b.Reset()
		first[turn] = at
		_, err := r.Fill()
		for line, ok := r.Next(); ok; line, ok = r.Next() {
			r.Adopt(b, line)
			at++
		}
		if err != nil {
			break
		}
	}
	if at != len(want)-1 {
		t.Errorf("%d lines, want %d", at, len(want)-1)
	}
}

func TestAdoptLinesStopsAtTheLimitAndBeforeALongLine(t *testing.T) {
	const text = "a\nbb\n\ncccc\nd\ne\nunfinished"
	for name, src := range map[string]io.Reader{"whole": strings.NewReader(text), "single bytes": iotest.OneByteReader(strings.NewReader(text))} {
		r := NewReader(src)
		var b event.Batch
		for err := error(nil); err == nil; {
			_, err = r.Fill()
			for {
				if n := r.AdoptLines(&b, 2, 3); n == 2 {
					continue
				}
				line, ok := r.Next()
				if !ok {
					break
				}
				if string(line) != "cccc" {
					t.Errorf("%s: %q was left, want the line of more than 3 bytes", name, line)
				}
				b.Adopt(line)
			}
		}
		var got []string
		for _, e := range b.Events {
			got = append(got, string(e.Body))
		}
		if want := []string{"a", "bb", "", "cccc", "d", "e"}; !slices.Equal(got, want) || string(r.Rest()) != "unfinished" {
			t.Errorf("%s: %q and %q, want %q", name, got, r.Rest(), want)
		}
	}
}
