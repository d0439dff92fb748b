package test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"goflume/test/service"
)

// tailUntilFull follows a directory into a channel that takes 500 events and that nobody drains. Batches of one fill it
// wherever a read ends.
func tailUntilFull(dir string) string {
	return fmt.Sprintf(`
a1.sources = r1
a1.channels = c1
a1.sources.r1.type = TAILDIR
a1.sources.r1.channels = c1
a1.sources.r1.filegroups = f1
a1.sources.r1.filegroups.f1 = %s/.*[.]log
a1.sources.r1.positionFile = %s/positions.json
a1.sources.r1.writePosInterval = 100
a1.sources.r1.batchSize = 1
a1.channels.c1.type = memory
a1.channels.c1.capacity = 500
`, dir, dir)
}

func tailToFiles(dir string) string {
	return strings.Replace(tailUntilFull(dir), "capacity = 500", "capacity = 10000", 1) + `
a1.sinks = k1
a1.sinks.k1.type = file_roll
a1.sinks.k1.channel = c1
a1.sinks.k1.sink.directory = ${dir}/tmp
a1.sinks.k1.sink.rollInterval = 0
a1.sinks.k1.sink.batchSize = 1
`
}

// awaitPosition waits until the position file says that position for the file, and nothing but Flume's keys.
func awaitPosition(t *testing.T, p *service.Process, positions, file string, want int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	err := service.Await(ctx, "the position", func(context.Context) error {
		text, err := os.ReadFile(positions)
		if err != nil {
			return err
		}
		var all []map[string]any
		if err := json.Unmarshal(text, &all); err != nil {
			return fmt.Errorf("%w in %q", err, text)
		}
		for _, p := range all {
			if len(p) == 3 && p["file"] == file && p["pos"] == float64(want) {
				return nil
			}
		}
		return fmt.Errorf("it holds %s", text)
	}, p)
	if err != nil {
		t.Fatal(err)
	}
}

// TestRealTaildirFlumeAndWeGoOnForEachOther has each program read a file halfway and the other one the rest, and the first one
// what comes then.
func TestRealTaildirFlumeAndWeGoOnForEachOther(t *testing.T) {
	const taken = 500
	for _, from := range []string{"Flume", "our agent"} {
		t.Run("from "+from, func(t *testing.T) {
			dir := t.TempDir()
			file, positions := filepath.Join(dir, `a "b" =&'<c>.log`), filepath.Join(dir, "positions.json")
			if err := os.WriteFile(file, []byte(spoolText()), 0o644); err != nil {
				t.Fatal(err)
			}
			first, second := startFlume, startAgent
			if from != "Flume" {
				first, second = second, first
			}
			p, _ := first(t, tailUntilFull(dir))
			awaitPosition(t, p, positions, file, taken*int64(len("line 00000\n")))
			p.Kill()
			p, out := second(t, tailToFiles(dir))
			awaitPosition(t, p, positions, file, int64(len(spoolText())))
			awaitLastLine(t, p, out, spoolLast)
			p.Stop(time.Minute)
			if got, want := rolled(t, out), strings.Split(strings.TrimSuffix(spoolText(), "\n"), "\n")[taken:]; !slices.Equal(got, want) {
				t.Errorf("%d lines from %.40q to %.40q, want the %d from %q on", len(got), got[:1], got[len(got)-1:], len(want), want[0])
			}
			f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteString("more\n"); err != nil {
				t.Fatal(err)
			}
			p, out = first(t, tailToFiles(dir))
			awaitPosition(t, p, positions, file, int64(len(spoolText()+"more\n")))
			awaitLastLine(t, p, out, "more")
			p.Stop(time.Minute)
			if got := rolled(t, out); !slices.Equal(got, []string{"more"}) {
				t.Errorf("the first program again has %d lines, %.60q, want what came since", len(got), got[:min(3, len(got))])
			}
		})
	}
}

// TestRealTaildirReadsTheRestOfACompressedFile rotates with compress, which leaves only the handle that is open.
func TestRealTaildirReadsTheRestOfACompressedFile(t *testing.T) {
	logrotate := service.Logrotate(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "app.log")
	rotation := filepath.Join(dir, "rotation.conf")
	if err := os.WriteFile(rotation, []byte(file+" {\ncreate 0644\ncompress\nrotate 1\n}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	a := service.Start(t, service.Agent{Conf: tailToFiles(dir)})
	var want []string
	for i := range 8 {
		f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		for j := range 100 {
			want = append(want, fmt.Sprintf("file %d line %d", i, j))
			fmt.Fprintln(f, want[len(want)-1])
		}
		awaitKnown(t, a, dir, file)
		want = append(want, fmt.Sprintf("last of %d", i))
		fmt.Fprintln(f, want[len(want)-1])
		f.Close()
		if out, err := logrotate.Command(t.Context(), "--force", "--state", rotation+".state", rotation).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if err := awaitQuiet(ctx, a); err != nil {
		t.Fatal(err)
	}
	a.Stop(time.Minute)
	got := rolled(t, a.Dir)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d lines, want %d", len(got), len(want))
	}
}

// awaitKnown waits until the position file names the file as it is now.
func awaitKnown(t *testing.T, a *service.AgentServer, dir, file string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	r := rotated{file: file}
	err := service.Await(ctx, "the file to be followed", func(context.Context) error {
		if !r.followed(filepath.Join(dir, "positions.json")) {
			return fmt.Errorf("%s is not in the position file", file)
		}
		return nil
	}, a.Process)
	if err != nil {
		t.Fatal(err)
	}
}
