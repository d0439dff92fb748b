package test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/colinmarc/hdfs/v2"

	"goflume/event"
	"goflume/test/service"
)

const (
	formatLines = 1500
	formatBatch = 300
	firstKey    = 1339502074000 // the timestamp of the first line, in milliseconds
)

// codecs as `hdfs.codeC` names them; an empty one is none.
var codecs = []string{"", "gzip", "bzip2", "deflate", "default", "snappy", "lz4"}

// Files of every type and codec are read by Hadoop's own client as what was written, SequenceFiles by the classes that
// their headers name. zstandard is missing: Hadoop's codec for it is nothing without its native library, which Maven
// does not bring; see TestRealZstandardIsReadByItsOwnTool.
func TestRealHDFSFilesAreReadByHadoop(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	asFlumeUser(t)
	type format struct {
		dir  string
		want func(i int) string
	}
	var all []format
	text := []string{"-text"}
	for _, codec := range codecs {
		for _, kind := range []string{"stream", "Text", "Writable"} {
			dir := "/formats/" + kind + "-" + codec
			plain := func(i int) string { return fmt.Sprintf("%s line %06d of the file", dir, i) }
			settings, want := "hdfs.writeFormat = "+kind, plain
			switch {
			case kind == "stream" && codec == "":
				settings = "hdfs.fileType = DataStream"
			case kind == "stream":
				settings = "hdfs.fileType = CompressedStream"
			case kind == "Text":
				want = func(i int) string { return fmt.Sprintf("%d\t%s", firstKey+i, plain(i)) }
			default:
				want = func(i int) string { return fmt.Sprintf("%d\t% x", firstKey+i, plain(i)) }
			}
			if codec != "" {
				settings += "\nhdfs.codeC = " + codec
			}
			writeFormat(t, h, dir, settings, plain)
			all = append(all, format{dir, want})
			text = append(text, dir+"/FlumeData.*")
		}
	}
	out, err := h.FsShell(t.Context(), text...)
	if err != nil {
		t.Fatal(err)
	}
	now, next := 0, 0 // the format that is being read, and its line
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		switch {
		case now < len(all) && line == all[now].want(next):
			if next++; next == formatLines {
				now, next = now+1, 0
			}
		case strings.Contains(line, "line 0") || strings.HasPrefix(line, fmt.Sprint(firstKey)[:6]):
			t.Fatalf("of %s, after %d lines, %.160q", all[min(now, len(all)-1)].dir, next, line)
		}
	}
	if now != len(all) {
		t.Errorf("%s ends after %d lines; it printed\n%.2000s", all[now].dir, next, out)
	}
}

// writeFormat writes the lines into two files of a directory.
func writeFormat(t *testing.T, h *service.HDFSServer, dir, settings string, line func(i int) string) {
	t.Helper()
	s, _ := hdfsSink(t, t.TempDir(), "hdfs.rollSize = 0\nhdfs.rollInterval = 0\nhdfs.rollCount = 1000\nhdfs.batchSize = 1000\nhdfs.path = "+h.URL()+dir+"\n"+settings)
	for i := 0; i < formatLines; i += formatBatch {
		var batch []event.Event
		for j := i; j < i+formatBatch; j++ {
			batch = append(batch, event.Event{Body: []byte(line(j)), Headers: []event.Header{header("timestamp", fmt.Sprint(firstKey+j))}})
		}
		if err := s.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Hadoop's ZStandardCodec reads plain zstandard frames through native code. The reference decoder, the program zstd,
// stands for it: it reads a CompressedStream as it is, and the buffers of a SequenceFile's blocks.
func TestRealZstandardIsReadByItsOwnTool(t *testing.T) {
	service.Require(t)
	if _, err := exec.LookPath("zstd"); err != nil {
		service.Lacks(t, err)
	}
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	asFlumeUser(t)
	client := dialHDFS(t, h)
	line := func(i int) string { return fmt.Sprintf("line %06d of the file", i) }
	writeFormat(t, h, "/zstd/stream", "hdfs.fileType = CompressedStream\nhdfs.codeC = zstandard", line)
	writeFormat(t, h, "/zstd/Text", "hdfs.writeFormat = Text\nhdfs.codeC = zstandard", line)
	want := ""
	for i := range formatLines {
		want += line(i) + "\n"
	}
	if got := unzstd(t, contents(t, client, "/zstd/stream")...); string(got) != want {
		t.Errorf("CompressedStream: %d bytes, want %d", len(got), len(want))
	}
	got := ""
	for _, file := range contents(t, client, "/zstd/Text") {
		for _, values := range sequenceValues(t, file) {
			for text := unzstd(t, values); len(text) > 0; {
				n := int(text[0]) // a VInt of one byte, as the lines are short
				got += string(text[1:1+n]) + "\n"
				text = text[1+n:]
			}
		}
	}
	if got != want {
		t.Errorf("SequenceFile: %d bytes, want %d", len(got), len(want))
	}
}

// contents returns the files below dir, in the order of their names.
func contents(t *testing.T, c *hdfs.Client, dir string) (all [][]byte) {
	t.Helper()
	for _, name := range walkFiles(t, c, dir) {
		text, err := c.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	return all
}

func unzstd(t *testing.T, pieces ...[]byte) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "zstd", "-dc")
	cmd.Stdin = bytes.NewReader(bytes.Join(pieces, nil))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("zstd: %v", err)
	}
	return out
}

// sequenceValues returns the compressed values of each block of a SequenceFile.
func sequenceValues(t *testing.T, file []byte) (blocks [][]byte) {
	t.Helper()
	rest := file[4:]
	word := func() string {
		n := int(rest[0])
		w := string(rest[1 : 1+n])
		rest = rest[1+n:]
		return w
	}
	key, value := word(), word()
	if key != "org.apache.hadoop.io.LongWritable" || value != "org.apache.hadoop.io.Text" || rest[0] != 1 || rest[1] != 1 {
		t.Fatalf("header: %s, %s, % x", key, value, rest[:2])
	}
	rest = rest[2:]
	if codec := word(); codec != "org.apache.hadoop.io.compress.ZStandardCodec" {
		t.Fatalf("codec %s", codec)
	}
	rest = rest[4+16:] // no metadata, sync mark
	vint := func() int {
		n := 1
		v := int(int8(rest[0]))
		if v < -112 { // -113 is one byte more, big endian
			n = -112 - v + 1
			v = int(binary.BigEndian.Uint64(append(make([]byte, 8-(n-1)), rest[1:n]...)))
		}
		rest = rest[n:]
		return v
	}
	for len(rest) > 0 {
		rest = rest[4+16:] // escape, sync mark
		vint()             // records
		for i := range 4 {
			n := vint()
			if i == 3 {
				blocks = append(blocks, rest[:n])
			}
			rest = rest[n:]
		}
	}
	return blocks
}
