package main

import (
	"bytes"
	"strings"
	"testing"

	"goflume/conf"
)

// TestWhatCreateWritesRuns checks the created configuration of every source, channel and sink.
func TestWhatCreateWritesRuns(t *testing.T) {
	t.Setenv("TWITTER_BEARER_TOKEN", "token")
	var flows []string
	for _, f := range families()[:3] {
		for _, ty := range f.Types {
			if ty.Refused != "" {
				continue
			}
			flows = append(flows, map[string]string{"sources": ty.Name + "/memory/logger", "channels": "netcat/" + ty.Name + "/logger",
				"sinks": "netcat/memory/" + ty.Name}[f.Name])
		}
	}
	for _, flow := range flows {
		for _, full := range []bool{false, true} {
			var text, issues bytes.Buffer
			if status := create(&options{args: []string{flow}, full: full}, streams{nil, &text, &issues}); status != exitOK {
				t.Errorf("%s: status %d, %s", flow, status, issues.String())
				continue
			}
			c := (&options{args: []string{"-"}, define: map[string]string{}}).check(streams{in: bytes.NewReader(text.Bytes())})
			if strings.Contains(text.String(), "CHANGE-ME") {
				t.Logf("%s: a value is left to the user; a sample in create.go would give a better start", flow)
				continue
			}
			if conf.HasErrors(c.issues) {
				conf.WriteText(&issues, c.issues, false)
				t.Errorf("%s (samples are in create.go):\n%s\n%s", flow, text.String(), issues.String())
			}
		}
	}
}
