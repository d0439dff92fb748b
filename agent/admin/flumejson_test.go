package admin

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"goflume/internal/metric"
)

// channelSet declares what the agent shows of a channel with the statistics given.
func channelSet(r *metric.Registry, name string, size, capacity float64) *metric.Set {
	s := r.Set(metric.Channel, "a", name, "memory")
	metric.NewChannel(s)
	s.Func("ChannelSize", "flume_channel_events", "Events queued.", func() float64 { return size })
	s.Func("ChannelCapacity", "flume_channel_capacity_events", "Events that fit.", func() float64 { return capacity })
	s.Func("ChannelFillPercentage", "", "", func() float64 { return size / capacity * 100 })
	return s
}

func decodeJSON(t *testing.T, raw []byte) map[string]map[string]string {
	t.Helper()
	var got map[string]map[string]string // fails unless every value is a string
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatalf("decode %s: %v", raw, err)
	}
	return got
}

func TestFlumeJSONHasFlumesNames(t *testing.T) {
	var reg metric.Registry
	channelSet(&reg, "c1", 0, 1000)
	metric.NewSource(reg.Set(metric.Source, "a", "r1", "taildir"))
	metric.NewSink(reg.Set(metric.Sink, "a", "k1", "file_roll"))
	got := decodeJSON(t, AppendFlumeJSON(nil, reg.Sets()))

	for file, parts := range map[string][]string{
		"flume-metrics-netcat-memory-logger.json":   {"CHANNEL.c1"},
		"flume-metrics-taildir-file-file_roll.json": {"SOURCE.r1", "SINK.k1"},
	} {
		raw, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		want := decodeJSON(t, raw)
		for _, part := range parts {
			names := func(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
			if diff := cmp.Diff(names(want[part]), names(got[part])); diff != "" {
				t.Errorf("%s of %s: attributes (-Flume +ours):\n%s", part, file, diff)
			}
		}
	}
}

func TestFlumeJSONValues(t *testing.T) {
	var reg metric.Registry
	s := channelSet(&reg, `c"1`, 4, 1_000_000)
	s.Start(time.UnixMilli(1795224814119))
	metric.NewChannel(s).PutSuccess.Add(1 << 40)
	s.Text("Open", func() string { return "true" })
	s.Func("KafkaCommitTimer", "", "", func() float64 { return 12 })
	s.Counter("Gone", "", "")
	s.Hide("Gone")
	got := decodeJSON(t, AppendFlumeJSON(nil, reg.Sets()))[`CHANNEL.c"1`]
	want := map[string]string{
		"Type": "CHANNEL", "ChannelSize": "4", "ChannelCapacity": "1000000", "ChannelFillPercentage": "3.9999999999999996E-4",
		"EventPutAttemptCount": "0", "EventPutSuccessCount": "1099511627776", "EventTakeAttemptCount": "0",
		"EventTakeSuccessCount": "0", "StartTime": "1795224814119", "StopTime": "0", "Open": "true", "KafkaCommitTimer": "12",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func TestNoSetsIsAnEmptyObject(t *testing.T) {
	if got := string(AppendFlumeJSON(nil, nil)); got != "{}" {
		t.Errorf("JSON of nothing: %s, want {}", got)
	}
}
