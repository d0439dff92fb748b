package main

import (
	"bytes"
	"strings"
	"testing"

	"goflume/conf"
	"goflume/examples"
)

func TestEveryExampleIsValidUnderAnyName(t *testing.T) {
	if len(examples.Names()) == 0 {
		t.Fatal("no examples")
	}
	for _, name := range examples.Names() {
		for _, agent := range []string{"", "other"} {
			var text, issues bytes.Buffer
			status := create(&options{example: name, name: agent}, streams{nil, &text, &issues})
			if status == exitUsage && agent != "" && strings.Contains(issues.String(), "has the agents") {
				continue
			}
			if status != exitOK {
				t.Errorf("%s: status %d, %s", name, status, issues.String())
				continue
			}
			c := (&options{args: []string{"-"}, define: map[string]string{}}).check(streams{in: bytes.NewReader(text.Bytes())})
			if conf.HasErrors(c.issues) {
				conf.WriteText(&issues, c.issues, false)
				t.Errorf("%s as %q: %s", name, agent, issues.String())
			}
			if agent != "" && (len(c.agents) != 1 || c.agents[0].Name != agent || strings.Contains(text.String(), "--name a1")) {
				t.Errorf("%s is not renamed:\n%s", name, text.String())
			}
		}
	}
}
