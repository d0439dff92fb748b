package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestStatusTellsDroppedFromDelivered(t *testing.T) {
	var r running
	err := json.Unmarshal([]byte(`{"agent": "a1", "ready": true, "components": [
		{"kind": "sink", "name": "k1", "type": "hdfs", "state": "RUNNING", "dropped": 3},
		{"kind": "sink", "name": "k2", "type": "hdfs", "state": "RUNNING"}]}`), &r)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	r.write(&out, map[string]map[string]string{"SINK.k1": {"EventDrainSuccessCount": "4"}, "SINK.k2": {"EventDrainSuccessCount": "5"}}, time.Now())
	if text := out.String(); !strings.Contains(text, "4 delivered, 3 dropped") || strings.Count(text, "dropped") != 1 || !strings.Contains(text, "5 delivered") {
		t.Errorf("of two sinks, one of which has dropped 3, the status says\n%s", text)
	}
}
