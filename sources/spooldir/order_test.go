package spooldir

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"goflume/event"
	"goflume/internal/flowtest"
)

func TestFilesComeInTheOrderAskedFor(t *testing.T) {
	for order, want := range map[string]string{"oldest": "c a b d", "youngest": "d a b c", "random": "a b c d"} {
		t.Run(order, func(t *testing.T) {
			p := spool(t, func(s *Settings) { s.ConsumeOrder = order })
			same := time.Now().Add(-2 * time.Hour)
			for name, age := range map[string]time.Duration{"a": 0, "b": 0, "c": 3 * time.Hour, "d": time.Hour} {
				p.put(name, name+"\n", age)
				if age == 0 { // a tie
					if err := os.Chtimes(filepath.Join(p.dir, name), same, same); err != nil {
						t.Fatal(err)
					}
				}
			}
			got := p.collect(4, "a.COMPLETED", "b.COMPLETED", "c.COMPLETED", "d.COMPLETED").Bodies()
			if order == "random" {
				slices.Sort(got)
			}
			if got := strings.Join(got, " "); got != want {
				t.Errorf("%s: %s, want %s", order, got, want)
			}
		})
	}
}

func TestAYoungerFileComesNextThoughOthersWait(t *testing.T) {
	p := spool(t, func(s *Settings) { s.ConsumeOrder, s.BatchSize = "youngest", 1; s.PollDelay = time.Millisecond })
	for i := range 50 {
		p.put(fmt.Sprint("old", i), "old\n", time.Duration(i+2)*time.Hour)
	}
	put := false
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	out := &flowtest.Recorder{}
	out.OnSend = func(context.Context, *event.Batch) error {
		if !put && len(out.Bodies()) == 5 {
			put = true
			p.put("young", "young\n", time.Hour)
		}
		if put {
			<-tick.C
		}
		return nil
	}
	stop := p.run(out)
	out.Wait(p.patience(), t, 51)
	stop()
	if at := slices.Index(out.Bodies(), "young"); at < 5 || at > 40 {
		t.Errorf("the young file came as number %d of 51, want soon after the fifth", at)
	}
}

func TestPatternsChooseFiles(t *testing.T) {
	p := spool(t, func(s *Settings) { s.IncludePattern, s.IgnorePattern = `[a-c].*\.log`, `b.*` })
	for _, name := range []string{"a.log", "b.log", "c.log", "c.log.1", "xa.log", "d.log"} {
		p.put(name, name+"\n", time.Hour)
	}
	out := p.collect(2, "a.log.COMPLETED", "b.log", "c.log.1", "c.log.COMPLETED", "d.log", "xa.log")
	if got := out.Bodies(); !slices.Equal(got, []string{"a.log", "c.log"}) {
		t.Errorf("bodies %q", got)
	}
}

func TestDirectoriesBelow(t *testing.T) {
	tree := map[string]time.Duration{"top": 5, "x/one": 4, "x/y/two": 3, ".hidden/three": 2, "skip/four": 1}
	fill := func(p *place) {
		for name, age := range tree {
			p.put(name, name+"\n", age*time.Hour)
		}
	}
	t.Run("are left alone", func(t *testing.T) {
		p := spool(t)
		fill(p)
		p.collect(1, "skip/four", "top.COMPLETED", "x/one", "x/y/two")
	})
	t.Run("are read when asked for", func(t *testing.T) {
		p := spool(t, func(s *Settings) {
			s.Recursive, s.IgnorePattern, s.BasenameHeader, s.FileHeader = true, "skip", true, true
		})
		p.settings.TrackerDir = "tracker" // without a dot: must not be read either
		fill(p)
		out := &flowtest.Recorder{}
		stop := p.run(out)
		out.Wait(p.patience(), t, 3)
		p.put("x/new/deep/late", "late\n", 0)
		p.awaitFiles("skip/four", "top.COMPLETED", "x/new/deep/late.COMPLETED", "x/one.COMPLETED", "x/y/two.COMPLETED")
		stop()
		if got, want := out.Bodies(), []string{"top", "x/one", "x/y/two", "late"}; !slices.Equal(got, want) {
			t.Errorf("bodies %q, want %q", got, want)
		}
		e := out.Events()[2]
		if h, _ := e.Header("file"); h != p.dir+"/x/y/two" {
			t.Errorf("file header %q", h)
		}
		if h, _ := e.Header("basename"); h != "two" {
			t.Errorf("basename header %q", h)
		}
	})
}

func TestFinishedFilesAreDeleted(t *testing.T) {
	p := spool(t, func(s *Settings) { s.DeletePolicy = "immediate" })
	p.put("a", "x\n", 0)
	p.put("b", "y\n", 0)
	p.collect(2)
}

func TestTrackedFilesStayAndAreReadOnce(t *testing.T) {
	p := spool(t, func(s *Settings) { s.TrackingPolicy, s.Recursive, s.BatchSize = "tracker_dir", true, 2 })
	p.put("a", numbers(0, 5), 2*time.Hour)
	p.put("below/b", "b\n", time.Hour)
	out := &flowtest.Recorder{}
	stop := p.run(out)
	out.Wait(p.patience(), t, 6)
	for _, name := range []string{"a", "below/b"} {
		p.await("mark of "+name, func() bool {
			_, err := os.Stat(filepath.Join(p.dir, ".flumespool", name+".COMPLETED"))
			return err == nil
		})
	}
	stop()
	// What Flume marked, with an empty file, counts too.
	p.put("c", "c\n", time.Hour)
	p.leave("c.COMPLETED", nil)
	p.put("d", "d\n", 0)
	if got := p.collect(1, "a", "below/b", "c", "d").Bodies(); got[0] != "d" {
		t.Errorf("bodies %q, want d alone", got)
	}
}

func TestATrackedFileThatChangedLater(t *testing.T) {
	p := spool(t, func(s *Settings) { s.TrackingPolicy = "tracker_dir" })
	p.put("grown", "one\n", time.Hour)
	p.put("replaced", "two\n", time.Hour)
	p.put("touched", "three\n", time.Hour)
	p.collect(3, "grown", "replaced", "touched")
	p.appendTo("grown", "four\n")
	p.put("replaced", "five\n", 0)
	later := time.Now().Add(time.Second)
	for _, name := range []string{"grown", "touched", "replaced"} {
		if err := os.Chtimes(filepath.Join(p.dir, name), later, later); err != nil {
			t.Fatal(err)
		}
	}
	got := p.collect(2, "grown", "replaced", "touched").Bodies()
	slices.Sort(got)
	if want := []string{"five", "four"}; !slices.Equal(got, want) {
		t.Errorf("bodies %q, want %q: of the one what it grew by, of the other all", got, want)
	}
	p.put("last", "six\n", 0)
	if got := p.collect(1, "grown", "last", "replaced", "touched").Bodies(); got[0] != "six" {
		t.Errorf("bodies %q, want six alone", got)
	}
}

func TestATrackedFileThatCannotBeReadStaysAndIsMarked(t *testing.T) {
	p := spool(t, func(s *Settings) { s.TrackingPolicy = "tracker_dir" })
	p.put("a", "good\nbad \xff\n", time.Hour)
	out := &flowtest.Recorder{}
	stop := p.run(out)
	p.await("mark", func() bool { return strings.Contains(p.quarantined("a"), "no text in UTF-8") })
	p.put("b", "next\n", 0)
	out.Wait(p.patience(), t, 2)
	p.awaitFiles("a", "b")
	stop()
	if got, want := out.Bodies(), []string{"good", "next"}; !slices.Equal(got, want) {
		t.Errorf("bodies %q, want %q", got, want)
	}
}

func TestManyFilesShareBatchesAndKeepTheirHeaders(t *testing.T) {
	p := spool(t, func(s *Settings) { s.BasenameHeader = true })
	for i := range 60 {
		p.put(fmt.Sprintf("f%02d", i), numbers(i, i+5), time.Duration(100-i)*time.Hour)
	}
	out := &flowtest.Recorder{}
	stop := p.run(out)
	out.Wait(p.patience(), t, 300)
	p.await("end of all", func() bool { return p.source().finished.Value() == 60 })
	stop()
	if got := out.Batches(); !slices.Equal(got, []int{100, 100, 100}) {
		t.Errorf("batches of %v events, want 3 of 100", got)
	}
	for i, e := range out.Events() {
		name, _ := e.Header("basename")
		if want := fmt.Sprintf("f%02d", i/5); name != want || string(e.Body) != fmt.Sprintf("line %06d", i/5+i%5) {
			t.Errorf("event %d is %q of %s, want one of %s", i, e.Body, name, want)
		}
	}
}

func TestSettingsAreChecked(t *testing.T) {
	for key, change := range map[string]func(*Settings){
		"includePattern": func(s *Settings) { s.IncludePattern = "(" },
		"ignorePattern":  func(s *Settings) { s.IgnorePattern = "*" },
		"trackingPolicy": func(s *Settings) { s.DeletePolicy, s.TrackingPolicy = "immediate", "tracker_dir" },
		"fileSuffix":     func(s *Settings) { s.FileSuffix = "" },
	} {
		s := defaults
		change(&s)
		if err := s.Validate(); err == nil || !strings.HasPrefix(err.Error(), key) {
			t.Errorf("%s: %v, want an error that blames it", key, err)
		}
	}
	if err := defaults.Validate(); err != nil {
		t.Error(err)
	}
}

func TestDeserializersHaveFlumesNames(t *testing.T) {
	for name, want := range map[string]Format{
		"LINE": "LINE", "line": "LINE", "org.apache.flume.serialization.LineDeserializer$Builder": "LINE",
		"avro": "AVRO", "org.apache.flume.serialization.AvroEventDeserializer$Builder": "AVRO",
		"org.apache.flume.sink.solr.morphline.BlobDeserializer$Builder": "BLOB", "com.example.Own$Builder": "",
	} {
		var f Format
		if err := f.UnmarshalText([]byte(name)); f != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, error %v, want %q", name, f, err, want)
		}
	}
}
