package kafka

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"goflume/test/service"
)

const flowRecords = 1_000_000

// cpuOf is what a process has used, in hundredths of a second (Linux's /proc).
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skip(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ") // behind the program's name, from field 3 on
	f := strings.Fields(rest)
	user, err1 := strconv.Atoi(f[11])
	kernel, err2 := strconv.Atoi(f[12])
	if err1 != nil || err2 != nil {
		b.Fatalf("/proc/%d/stat: %q", pid, text)
	}
	return time.Duration(user+kernel) * 10 * time.Millisecond
}

// flow runs the agent until its sink k1 has delivered all, and returns what that cost, its start included.
func flow(b *testing.B, conf string) cost {
	b.Helper()
	began := time.Now()
	a := service.Start(b, service.Agent{Conf: conf})
	for {
		done, err := a.FlumeMetric(b.Context(), "SINK.k1", "EventDrainSuccessCount")
		if err != nil {
			b.Fatal(err)
		}
		if done == strconv.Itoa(flowRecords) {
			break
		}
		if time.Since(began) > 5*time.Minute {
			b.Fatalf("%s of %d events are delivered after 5 minutes", done, flowRecords)
		}
		time.Sleep(20 * time.Millisecond)
	}
	c := cost{time.Since(began), cpuOf(b, a.Pid()), flowRecords}
	a.Stop(time.Minute)
	return c
}

func report(b *testing.B, name string, run func(round int) cost) {
	b.Helper()
	var all []cost
	for round := range rounds {
		all = append(all, run(round))
	}
	m := median(all)
	b.Logf("%-14s %v", name, m)
	b.ReportMetric(float64(m.cpu.Nanoseconds())/float64(m.n), "cpu-ns/record")
	b.ReportMetric(0, "ns/op")
}

const flowChannel = `
a1.channels = c1
a1.sources = r1
a1.sinks = k1
a1.sources.r1.channels = c1
a1.sources.r1.batchSize = 1000
a1.sinks.k1.channel = c1
a1.channels.c1.type = memory
a1.channels.c1.capacity = 100000
a1.channels.c1.transactionCapacity = 1000
`

func BenchmarkFileToKafka(b *testing.B) {
	k := service.Shared(b, service.Kafka{})
	dir := b.TempDir()
	file := filepath.Join(dir, "log")
	f, err := os.Create(file)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i := range flowRecords {
		w.Write(values[i%len(values)])
		w.WriteByte('\n')
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	report(b, "file to kafka", func(round int) cost {
		name := topic(b, k.Addrs(), fmt.Sprintf("from-file-%d", round))
		return flow(b, flowChannel+fmt.Sprintf(`
a1.sources.r1.type = taildir
a1.sources.r1.filegroups = f
a1.sources.r1.filegroups.f = %s
a1.sources.r1.positionFile = ${dir}/positions
a1.sinks.k1.type = kafka
a1.sinks.k1.flumeBatchSize = 1000
a1.sinks.k1.kafka.bootstrap.servers = %s
a1.sinks.k1.kafka.topic = %s
`, file, k.Bootstrap(), name))
	})
}

func BenchmarkKafkaToFile(b *testing.B) {
	k := service.Shared(b, service.Kafka{})
	name := topic(b, k.Addrs(), "to-file")
	if err := franz(k.Addrs(), name, "none", 1000, flowRecords); err != nil {
		b.Fatal(err)
	}
	report(b, "kafka to file", func(round int) cost {
		return flow(b, flowChannel+fmt.Sprintf(`
a1.sources.r1.type = kafka
a1.sources.r1.kafka.bootstrap.servers = %s
a1.sources.r1.kafka.topics = %s
a1.sources.r1.kafka.consumer.group.id = flow-%d
a1.sources.r1.kafka.consumer.auto.offset.reset = earliest
a1.sinks.k1.type = file_roll
a1.sinks.k1.sink.directory = ${dir}/out
a1.sinks.k1.sink.batchSize = 1000
`, k.Bootstrap(), name, round))
	})
}
