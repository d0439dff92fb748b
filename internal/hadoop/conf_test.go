package hadoop

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func writeConf(t *testing.T, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("<configuration>"+text+"</configuration>"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestConfIsReadAsHadoopDoes(t *testing.T) {
	t.Setenv("GOFLUME_TEST_HOST", "nn9")
	core := writeConf(t, "core-site.xml", `
		<property><name>fs.defaultFS</name><value> hdfs://${host}:9000 </value></property>
		<property><name>host</name><value>${env.GOFLUME_TEST_HOST}</value></property>
		<property><name>fixed</name><value>1</value><final>true</final></property>
		<property><name>fixed</name><value>2</value></property>
		<property><name>loop</name><value>${loop}</value></property>
		<property><name>dfs.blocksize</name><value>64m</value></property>`)
	site := writeConf(t, "hdfs-site.xml", `<property><name>dfs.replication</name><value>x</value></property>`)
	later := writeConf(t, "core-site.xml", `<property><name>fixed</name><value>3</value></property>`)
	c, err := LoadConf([]string{core, site, later, filepath.Join(core, "missing")})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"fixed": "1", "fs.defaultFS": "hdfs://nn9:9000", "loop": "${loop}", "none": ""} {
		if got := c.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if n, err := c.Int("dfs.blocksize", 1); n != 64<<20 || err != nil {
		t.Errorf("dfs.blocksize: %d, %v, want 64 MiB", n, err)
	}
	if _, err := c.Int("dfs.replication", 1); err == nil {
		t.Error("dfs.replication = x: nil, want an error")
	}
	if _, err := LoadConf([]string{writeConf(t, "core-site.xml", "<property>")}); err == nil {
		t.Error("broken XML: nil, want an error")
	}
}

func TestNamenodesOfANameservice(t *testing.T) {
	c := Conf{
		"dfs.nameservices": "ns1,ns2,empty", "dfs.ha.namenodes.ns1": "nn1, nn2",
		"dfs.namenode.rpc-address.ns1.nn1": "a:1", "dfs.namenode.rpc-address.ns1.nn2": "b",
		"dfs.ha.namenodes.ns2": "x", "dfs.namenode.rpc-address.single": "s:7",
	}
	for authority, want := range map[string][]string{"ns1": {"a:1", "b:8020"}, "host": {"host:8020"}, "host:9": {"host:9"}, "single": {"s:7"}} {
		got, err := c.Namenodes(authority)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", authority, got, err, want)
		}
	}
	for _, authority := range []string{"", "ns2", "empty"} {
		if got, err := c.Namenodes(authority); err == nil {
			t.Errorf("%q: %v, want an error", authority, got)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, c := range []struct{ in, root, rest string }{
		{"hdfs://nn:8020/logs/%Y", "hdfs://nn:8020", "/logs/%Y"},
		{"HDFS://ns1/x", "hdfs://ns1", "/x"},
		{"hdfs:///x", "hdfs://", "/x"},
		{"file:///tmp/%{h}", "file://", "/tmp/%{h}"},
		{"file:/tmp", "file://", "/tmp"},
		{"file://localhost/tmp", "file://", "/tmp"},
		{"/logs/%H:/x", "hdfs://d", "/logs/%H:/x"},
		{"logs/%{a}:/b", "hdfs://d", "logs/%{a}:/b"},
	} {
		root, rest, err := Split(c.in, "hdfs://d")
		if err != nil || root != c.root || rest != c.rest {
			t.Errorf("%s: %q, %q, %v, want %q, %q", c.in, root, rest, err, c.root, c.rest)
		}
	}
	for in, want := range map[string]string{"s3a://b/x": "s3a", "viewfs://c/x": "viewfs", "hdfs://%{h}/x": "escapes", "hdfs://nn": "directory", "file://other/x": "machine"} {
		if _, _, err := Split(in, "file:///"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error about %s", in, err, want)
		}
	}
	if _, _, err := Split("/x", "nonsense"); err == nil {
		t.Error("fs.defaultFS = nonsense: nil, want an error")
	}
}
