package test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"goflume/test/service"
)

// places are the servers that examples are told of by their environment.
type places struct {
	hdfs   *service.HDFSServer
	kafka  *service.KafkaCluster
	search *service.SearchServer
	more   []string // KEY=value
}

// startExample runs one agent of an example as it stands: only the environment says where servers are, and its working
// directory is the agent's Dir.
func startExample(t *testing.T, name, agent string, at places) *service.AgentServer {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../examples", name))
	if err != nil {
		t.Fatal(err)
	}
	env := append([]string{"HADOOP_USER_NAME=" + service.User()}, at.more...)
	if at.hdfs != nil {
		env = append(env, "HDFS="+at.hdfs.URL()+"/"+t.Name())
	}
	if at.kafka != nil {
		env = append(env, "KAFKA="+at.kafka.Bootstrap())
	}
	if at.search != nil {
		u, err := url.Parse(at.search.URL)
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, "ELASTICSEARCH="+u.Host)
	}
	conf := regexp.MustCompile(`\$\{env:PORT:-\d+\}`).ReplaceAllString(string(text), "$${port:netcat}")
	return service.Start(t, service.Agent{Conf: conf, Agent: agent, Env: env})
}

// hadoopLogLine is what Hadoop's client logs between what it prints.
var hadoopLogLine = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ `)

// awaitHDFS waits until Hadoop's own reader finds so many lines in a directory of the example's on HDFS, unfinished files
// included, and returns them sorted.
func awaitHDFS(t *testing.T, h *service.HDFSServer, dir string, lines int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var got []string
	for ctx.Err() == nil {
		text, err := h.FsShell(ctx, "-text", "/"+t.Name()+"/"+dir+"/*/*")
		got = nil
		for line := range strings.Lines(text) {
			if hadoopLogLine.MatchString(line) {
				continue
			}
			got = append(got, strings.TrimSuffix(line, "\n"))
		}
		if err == nil && len(got) >= lines {
			slices.Sort(got)
			return got
		}
	}
	t.Fatalf("%d lines below %s, want %d", len(got), dir, lines)
	return nil
}

// The log shipper is killed between two lines; HDFS has both.
func TestRealTaildirExample(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	a := startExample(t, "taildir-hdfs.conf", "a1", places{hdfs: h})
	log := filepath.Join(a.Dir, "logs", "app.log") // the harness keeps the agent's own log, agent.log, in the same folder
	if err := os.WriteFile(log, []byte("one\ntwo\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	awaitDelivered(ctx, t, a, "k1", 2)
	a.Kill()
	f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("three\n"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := a.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := a.AwaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	awaitDelivered(ctx, t, a, "k1", 1)
	a.Stop(time.Minute)
	got := awaitHDFS(t, h, "logs", 3)
	for _, line := range []string{"one", "two", "three"} {
		if !slices.Contains(got, line) {
			t.Errorf("%s is not there", line)
		}
	}
}

// awaitDelivered waits until a sink has delivered so many events since the agent's start.
func awaitDelivered(ctx context.Context, t *testing.T, a *service.AgentServer, sink string, n int) {
	t.Helper()
	err := service.Await(ctx, fmt.Sprintf("%d events delivered by %s", n, sink), func(ctx context.Context) error {
		text, err := a.FlumeMetric(ctx, "SINK."+sink, "EventDrainSuccessCount")
		if err != nil {
			return err
		}
		var got int
		if _, err := fmt.Sscan(text, &got); err != nil || got < n {
			return fmt.Errorf("there are %s, %v", text, err)
		}
		return nil
	}, a.Process)
	if err != nil {
		t.Fatal(err)
	}
}

func TestRealSpooldirExample(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	var lines []string
	for i := range 1000 {
		lines = append(lines, fmt.Sprintf("line %04d", i))
	}
	spool := filepath.Join(t.TempDir(), "spool")
	if err := os.Mkdir(spool, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(spool, "numbers"), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	a := startExample(t, "spooldir-hdfs.conf", "a1", places{hdfs: h, more: []string{"SPOOL=" + spool}})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	awaitDelivered(ctx, t, a, "k1", len(lines))
	a.Stop(time.Minute)
	got := awaitHDFS(t, h, "spool", len(lines))
	for i := range got { // a time, a tab, the line
		_, got[i], _ = strings.Cut(got[i], "\t")
	}
	if !slices.Equal(got, lines) {
		t.Errorf("Hadoop reads %d lines, the first %q; want the %d of the file", len(got), got[0], len(lines))
	}
}

func TestRealNetcatOverKafkaIntoHDFS(t *testing.T) {
	h := service.Shared(t, service.HDFS{Datanodes: 3})
	k := service.Shared(t, service.Kafka{})
	front := startExample(t, "netcat-kafka-hdfs.conf", "front", places{hdfs: h, kafka: k})
	back := startExample(t, "netcat-kafka-hdfs.conf", "back", places{hdfs: h, kafka: k})
	sendLines(t, front.Addr("netcat"), "one\ntwo\nthree\n")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	awaitDelivered(ctx, t, back, "k1", 3)
	back.Stop(time.Minute)
	if got := awaitHDFS(t, h, "events", 3); !slices.Equal(got, []string{"one", "three", "two"}) {
		t.Errorf("HDFS holds %q", got)
	}
}
