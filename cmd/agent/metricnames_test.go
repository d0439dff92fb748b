package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// documented are the names and labels that dashboards are promised.
var documented = []string{
	`flume_build_info{goversion,revision,version}`,
	`flume_config_generation{agent}`, `flume_config_last_reload_successful{agent}`, `flume_config_rejected_components{agent}`,
	`flume_config_last_reload_success_timestamp_seconds{agent}`,
	`flume_source_events_total{agent,outcome="accepted",source,type}`, `flume_source_events_total{agent,outcome="rejected",source,type}`,
	`flume_source_bytes_total{agent,source,type}`,
	`flume_channel_events{agent,channel,type}`, `flume_channel_capacity_events{agent,channel,type}`,
	`flume_channel_fill_ratio{agent,channel,type}`, `flume_channel_bytes{agent,channel,type}`,
	`flume_channel_oldest_event_age_seconds{agent,channel,type="file"}`, `flume_channel_oldest_event_age_seconds{agent,channel,type="memory"}`,
	`flume_channel_puts_total{agent,channel,outcome="commit",type}`, `flume_channel_puts_total{agent,channel,outcome="rollback",type}`,
	`flume_channel_takes_total{agent,channel,outcome="commit",type}`, `flume_channel_takes_total{agent,channel,outcome="rollback",type}`,
	`flume_channel_put_blocked_seconds_total{agent,channel,type="file"}`, `flume_channel_put_blocked_seconds_total{agent,channel,type="memory"}`,
	`flume_channel_disk_bytes{agent,channel,type}`, `flume_channel_fsync_duration_seconds_count{agent,channel,type}`,
	`flume_sink_events_total{agent,outcome="delivered",sink,type}`, `flume_sink_events_total{agent,outcome="retried",sink,type}`,
	`flume_sink_events_total{agent,outcome="dropped",sink,type}`,
	`flume_sink_batches_total{agent,result="complete",sink,type}`, `flume_sink_batches_total{agent,result="underflow",sink,type}`,
	`flume_sink_batches_total{agent,result="empty",sink,type}`,
	`flume_sink_delivery_duration_seconds_count{agent,sink,type}`, `flume_sink_open_files{agent,sink,type="hdfs"}`,
	`flume_sink_connected{agent,sink,type="hdfs"}`, `flume_sink_connected{agent,sink,type="kafka"}`, `flume_sink_backoff_seconds{agent,sink,type}`,
	`flume_event_latency_seconds_count{agent,sink,type}`,
	`go_goroutines`, `process_open_fds`,
}

// series is the pattern of a documented name's line, in which a label without a value has any.
func series(name string) string {
	metric, labels, _ := strings.Cut(strings.TrimSuffix(name, "}"), "{")
	if labels == "" {
		return "(?m)^" + metric + " "
	}
	var all []string
	for l := range strings.SplitSeq(labels, ",") {
		if !strings.Contains(l, "=") {
			l += `="[^"]*"`
		}
		all = append(all, l)
	}
	return "(?m)^" + metric + `\{` + strings.Join(all, ",") + `\} `
}

func TestEveryDocumentedMetricIsOnTheAgentsPages(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "flume.conf")
	text := strings.ReplaceAll(`a1.sources = r1
a1.channels = c1 c2
a1.sinks = k1 k2
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = 0
a1.sources.r1.channels = c1 c2
a1.channels.c1.type = file
a1.channels.c1.checkpointDir = DIR/checkpoint
a1.channels.c1.dataDirs = DIR/data
a1.channels.c2.type = memory
a1.sinks.k1.type = hdfs
a1.sinks.k1.hdfs.path = file://DIR/out
a1.sinks.k1.hdfs.fileType = DataStream
a1.sinks.k1.hdfs.rollInterval = 0
a1.sinks.k1.channel = c1
a1.sinks.k2.type = org.apache.flume.sink.kafka.KafkaSink
a1.sinks.k2.kafka.bootstrap.servers = 127.0.0.1:1
a1.sinks.k2.kafka.topic = t
a1.sinks.k2.channel = c2
`, "DIR", dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := launchAgent(t, nil, "-f", file, "--admin", "127.0.0.1:0", "--drain-timeout", "100ms",
		"-Dflume.monitoring.type=http", "-Dflume.monitoring.port=0", "-Dflume.monitoring.host=127.0.0.1")
	compat := p.await(`Metrics at (http://127\.0\.0\.1:\d+)/metrics$`)
	control := p.await(`Admin interface at (127\.0\.0\.1:\d+)$`)
	addr := p.await(`INFO +r1 netcat (127\.0\.0\.1:\d+) `)
	p.await("ready in")
	send(t, addr, "one", "two", "three")
	values := map[string]string{
		`flume_source_bytes_total{agent="a1",source="r1",type="netcat"}`:                    "11",
		`flume_channel_bytes{agent="a1",channel="c2",type="memory"}`:                        "11",
		`flume_sink_events_total{agent="a1",outcome="delivered",sink="k1",type="hdfs"}`:     "3",
		`flume_channel_takes_total{agent="a1",channel="c1",outcome="rollback",type="file"}`: "0",
		`flume_sink_open_files{agent="a1",sink="k1",type="hdfs"}`:                           "1",
		`flume_sink_connected{agent="a1",sink="k1",type="hdfs"}`:                            "1",
		`flume_sink_connected{agent="a1",sink="k2",type="kafka"}`:                           "0",
		`flume_sink_backoff_seconds{agent="a1",sink="k1",type="hdfs"}`:                      "0",
		`flume_sink_backoff_seconds{agent="a1",sink="k2",type="kafka"}`:                     `[1-5]`,
		`flume_event_latency_seconds_count{agent="a1",sink="k1",type="hdfs"}`:               `[1-3]`,
		`flume_channel_puts_total{agent="a1",channel="c2",outcome="commit",type="memory"}`:  `[1-3]`,
		`flume_channel_oldest_event_age_seconds{agent="a1",channel="c2",type="memory"}`:     `[0-9.e-]+`,
		`flume_channel_put_blocked_seconds_total{agent="a1",channel="c2",type="memory"}`:    "0",
	}
	for _, url := range []string{compat, "http://" + control} {
		var missing []string
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
			_, body := get(t, url+"/metrics/prometheus")
			missing = missing[:0]
			for _, name := range documented {
				if !regexp.MustCompile(series(name)).MatchString(body) {
					missing = append(missing, name)
				}
			}
			for name, want := range values {
				if !regexp.MustCompile("(?m)^" + regexp.QuoteMeta(name) + " " + want + "$").MatchString(body) {
					got := regexp.MustCompile("(?m)^" + regexp.QuoteMeta(name) + ".*$").FindString(body)
					missing = append(missing, fmt.Sprintf("%s %s: got %q", name, want, got))
				}
			}
			if len(missing) == 0 {
				break
			}
		}
		for _, m := range missing {
			t.Errorf("%s has no %s", url, m)
		}
	}
	p.signal(syscall.SIGTERM)
	p.end(exitTempFail)
}
