package test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"goflume/test/service"
)

// validate --probe finds a namenode, a broker and a search server, and changes nothing there.
func TestRealServersAreProbed(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	k := service.Shared(t, service.Kafka{Brokers: 3})
	s := service.Shared(t, service.OpenSearch{})
	binary, err := service.AgentBinary()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "flume.conf")
	text := fmt.Sprintf(`a1.sources = r1
a1.channels = c1
a1.sinks = k1 k2 k3
a1.sources.r1.type = seq
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = hdfs
a1.sinks.k1.hdfs.path = %s/never-made
a1.sinks.k1.channel = c1
a1.sinks.k2.type = kafka
a1.sinks.k2.kafka.bootstrap.servers = %s
a1.sinks.k2.kafka.topic = never-made
a1.sinks.k2.channel = c1
a1.sinks.k3.type = elasticsearch
a1.sinks.k3.hostNames = %s
a1.sinks.k3.channel = c1
`, h.URL(), k.Bootstrap(), strings.TrimPrefix(s.URL, "http://"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first has made nothing
		out, err := exec.CommandContext(t.Context(), binary, "validate", "--probe", "--format", "json", file).Output()
		if err != nil {
			t.Errorf("validate --probe: %v", err)
		}
		var all []struct{ Code, Message string }
		if err := json.Unmarshal(out, &all); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		var found []string
		for _, d := range all {
			if d.Code == "FL602" {
				found = append(found, d.Message)
			}
		}
		t.Log(strings.Join(found, "\n"))
		for _, want := range []string{"answers; /never-made is not there yet", "3 brokers, topic never-made is not there yet", "answers: opensearch "} {
			if !strings.Contains(strings.Join(found, "\n"), want) {
				t.Errorf("nothing found that says %q in %s", want, out)
			}
		}
	}
}
