package soak

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/colinmarc/hdfs/v2"

	"goflume/test/ledger"
	"goflume/test/service"
)

// flow is one way of numbered lines through the agent.
type flow struct {
	name   string
	ledger *ledger.Ledger
	// gather tells the ledger of everything that is at the destination now.
	gather func(ctx context.Context) error
	// files is whether the lines lie in files, in their order, and a kill in the middle of a write may leave part of one.
	files bool
}

// Rates and sizes of all that is fed.
const (
	width      = 120 // bytes of a line
	ahead      = 100 // lines of a network client that wait for their answers
	clients    = 2   // per network source
	netPause   = 200 * time.Millisecond
	logEvery   = 100 * time.Millisecond
	logLines   = 50     // appended at a time
	logRotate  = 20_000 // lines after which the log file is rotated
	spoolEvery = time.Second
	spoolLines = 500 // of a file
	perSecond  = 600 // an upper bound of what one client sends
)

// conf is the agent's configuration, with places such as ${hdfs} that the world fills in. What a reload changes are batch and
// capacity.
const conf = `
a1.sources = net log topic spool wide
a1.channels = cnet clog ctopic cspool cwide
a1.sinks = hdfs kafka search files wide

# netcat, file channel, HDFS
a1.sources.net.type = netcat
a1.sources.net.bind = 127.0.0.1
a1.sources.net.port = ${port:net}
a1.sources.net.channels = cnet
a1.channels.cnet.type = file
a1.channels.cnet.checkpointDir = ${disk}/net/checkpoint
a1.channels.cnet.dataDirs = ${disk}/net/data
a1.channels.cnet.capacity = 200000
a1.channels.cnet.maxFileSize = 4194304
a1.channels.cnet.minimumRequiredSpace = 1048576
a1.sinks.hdfs.type = hdfs
a1.sinks.hdfs.channel = cnet
a1.sinks.hdfs.hdfs.path = ${hdfs}/soak
a1.sinks.hdfs.hdfs.fileType = DataStream
a1.sinks.hdfs.hdfs.batchSize = ${batch}
a1.sinks.hdfs.hdfs.callTimeout = 10000
a1.sinks.hdfs.hdfs.rollInterval = 10
a1.sinks.hdfs.hdfs.rollSize = 0
a1.sinks.hdfs.hdfs.rollCount = 0
a1.sinks.hdfs.hdfs.retryInterval = 5

# taildir, file channel, Kafka
a1.sources.log.type = TAILDIR
a1.sources.log.channels = clog
a1.sources.log.filegroups = f1
a1.sources.log.filegroups.f1 = ${fed}/log/app.*[.]log
a1.sources.log.positionFile = ${disk}/log/positions.json
a1.sources.log.batchSize = 500
a1.channels.clog.type = file
a1.channels.clog.checkpointDir = ${disk}/log/checkpoint
a1.channels.clog.dataDirs = ${disk}/log/data
a1.channels.clog.capacity = ${capacity}
a1.channels.clog.maxFileSize = 4194304
a1.channels.clog.minimumRequiredSpace = 16777216
a1.sinks.kafka.type = kafka
a1.sinks.kafka.channel = clog
a1.sinks.kafka.kafka.bootstrap.servers = ${kafka}
a1.sinks.kafka.kafka.topic = soak
a1.sinks.kafka.flumeBatchSize = 500
a1.sinks.kafka.kafka.producer.request.timeout.ms = 5000

# the same topic, file channel, search server
a1.sources.topic.type = kafka
a1.sources.topic.channels = ctopic
a1.sources.topic.kafka.bootstrap.servers = ${kafka}
a1.sources.topic.kafka.topics = soak
a1.sources.topic.kafka.consumer.group.id = soak
a1.sources.topic.kafka.consumer.auto.offset.reset = earliest
a1.sources.topic.kafka.consumer.session.timeout.ms = 6000
a1.sources.topic.kafka.consumer.heartbeat.interval.ms = 1000
a1.sources.topic.kafka.consumer.request.timeout.ms = 5000
a1.sources.topic.batchSize = 1000
a1.sources.topic.batchDurationMillis = 200
a1.channels.ctopic.type = file
a1.channels.ctopic.checkpointDir = ${disk}/topic/checkpoint
a1.channels.ctopic.dataDirs = ${disk}/topic/data
a1.channels.ctopic.capacity = 200000
a1.channels.ctopic.maxFileSize = 4194304
a1.channels.ctopic.minimumRequiredSpace = 0
a1.sinks.search.type = elasticsearch
a1.sinks.search.channel = ctopic
a1.sinks.search.hostNames = ${search}
a1.sinks.search.indexName = soak
a1.sinks.search.indexNameBuilder = simple
a1.sinks.search.documentId = hash
a1.sinks.search.batchSize = 500
a1.sinks.search.requestTimeout = 10000

# spooldir, file channel, files
a1.sources.spool.type = spooldir
a1.sources.spool.channels = cspool
a1.sources.spool.spoolDir = ${fed}/spool
a1.sources.spool.trackerDir = ${disk}/spool/tracker
a1.sources.spool.batchSize = 200
a1.channels.cspool.type = file
a1.channels.cspool.checkpointDir = ${disk}/spool/checkpoint
a1.channels.cspool.dataDirs = ${disk}/spool/data
a1.channels.cspool.capacity = 200000
a1.channels.cspool.maxFileSize = 4194304
a1.channels.cspool.minimumRequiredSpace = 0
a1.sinks.files.type = file_roll
a1.sinks.files.channel = cspool
a1.sinks.files.sink.directory = ${disk}/out/files
a1.sinks.files.sink.rollInterval = 10
a1.sinks.files.sink.batchSize = 500

# netcat, Kafka channel, files
a1.sources.wide.type = netcat
a1.sources.wide.bind = 127.0.0.1
a1.sources.wide.port = ${port:wide}
a1.sources.wide.channels = cwide
a1.channels.cwide.type = kafka
a1.channels.cwide.kafka.bootstrap.servers = ${kafka}
a1.channels.cwide.kafka.topic = soak-channel
a1.channels.cwide.kafka.consumer.group.id = soak-channel
a1.channels.cwide.kafka.consumer.session.timeout.ms = 6000
a1.channels.cwide.kafka.consumer.heartbeat.interval.ms = 1000
a1.channels.cwide.kafka.consumer.request.timeout.ms = 5000
a1.channels.cwide.kafka.producer.request.timeout.ms = 5000
a1.sinks.wide.type = file_roll
a1.sinks.wide.channel = cwide
a1.sinks.wide.sink.directory = ${disk}/out/wide
a1.sinks.wide.sink.rollInterval = 10
a1.sinks.wide.sink.batchSize = 500
`

// sinkNames are those of conf.
var sinkNames = []string{"hdfs", "kafka", "search", "files", "wide"}

// fileChannels are those of conf that tell how much they hold.
var fileChannels = []string{"cnet", "clog", "ctopic", "cspool"}

// feed starts everything that sends lines until stop is closed; wait returns when all have ended.
func (w *world) feed(ctx context.Context, stop <-chan struct{}) (wait func() error) {
	type feeder func() error
	var feeders []feeder
	for _, f := range []struct {
		flow *flow
		port string
	}{{w.flows.net, "net"}, {w.flows.wide, "wide"}} {
		for c := range clients {
			feeders = append(feeders, func() error {
				return f.flow.ledger.Feed(ctx, ledger.Feed{Addr: w.agent.Addr(f.port), Client: c, Ahead: ahead, Pause: netPause, Until: stop})
			})
		}
	}
	feeders = append(feeders, func() error { return w.feedLog(stop) }, func() error { return w.feedSpool(stop) })
	ended := make(chan error, len(feeders))
	for _, f := range feeders {
		go func() { ended <- f() }()
	}
	return func() error {
		var first error
		for range feeders {
			if err := <-ended; err != nil && first == nil {
				first = err
			}
		}
		return first
	}
}

// feedLog appends to a log file and renames it now and then, as programs that rotate their logs do. A line counts as
// acknowledged once it is in the file. The flow over Kafka and the one behind it carry the same lines.
func (w *world) feedLog(stop <-chan struct{}) error {
	name := filepath.Join(w.fed, "log", "app.log")
	tick := time.NewTicker(logEvery)
	defer tick.Stop()
	var file *os.File
	var text []byte
	for n := 0; n+logLines <= w.flows.kafka.ledger.Lines(); n += logLines {
		select {
		case <-stop:
			return file.Close()
		case <-tick.C:
		}
		if n%logRotate == 0 {
			if file != nil {
				if err := file.Close(); err != nil {
					return err
				}
				if err := os.Rename(name, strings.TrimSuffix(name, ".log")+fmt.Sprintf("-%09d.log", n)); err != nil {
					return err
				}
			}
			var err error
			if file, err = os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
				return err
			}
		}
		text = text[:0]
		for i := range logLines {
			text = w.flows.kafka.ledger.AppendLine(text, 0, n+i)
		}
		if _, err := file.Write(text); err != nil {
			return err
		}
		w.flows.kafka.ledger.Acknowledge(0, n, n+logLines)
		w.flows.search.ledger.Acknowledge(0, n, n+logLines)
	}
	return file.Close()
}

// feedSpool moves whole files into the directory that is spooled. A line counts as acknowledged once its file is there.
func (w *world) feedSpool(stop <-chan struct{}) error {
	tick := time.NewTicker(spoolEvery)
	defer tick.Stop()
	var text []byte
	l := w.flows.spool.ledger
	for n := 0; n+spoolLines <= l.Lines(); n += spoolLines {
		select {
		case <-stop:
			return nil
		case <-tick.C:
		}
		text = text[:0]
		for i := range spoolLines {
			text = l.AppendLine(text, 0, n+i)
		}
		name := fmt.Sprintf("%09d", n)
		if err := os.WriteFile(filepath.Join(w.fed, name), text, 0o644); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(w.fed, name), filepath.Join(w.fed, "spool", name)); err != nil {
			return err
		}
		l.Acknowledge(0, n, n+spoolLines)
	}
	return nil
}

// flows are those of conf, by their sources or destinations.
type flows struct{ net, kafka, search, spool, wide *flow }

func (f *flows) all() []*flow { return []*flow{f.net, f.kafka, f.search, f.spool, f.wide} }

// newFlows makes the ledgers for so long a time.
func (w *world) newFlows(length time.Duration) {
	lines := int(length.Seconds()) * perSecond
	through := func(fill func(ctx context.Context, out io.Writer) error, l *ledger.Ledger) func(context.Context) error {
		return func(ctx context.Context) error {
			r, out := io.Pipe()
			go func() { out.CloseWithError(fill(ctx, out)) }()
			return l.Arrived(r)
		}
	}
	rolled := func(dir string) func(context.Context, io.Writer) error {
		return func(_ context.Context, out io.Writer) error {
			return catFiles(filepath.Join(w.disk.path, "out", dir), out)
		}
	}
	add := func(name string, clients int, files bool, fill func(context.Context, io.Writer) error) *flow {
		l := ledger.New(clients, lines, width)
		return &flow{name: name, ledger: l, gather: through(fill, l), files: files}
	}
	w.flows = flows{
		net: add("netcat > file channel > HDFS", clients, true, func(_ context.Context, out io.Writer) error { return catHDFS(w.hdfs, "/soak", out) }),
		kafka: add("taildir > file channel > Kafka", 1, false, func(ctx context.Context, out io.Writer) error {
			return w.kafka.Values(ctx, "soak", out)
		}),
		search: add("Kafka > file channel > OpenSearch", 1, false, func(ctx context.Context, out io.Writer) error {
			return w.search.Messages(ctx, "soak", out)
		}),
		spool: add("spooldir > file channel > file_roll", 1, true, rolled("files")),
		wide:  add("netcat > Kafka channel > file_roll", clients, true, rolled("wide")),
	}
}

// catFiles writes the contents of all files of a file_roll sink in the order of their numbers; a last line without its end gets
// one, so that it is seen as torn.
func catFiles(dir string, out io.Writer) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	number := func(e os.DirEntry) (start, n int) { // of a name such as 1795247236102-12
		fmt.Sscanf(e.Name(), "%d-%d", &start, &n)
		return start, n
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int {
		startA, a1 := number(a)
		startB, b1 := number(b)
		return cmp.Or(cmp.Compare(startA, startB), cmp.Compare(a1, b1))
	})
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		if err := writeWhole(out, text); err != nil {
			return err
		}
	}
	return nil
}

// catHDFS does the same for a directory of HDFS.
func catHDFS(h *service.HDFSServer, dir string, out io.Writer) error {
	client, err := hdfs.NewClient(hdfs.ClientOptions{Addresses: []string{h.Addr()}, User: service.User()})
	if err != nil {
		return err
	}
	defer client.Close()
	entries, err := client.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, err := client.ReadFile(dir + "/" + e.Name())
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name(), err)
		}
		if err := writeWhole(out, text); err != nil {
			return err
		}
	}
	return nil
}

func writeWhole(out io.Writer, text []byte) error {
	if n := len(text); n > 0 && text[n-1] != '\n' {
		text = append(text, '\n')
	}
	_, err := out.Write(text)
	return err
}
