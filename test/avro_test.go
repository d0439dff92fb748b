package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"goflume/test/ledger"
	"goflume/test/service"
)

// avroReader prints the body of every event of the Avro files named, by Java's own library.
const avroReader = `
import org.apache.avro.file.DataFileReader;
import org.apache.avro.generic.*;
import java.io.File;
import java.nio.ByteBuffer;
public class Reader {
    public static void main(String[] a) throws Exception {
        for (String f : a)
            try (DataFileReader<GenericRecord> r = new DataFileReader<>(new File(f), new GenericDatumReader<>())) {
                System.err.println(r.getMetaString("avro.codec") + " " + r.getSchema());
                while (r.hasNext()) {
                    ByteBuffer b = (ByteBuffer) r.next().get("body");
                    byte[] line = new byte[b.remaining()];
                    b.get(line);
                    System.out.println(new String(line, "ISO-8859-1"));
                }
            }
    }
}
`

// Java's Avro library reads what file_roll writes with the serializer avro_event.
func TestRealJavaReadsAvroEvents(t *testing.T) {
	service.Require(t)
	if err := service.Set("flume").Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	jars, err := service.Set("flume").Jars()
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(t.TempDir(), "Reader.java")
	if err := os.WriteFile(source, []byte(avroReader), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, codec := range []string{"null", "deflate"} {
		a := service.Start(t, service.Agent{Conf: fmt.Sprintf(`
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = ${port:netcat}
a1.sources.r1.channels = c1
a1.sources.r1.interceptors = i1
a1.sources.r1.interceptors.i1.type = host
a1.channels.c1.type = memory
a1.channels.c1.capacity = 10000
a1.sinks.k1.type = file_roll
a1.sinks.k1.channel = c1
a1.sinks.k1.sink.directory = ${dir}/out
a1.sinks.k1.sink.rollInterval = 1
a1.sinks.k1.sink.serializer = avro_event
a1.sinks.k1.sink.serializer.compressionCodec = %s
`, codec)})
		const lines = 5000
		l := ledger.New(1, lines, 100)
		if err := l.Feed(t.Context(), ledger.Feed{Addr: a.Addr("netcat")}); err != nil {
			t.Fatal(err)
		}
		if err := a.AwaitEmpty(t.Context(), "c1"); err != nil {
			t.Fatal(err)
		}
		a.Stop(time.Minute)
		all, err := filepath.Glob(a.Dir + "/out/*")
		if err != nil {
			t.Fatal(err)
		}
		args := []string{"-cp", strings.Join(jars, ":"), source}
		for _, f := range all {
			if info, err := os.Stat(f); err == nil && info.Size() > 0 { // idle files are empty, as Flume's
				args = append(args, f)
			}
		}
		cmd := exec.CommandContext(t.Context(), "java", args...)
		var schema strings.Builder
		cmd.Stderr = &schema
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, schema.String())
		}
		if err := l.Arrived(strings.NewReader(string(out))); err != nil {
			t.Fatal(err)
		}
		v := l.Verdict()
		if v.Distinct != lines || v.Duplicates != 0 || v.Torn != 0 || !strings.Contains(schema.String(), codec+" {") {
			t.Errorf("%s: %v\n%.300s", codec, v, schema.String())
		}
	}
}
