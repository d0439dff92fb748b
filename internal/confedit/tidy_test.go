package confedit

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTidyGroupsAndAligns(t *testing.T) {
	const in = "# weblog\r\na1.sources=r1\na1.channels : c1\na1.sinks k1\n\n\na1.sinks.k1.type=hdfs\n" +
		"  # who feeds it\na1.sources.r1.type   =  netcat\n! old\na1.sinks.k1.hdfs.path = /x/\\\n      %Y\na1.sources.r1.port=1\n" +
		"a1.sources.r1.port=2\na1.channels.c1.type\n# the end\n"
	const want = "# weblog\na1.sources  = r1\na1.channels = c1\na1.sinks    = k1\n\n" +
		"a1.sinks.k1.type      = hdfs\n! old\na1.sinks.k1.hdfs.path = /x/\\\n      %Y\n\n" +
		"# who feeds it\na1.sources.r1.type = netcat\na1.sources.r1.port = 1\na1.sources.r1.port = 2\n\n" +
		"a1.channels.c1.type =\n\n# the end\n"
	got, err := Tidy([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again, err := Tidy(got)
	if err != nil || string(again) != want {
		t.Errorf("tidied twice: %v\n%s", err, again)
	}
}

func FuzzTidyKeepsTheMeaning(f *testing.F) {
	f.Add([]byte("a=1\nb.c.d.e = x\\\n y\n#z\n"))
	f.Add([]byte("a\\ b:=c\n\\=d = e\\\\\n\\\n"))
	f.Add([]byte("\xe9 = \xff\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := Tidy(data)
		if err != nil {
			return // told, and nothing is written
		}
		before, err := meaning(data)
		if err != nil {
			t.Fatal(err)
		}
		after, err := meaning(out)
		if err != nil || !maps.Equal(before, after) {
			t.Errorf("%q became %q", data, out)
		}
	})
}
