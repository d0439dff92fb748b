package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"goflume/test/service"
)

// side is Flume or our agent with the same configuration.
type side struct {
	*service.Process
	name string
	addr string // of the netcat source
	dir  string
}

// bothSides starts Flume and our agent.
func bothSides(t *testing.T, conf string) []side {
	t.Helper()
	f := service.Start(t, service.Flume{Conf: conf})
	a := service.Start(t, service.Agent{Conf: conf})
	return []side{{f.Process, "Flume", f.Addr("netcat"), f.Dir}, {a.Process, "our agent", a.Addr("netcat"), a.Dir}}
}

// converse sends text, closes its half of the connection and returns all that is answered.
func converse(t *testing.T, addr string, text []byte) []byte {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	if _, err := conn.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil && !errors.Is(err, syscall.ENOTCONN) { // it has closed already
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil && len(answer) == 0 {
		t.Fatal(err)
	}
	return answer
}

// TestRealNetcatAnswersAndStoresAsFlume holds one configuration, run by Flume and by us, against the same bytes.
func TestRealNetcatAnswersAndStoresAsFlume(t *testing.T) {
	sides := bothSides(t, `
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = ${port:netcat}
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.channels.c1.capacity = 10000
a1.channels.c1.transactionCapacity = 1000
a1.sinks.k1.type = file_roll
a1.sinks.k1.channel = c1
a1.sinks.k1.sink.directory = ${dir}/tmp
a1.sinks.k1.sink.rollInterval = 0
a1.sinks.k1.sink.batchSize = 1
`)
	for _, text := range []string{
		"hello\n", "no newline at the end", "one\ntwo\nthree\n", "\n\n", "carriage return\r\n", "zwölf Boxkämpfer\n", "tab\tand nul\x00\n",
		strings.Repeat("x", 511) + "\n", strings.Repeat("y", 512) + "\n", strings.Repeat("z", 2000) + "\nafter\n", strings.Repeat("n\n", 600),
	} {
		want := converse(t, sides[0].addr, []byte(text))
		if got := converse(t, sides[1].addr, []byte(text)); !bytes.Equal(got, want) {
			t.Errorf("%.60q: we answer %q, Flume %q", text, got, want)
		}
	}
	sides[1].Stop(time.Minute) // we drain, Flume does not
	ours := rolledText(t, sides[1].dir)
	flumes := awaitRolled(t, sides[0].Process, sides[0].dir, func(text string) bool { return len(text) >= len(ours) })
	sides[0].Stop(time.Minute)
	if ours == "" || ours != flumes {
		t.Errorf("we store %d bytes, Flume %d:\n%.2000q\n%.2000q", len(ours), len(flumes), ours, flumes)
	}
}

// throughKafka are the two halves of a way through Kafka: netcat into a topic, and the topic into a log. Events travel
// with their headers in Flume's Avro form.
func throughKafka(bootstrap, topic string) (in, out string) {
	in = fmt.Sprintf(`
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = ${port:netcat}
a1.sources.r1.channels = c1
a1.sources.r1.interceptors = i1
a1.sources.r1.interceptors.i1.type = static
a1.sources.r1.interceptors.i1.key = origin
a1.sources.r1.interceptors.i1.value = netcat
a1.channels.c1.type = memory
a1.sinks.k1.type = org.apache.flume.sink.kafka.KafkaSink
a1.sinks.k1.channel = c1
a1.sinks.k1.kafka.bootstrap.servers = %s
a1.sinks.k1.kafka.topic = %s
a1.sinks.k1.kafka.producer.acks = all
a1.sinks.k1.useFlumeEventFormat = true
`, bootstrap, topic)
	out = fmt.Sprintf(`
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = org.apache.flume.source.kafka.KafkaSource
a1.sources.r1.channels = c1
a1.sources.r1.kafka.bootstrap.servers = %s
a1.sources.r1.kafka.topics = %s
a1.sources.r1.kafka.consumer.group.id = %s
a1.sources.r1.kafka.consumer.auto.offset.reset = earliest
a1.sources.r1.batchDurationMillis = 200
a1.sources.r1.useFlumeEventFormat = true
a1.sources.r1.setTopicHeader = false
a1.channels.c1.type = memory
a1.channels.c1.capacity = 1000
a1.channels.c1.transactionCapacity = 1000
a1.sinks.k1.type = logger
a1.sinks.k1.channel = c1
`, bootstrap, topic, topic)
	return in, out
}

// awaitTravelled waits for the lines hello 0 to 4 with their header in a log that the logger sink writes.
func awaitTravelled(t *testing.T, await func(context.Context, string) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	for i := range 5 {
		if err := await(ctx, fmt.Sprintf("body: 68 65 6C 6C 6F 20 3%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := await(ctx, "origin=netcat"); err != nil {
		t.Error(err)
	}
}

func sendFive(t *testing.T, addr string) {
	t.Helper()
	for i := range 5 {
		if answer := netcatLine(t, addr, fmt.Sprint("hello ", i)); answer != "OK" {
			t.Fatalf("netcat answers %q, want OK", answer)
		}
	}
}

func TestRealFlumeReadsOurKafkaSink(t *testing.T) {
	in, out := throughKafka(service.Shared(t, service.Kafka{}).Bootstrap(), "ours")
	ours := service.Start(t, service.Agent{Conf: in})
	flume := service.Start(t, service.Flume{Conf: out})
	sendFive(t, ours.Addr("netcat"))
	awaitTravelled(t, flume.AwaitLog)
}

func TestRealOurKafkaSourceReadsFlume(t *testing.T) {
	in, out := throughKafka(service.Shared(t, service.Kafka{}).Bootstrap(), "flumes")
	flume := service.Start(t, service.Flume{Conf: in})
	ours := service.Start(t, service.Agent{Conf: out})
	sendFive(t, flume.Addr("netcat"))
	awaitTravelled(t, ours.AwaitLog)
}
