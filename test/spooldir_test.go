package test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"

	"goflume/test/ledger"
	"goflume/test/service"
)

// spoolUntilFull reads a directory into a channel that takes 500 events and that nobody drains.
func spoolUntilFull(dir, more string) string {
	return fmt.Sprintf(`
a1.sources = r1
a1.channels = c1
a1.sources.r1.type = spooldir
a1.sources.r1.channels = c1
a1.sources.r1.spoolDir = %s
%s
a1.channels.c1.type = memory
a1.channels.c1.capacity = 500
a1.channels.c1.keep-alive = 1
`, dir, more)
}

// spoolToFiles reads it into files.
func spoolToFiles(dir, more string) string {
	return strings.Replace(spoolUntilFull(dir, more), "capacity = 500", "capacity = 10000", 1) + `
a1.sinks = k1
a1.sinks.k1.type = file_roll
a1.sinks.k1.channel = c1
a1.sinks.k1.sink.directory = ${dir}/tmp
a1.sinks.k1.sink.rollInterval = 0
a1.sinks.k1.sink.batchSize = 1
`
}

// rolledText is what the files of a file_roll sink hold.
func rolledText(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "tmp", "[0-9]*-[0-9]*")) // Java has files there too
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	var all []byte
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	return string(all)
}

// rolled returns the lines of rolledText.
func rolled(t *testing.T, dir string) []string {
	t.Helper()
	lines := strings.Split(rolledText(t, dir), "\n")
	return lines[:len(lines)-1]
}

// awaitRolled waits until the files of a file_roll sink hold enough, and returns what they hold. What Flume has in a memory
// channel when it is stopped is lost.
func awaitRolled(t *testing.T, p *service.Process, dir string, enough func(text string) bool) (text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	err := service.Await(ctx, "what the sink writes", func(context.Context) error {
		if text = rolledText(t, dir); !enough(text) {
			return fmt.Errorf("it has written %d bytes", len(text))
		}
		return nil
	}, p)
	if err != nil {
		t.Error(err)
	}
	return text
}

// awaitLastLine waits until that line is the last of the files.
func awaitLastLine(t *testing.T, p *service.Process, dir, line string) {
	t.Helper()
	awaitRolled(t, p, dir, func(text string) bool { return strings.HasSuffix(text, line+"\n") })
}

// awaitFile waits until there is a file of that name.
func awaitFile(t *testing.T, p *service.Process, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	err := service.Await(ctx, name, func(context.Context) error {
		_, err := os.Stat(name)
		return err
	}, p)
	if err != nil {
		t.Fatal(err)
	}
}

// awaitMeta waits until a progress file says what ok wants to hear, and returns it.
func awaitMeta(t *testing.T, p *service.Process, name string, ok func(meta []byte) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var text []byte
	err := service.Await(ctx, "progress in "+name, func(context.Context) (err error) {
		if text, err = os.ReadFile(name); err == nil && !ok(text) {
			err = fmt.Errorf("it holds % x", text)
		}
		return err
	}, p)
	if err != nil {
		t.Fatal(err)
	}
}

// awaitFull waits until the channel takes no more, in Flume's words or ours. Then the progress of what it took is noted.
func awaitFull(t *testing.T, p *service.Process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	err := service.Await(ctx, "a full channel", func(context.Context) error {
		log, err := os.ReadFile(p.Log())
		if err == nil && !bytes.Contains(log, []byte("The channel is full")) && !bytes.Contains(log, []byte("Space for commit")) {
			err = errors.New("the log does not tell of it")
		}
		return err
	}, p)
	if err != nil {
		t.Fatal(err)
	}
}

// offset returns the last record of a progress file, as Avro's own library reads it.
func offset(meta []byte) (int64, string) {
	r, err := goavro.NewOCFReader(bytes.NewReader(meta))
	if err != nil {
		return -1, ""
	}
	at := int64(-1)
	for r.Scan() {
		v, err := r.Read()
		if err != nil {
			return -1, ""
		}
		at = v.(map[string]any)["offset"].(int64)
	}
	return at, string(r.MetaData()["file"])
}

const (
	spoolLines = 2000
	spoolLast  = "line 01999"
)

func spoolText() string {
	var text strings.Builder
	for i := range spoolLines {
		fmt.Fprintf(&text, "line %05d\n", i)
	}
	return text.String()
}

// TestRealSpooldirFlumeAndWeGoOnForEachOther has each program read a file halfway and the other one the rest.
func TestRealSpooldirFlumeAndWeGoOnForEachOther(t *testing.T) {
	const taken = 500
	for _, from := range []string{"Flume", "our agent"} {
		t.Run("from "+from, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "a.log")
			if err := os.WriteFile(file, []byte(spoolText()), 0o644); err != nil {
				t.Fatal(err)
			}
			first, second := startFlume, startAgent
			if from != "Flume" {
				first, second = second, first
			}
			p, _ := first(t, spoolUntilFull(dir, ""))
			awaitMeta(t, p, filepath.Join(dir, ".flumespool", ".flumespool-main.meta"), func(meta []byte) bool {
				at, name := offset(meta)
				return at == taken*int64(len("line 00000\n")) && name == file
			})
			p.Kill()
			p, out := second(t, spoolToFiles(dir, ""))
			awaitFile(t, p, file+".COMPLETED")
			awaitLastLine(t, p, out, spoolLast)
			p.Stop(time.Minute)
			got := rolled(t, out)
			if want := strings.Split(strings.TrimSuffix(spoolText(), "\n"), "\n")[taken:]; !slices.Equal(got, want) {
				t.Errorf("%d lines from %.40q to %.40q, want the %d from %q on", len(got), got[:1], got[len(got)-1:], len(want), want[0])
			}
		})
	}
}

func startFlume(t *testing.T, conf string) (*service.Process, string) {
	f := service.Start(t, service.Flume{Conf: conf})
	return f.Process, f.Dir
}

func startAgent(t *testing.T, conf string) (*service.Process, string) {
	a := service.Start(t, service.Agent{Conf: conf})
	return a.Process, a.Dir
}

// avroFile returns a container file of so many blocks of so many records.
func avroFile(t *testing.T, codec string, blocks, records int) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := goavro.NewOCFWriter(goavro.OCFConfig{W: &file, CompressionName: codec,
		Schema: `{"type": "record", "name": "Line", "namespace": "org.example", "doc": "One line.", "fields": [
			{"name": "n", "type": "int"}, {"name": "text", "type": ["null", "string"], "default": null}]}`})
	if err != nil {
		t.Fatal(err)
	}
	for b := range blocks {
		var block []any
		for i := range records {
			block = append(block, map[string]any{"n": b*records + i, "text": goavro.Union("string", fmt.Sprintf("text %05d", b*records+i))})
		}
		if err := w.Append(block); err != nil {
			t.Fatal(err)
		}
	}
	return file.Bytes()
}

// TestRealSpooldirAvroIsFlumes compares bodies and schema headers of both programs.
func TestRealSpooldirAvroIsFlumes(t *testing.T) {
	for _, schema := range []string{"HASH", "LITERAL"} {
		for _, codec := range []string{"null", "deflate", "snappy"} {
			t.Run(schema+" "+codec, func(t *testing.T) {
				var outs [2][]string
				for i, start := range []func(*testing.T, string) (*service.Process, string){startFlume, startAgent} {
					dir := t.TempDir()
					if err := os.WriteFile(filepath.Join(dir, "a.avro"), avroFile(t, codec, 3, 20), 0o644); err != nil {
						t.Fatal(err)
					}
					p, out := start(t, spoolToFiles(dir, "a1.sources.r1.deserializer = AVRO\na1.sources.r1.deserializer.schemaType = "+schema)+
						"a1.sinks.k1.sink.serializer = header_and_text\n")
					awaitFile(t, p, filepath.Join(dir, "a.avro.COMPLETED"))
					awaitRolled(t, p, out, func(text string) bool { return strings.Contains(text, "text 00059") })
					p.Stop(time.Minute)
					outs[i] = rolled(t, out)
				}
				if !slices.Equal(outs[0], outs[1]) || len(outs[0]) < 60 {
					t.Errorf("Flume has %d lines %.300q, our agent %d lines %.300q", len(outs[0]), outs[0][:2], len(outs[1]), outs[1][:2])
				}
			})
		}
	}
}

// TestRealSpooldirAvroGoesOn: Flume goes on at the start of a block, we behind the record.
func TestRealSpooldirAvroGoesOn(t *testing.T) {
	const blocks, records, taken = 20, 80, 500
	for _, c := range []struct {
		from      string
		min, most int // records that the second program may deliver
	}{
		{"Flume", blocks*records - taken, blocks*records - taken + records},
		{"our agent", blocks*records - taken, blocks*records - taken + records},
		{"us to us", blocks*records - taken, blocks*records - taken},
	} {
		t.Run("from "+c.from, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "a.avro")
			if err := os.WriteFile(file, avroFile(t, "null", blocks, records), 0o644); err != nil {
				t.Fatal(err)
			}
			first, second := startFlume, startAgent
			switch c.from {
			case "our agent":
				first, second = second, first
			case "us to us":
				first = startAgent
			}
			more := "a1.sources.r1.deserializer = AVRO"
			p, _ := first(t, spoolUntilFull(dir, more))
			awaitFull(t, p)
			p.Kill()
			p, out := second(t, spoolToFiles(dir, more))
			awaitFile(t, p, file+".COMPLETED")
			awaitRolled(t, p, out, func(text string) bool { return strings.Contains(text, fmt.Sprintf("text %05d", blocks*records-1)) })
			p.Stop(time.Minute)
			all := strings.Join(rolled(t, out), "\n")
			n := strings.Count(all, "text ")
			for i := taken; i < blocks*records; i++ {
				if text := fmt.Sprintf("text %05d", i); !strings.Contains(all, text) {
					t.Fatalf("%s is lost", text)
				}
			}
			t.Logf("%d records after %d", n, taken)
			if n < c.min || n > c.most {
				t.Errorf("%d records behind the first %d of %d, want %d to %d", n, taken, blocks*records, c.min, c.most)
			}
		})
	}
}

const spoolToDurableFiles = `
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = spooldir
a1.sources.r1.channels = c1
a1.sources.r1.spoolDir = ${dir}/tmp/spool
a1.sources.r1.batchSize = 1000
a1.sources.r1.pollDelay = 50
a1.channels.c1.type = file
a1.channels.c1.checkpointDir = ${dir}/checkpoint
a1.channels.c1.dataDirs = ${dir}/data
a1.channels.c1.transactionCapacity = 5000
a1.channels.c1.minimumRequiredSpace = 1048576
a1.sinks.k1.type = file_roll
a1.sinks.k1.channel = c1
a1.sinks.k1.sink.directory = ${dir}/out
a1.sinks.k1.sink.rollInterval = 0
a1.sinks.k1.sink.batchSize = 5000
a1.sinks.k1.sink.pathManager.prefix = part-
`

// TestRealSpooldirKilledLosesNothing kills the agent while it reads one large file and many small ones that keep coming.
// It is killed when it has read so much, a third of the times in the small ones, however fast it is. Doubles are a batch
// of the source and one of the sink for each kill; torn is at most the line that the sink wrote then.
func TestRealSpooldirKilledLosesNothing(t *testing.T) {
	const width, perSmall, batch, sinkBatch = 200, 3, 1000, 5000
	s := spoolKills
	l := ledger.New(2, max(s.largeLines, s.smallFiles*perSmall), width)
	a := service.Start(t, service.Agent{Conf: spoolToDurableFiles, Unready: true}) // the directory comes later
	ctx, cancel := context.WithTimeout(t.Context(), s.limit)
	defer cancel()
	dir := filepath.Join(a.Dir, "tmp", "spool")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(name string, client, from, n int) error {
		f, err := os.Create(filepath.Join(dir, "."+name))
		if err != nil {
			return err
		}
		w := bufio.NewWriterSize(f, 1<<20)
		var line []byte
		for i := from; i < from+n; i++ {
			line = l.AppendLine(line[:0], client, i)
			w.Write(line)
		}
		if err := errors.Join(w.Flush(), f.Close()); err != nil {
			return err
		}
		return os.Rename(filepath.Join(dir, "."+name), filepath.Join(dir, name))
	}
	if err := put("large", 0, 0, s.largeLines); err != nil {
		t.Fatal(err)
	}
	var feed sync.WaitGroup
	feed.Go(func() {
		for i := range s.smallFiles {
			if err := put(fmt.Sprintf("small%06d", i), 1, i*perSmall, perSmall); err != nil {
				t.Error(err)
				return
			}
		}
	})
	var peak int64
	kill := func(at int, unit string, progress func() int) {
		err := a.AwaitReady(ctx)
		if err == nil {
			err = service.Await(ctx, fmt.Sprintf("%d %s", at, unit), func(context.Context) error {
				if n := progress(); n < at {
					return fmt.Errorf("%d are read", n)
				}
				return nil
			}, a.Process)
		}
		if err != nil {
			t.Fatal(err)
		}
		peak = max(peak, peakMemory(t, a.Pid()))
		a.Kill()
		if err := a.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	completed := func() int {
		names, err := filepath.Glob(filepath.Join(dir, "*.COMPLETED"))
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	for _, at := range kills(t, s.kills-s.kills/3, s.largeLines) {
		kill(at, "lines of the large file", func() int {
			if completed() > 0 {
				return s.largeLines
			}
			meta, err := os.ReadFile(filepath.Join(dir, ".flumespool", ".flumespool-main.meta"))
			if err != nil {
				return 0
			}
			at, _ := offset(meta)
			return int(at) / width
		})
	}
	for _, at := range kills(t, s.kills/3, s.smallFiles) {
		kill(at, "files", completed)
	}
	feed.Wait()
	err := service.Await(ctx, "the end of all files", func(context.Context) error {
		if n := completed(); n < s.smallFiles+1 {
			return fmt.Errorf("%d are left", s.smallFiles+1-n)
		}
		return nil
	}, a.Process)
	if err == nil {
		err = a.AwaitEmpty(ctx, "c1")
	}
	if err != nil {
		t.Fatal(err)
	}
	peak = max(peak, peakMemory(t, a.Pid()))
	a.Stop(time.Minute)
	if _, err := l.ArrivedFiles(filepath.Join(a.Dir, "out", "part-*")); err != nil {
		t.Fatal(err)
	}
	v := l.Verdict()
	t.Logf("%d kills, at most %d MB: %v", s.kills, peak>>20, v)
	if all := s.largeLines + s.smallFiles*perSmall; v.Distinct != all || v.Torn > s.kills || v.Torn != v.Halves || v.Duplicates > s.kills*(batch+sinkBatch) {
		t.Errorf("want %d distinct lines, at most %d torn, which arrived whole as well, and %d doubles", all, s.kills, s.kills*(batch+sinkBatch))
	}
	if peak > 512<<20 {
		t.Errorf("the agent took up to %d MB", peak>>20)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".flumespool", "quarantine", "*")); len(left) > 0 {
		t.Errorf("%q were set aside", left)
	}
}

// peakMemory is the most memory in bytes that the process had at once.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Logf("its memory is not known: %v", err)
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kb int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kb); n == 1 {
			return kb << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// spoolSize is how much a test of kills does.
type spoolSize struct {
	kills, largeLines, smallFiles int
	limit                         time.Duration
}
