package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// written returns an output with lines in one file, as edit leaves them.
func written(t *testing.T, from, n int, edit func([]byte) []byte) *output {
	t.Helper()
	var b bytes.Buffer
	if err := writeLines(&b, from, n); err != nil {
		t.Fatal(err)
	}
	o := &output{dir: t.TempDir(), checked: map[string]int64{}}
	if err := os.WriteFile(filepath.Join(o.dir, "out.log"), edit(b.Bytes()), 0o644); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestEveryLineIsChecked(t *testing.T) {
	whole := func(b []byte) []byte { return b }
	if err := written(t, 5, 2500, whole).check(5, 2500); err != nil {
		t.Errorf("all lines once: %v", err)
	}
	for name, edit := range map[string]func([]byte) []byte{
		"one is missing":  func(b []byte) []byte { return b[lineBytes:] },
		"one came twice":  func(b []byte) []byte { return append(b, b[:lineBytes]...) },
		"one was cut":     func(b []byte) []byte { return append(b[:100:100], b[lineBytes-1:]...) },
		"one is another":  func(b []byte) []byte { return bytes.Replace(b, []byte("0000000007"), []byte("0000009999"), 1) },
		"the end is torn": func(b []byte) []byte { return b[:len(b)-1] },
	} {
		if err := written(t, 5, 2500, edit).check(5, 2500); err == nil {
			t.Errorf("%s: not seen", name)
		}
	}
}

func TestACheckGoesOnWhereTheLastOneEnded(t *testing.T) {
	o := written(t, 0, 10, func(b []byte) []byte { return b })
	if err := o.check(0, 10); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(o.dir, "out.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := writeLines(f, 10, 5); err != nil {
		t.Fatal(err)
	}
	if n, err := o.grown(); n != 5*lineBytes || err != nil {
		t.Errorf("grown by %d bytes, %v, want %d", n, err, 5*lineBytes)
	}
	if err := o.check(10, 5); err != nil {
		t.Error(err)
	}
}

func TestTheTableStandsBetweenItsMarkers(t *testing.T) {
	name := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(name, []byte("before\n"+begins+"old\n"+ends+"after\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := result{job: jobs[0], peers: map[string]*figures{
		"copier": {rate: []float64{4e6, 2e6, 3e6}, cpu: []float64{0.3, 0.2, 0.4}, lines: 1000},
		"agent":  {rate: []float64{1.5e6}, cpu: []float64{0.5}, lines: 1000},
	}}
	if err := writeBetween(name, table([]result{r}, nil, 3)); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(page); !strings.HasPrefix(s, "before\n"+begins+"Measured") || !strings.HasSuffix(s, ends+"after\n") || strings.Contains(s, "old") {
		t.Errorf("the page is now:\n%s", s)
	}
	row := table([]result{r}, []peer{{name: "copier", version: func(context.Context) string { return "" }}, {name: "agent", version: func(context.Context) string { return "" }}}, 3)
	if !strings.Contains(row, "| copier | 3,000,000 | 2,000,000 – 4,000,000 | 1.00 | 0.30 |") || !strings.Contains(row, "| agent | 1,500,000 | 1,500,000 – 1,500,000 | 0.38 | 0.50 |") {
		t.Errorf("the table is\n%s", row)
	}
}

func TestWhatIsNotThereIsNotLeftOutInSilence(t *testing.T) {
	if some, err := chooseJobs("null,file"); err != nil || len(some) != 2 || some[0].name != "null" || some[1].name != "file" {
		t.Errorf("jobs null,file: %v, %v", some, err)
	}
	if all, err := choosePeers(""); err != nil || len(all) != len(peers) {
		t.Errorf("no list: %d peers, %v, want all %d", len(all), err, len(peers))
	}
	for _, args := range [][]string{{"-only", "null,nul"}, {"-with", "agent,"}, {"-only", "null", "-readme", "README.md"}} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("run(%q): no error", args)
		}
	}
}

func TestEveryJobHasAConfigurationForEachPeer(t *testing.T) {
	for _, j := range jobs {
		for name := range j.lines {
			if name == "copier" {
				continue
			}
			if _, err := confs.ReadFile("conf/" + j.name + "." + name + ".conf"); err != nil {
				t.Error(err)
			}
		}
	}
}
