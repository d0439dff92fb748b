package test

import (
	"fmt"
	"strings"
	"testing"

	"goflume/event"
	"goflume/test/service"
)

// Files of every type are read by Hadoop's own client as what was written. Codecs that need Hadoop's native library
// (zstandard, and gzip in a SequenceFile) are read by Go's tests instead.
func TestRealHDFSFilesAreReadByHadoop(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	asFlumeUser(t)
	plain := func(i int) string { return fmt.Sprintf("line %06d of the file", i) }
	keyed := func(i int) string { return fmt.Sprintf("%d\tline %06d of the file", 1339502074000+i, i) }
	hexed := func(i int) string { return fmt.Sprintf("%d\t% x", 1339502074000+i, plain(i)) }
	for _, c := range []struct {
		name, settings string
		want           func(i int) string
	}{
		{"text", "hdfs.fileType = DataStream", plain},
		{"gzip", "hdfs.fileType = CompressedStream\nhdfs.codeC = gzip", plain},
		{"bzip2", "hdfs.fileType = CompressedStream\nhdfs.codeC = bzip2", plain},
		{"deflate", "hdfs.fileType = CompressedStream\nhdfs.codeC = deflate", plain},
		{"default", "hdfs.fileType = CompressedStream\nhdfs.codeC = default", plain},
		{"snappy", "hdfs.fileType = CompressedStream\nhdfs.codeC = snappy", plain},
		{"lz4", "hdfs.fileType = CompressedStream\nhdfs.codeC = lz4", plain},
		{"seq-text", "hdfs.writeFormat = Text", keyed},
		{"seq-writable", "", hexed},
		{"seq-default", "hdfs.writeFormat = Text\nhdfs.codeC = default", keyed},
		{"seq-bzip2", "hdfs.writeFormat = Text\nhdfs.codeC = bzip2", keyed},
		{"seq-snappy", "hdfs.writeFormat = Writable\nhdfs.codeC = snappy", hexed},
		{"seq-lz4", "hdfs.writeFormat = Text\nhdfs.codeC = lz4", keyed},
	} {
		t.Run(c.name, func(t *testing.T) {
			const n = 3000
			s, _ := hdfsSink(t, t.TempDir(), "hdfs.rollSize = 0\nhdfs.rollInterval = 0\nhdfs.rollCount = 2000\nhdfs.batchSize = 1000\nhdfs.path = "+
				h.URL()+"/formats/"+c.name+"\n"+c.settings)
			for i := 0; i < n; i += 300 {
				var batch []event.Event
				for j := i; j < i+300; j++ {
					batch = append(batch, event.Event{Body: []byte(plain(j)), Headers: []event.Header{{Key: "timestamp", Value: fmt.Sprint(1339502074000 + j)}}})
				}
				if err := s.Write(t.Context(), batch); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			out, err := h.FsShell(t.Context(), "-text", "/formats/"+c.name+"/FlumeData.*")
			if err != nil {
				t.Fatal(err)
			}
			next := 0
			for line := range strings.Lines(out) {
				if line = strings.TrimRight(line, "\n"); next < n && line == c.want(next) {
					next++
				} else if strings.Contains(line, "line 0") || strings.HasPrefix(line, "13395") {
					t.Fatalf("after %d lines %.120q, want %q", next, line, c.want(min(next, n-1)))
				}
			}
			if next != n {
				t.Errorf("%d lines, want %d; it printed\n%.2000s", next, n, out)
			}
		})
	}
}
