package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"goflume/conf"
	"goflume/examples"
	"goflume/internal/docgen"
)

var createVerb = verb{name: "create", usage: "SOURCE/CHANNEL/SINK | --example NAME", does: "write a configuration that runs", options: true, run: create,
	more: "  agent create netcat/memory/logger -o flume.conf\n  agent create --full exec/file/hdfs     with every property and what it means\n" +
		"  agent create --example taildir-hdfs -o flume.conf\n\nExamples (agent list examples says more): " + wrap(strings.Join(examples.Names(), ", "), 90, "  ") + "\n"}

// samples are values for properties that have no default and are needed, by key.
var samples = map[string]string{
	"bind": "127.0.0.1", "host": "127.0.0.1", "hostname": "127.0.0.1", "port": "44444", "ports": "10001 10002",
	"command": "tail -F /var/log/syslog", "spoolDir": "/var/spool/flume", "filegroups": "f1",
	"hdfs.path": "file:///tmp/flume", "sink.directory": "out",
	"kafka.bootstrap.servers": "localhost:9092", "kafka.topics": "flume", "kafka.topic": "flume",
	"hostNames": "localhost:9200", "endpoint": "http://127.0.0.1:8080/",
	"table": "events", "columnFamily": "f", "hive.metastore": "thrift://localhost:9083", "hive.database": "default", "hive.table": "events",
	"driver.url": "jdbc:sqlite:flume.db",
}

// further are lines that a type has beside them: it needs one of several properties, or runs better than with Flume's
// defaults.
var further = map[string][]string{
	"hdfs sink":           {"hdfs.fileType = DataStream", "hdfs.rollInterval = 3600", "hdfs.rollSize = 134217728", "hdfs.rollCount = 0"},
	"taildir source":      {"filegroups.f1 = /var/log/app/.*log"},
	"twitter source":      {"bearerToken = ${env:TWITTER_BEARER_TOKEN}"},
	"twitter_json source": {"bearerToken = ${env:TWITTER_BEARER_TOKEN}"},
}

func create(o *options, std streams) int {
	if o.example != "" {
		return createExample(o, std)
	}
	if len(o.args) != 1 {
		fmt.Fprintln(std.err, "agent create: name one flow, such as netcat/memory/logger")
		return exitUsage
	}
	names := strings.Split(o.args[0], "/")
	if len(names) == 2 {
		names = []string{names[0], "memory", names[1]}
	}
	if len(names) != 3 {
		fmt.Fprintf(std.err, "agent create: %q is not SOURCE/CHANNEL/SINK, such as netcat/memory/logger\n", o.args[0])
		return exitUsage
	}
	all := families()
	var types [3]docgen.Type
	for i, family := range []string{"sources", "channels", "sinks"} {
		t, ok := docgen.Find(all, family, names[i])
		if !ok || t.Refused != "" {
			fmt.Fprintf(std.err, "agent create: there is no %s type %q\n  = help: %s\n", strings.TrimSuffix(family, "s"), names[i], nearType(all, family, names[i]))
			return exitUsage
		}
		types[i] = t
	}
	agent := o.name
	if agent == "" {
		agent = "a1"
	}
	return o.deliver(std, configuration(agent, types, o.full),
		fmt.Sprintf("agent %s, %s → %s → %s", agent, types[0].Name, types[1].Name, types[2].Name))
}

// deliver prints the configuration, or writes it into the file of --output and says what it is.
func (o *options) deliver(std streams, text, what string) int {
	if o.output == "" || o.output == "-" {
		fmt.Fprint(plain(std.out), text)
		return exitOK
	}
	if err := writeNew(o.output, text); err != nil {
		fmt.Fprintf(std.err, "agent create: %v\n", err)
		return exitCantCreate
	}
	fmt.Fprintf(std.out, "wrote %s: %s        next: agent -f %s\n", o.output, what, o.output)
	return exitOK
}

func nearType(all []docgen.Family, family, name string) string {
	var names []string
	for _, f := range all {
		if f.Is(family) {
			for _, t := range f.Types {
				names = append(names, t.Name)
			}
		}
	}
	if near := conf.Nearest(name, names); near != "" {
		return "did you mean " + near + "?"
	}
	return "`agent list " + family + "` shows them"
}

func writeNew(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: nothing is written", file)
	}
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// configuration is the text of one source, channel and sink.
func configuration(agent string, types [3]docgen.Type, full bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s to %s by way of a %s channel. Run it with: agent -f FILE\n", types[0].Name, types[2].Name, types[1].Name)
	fmt.Fprintf(&b, "%s.sources = r1\n%s.channels = c1\n%s.sinks = k1\n", agent, agent, agent)
	for i, part := range []struct{ path, wiring string }{{"sources.r1", "channels = c1"}, {"channels.c1", ""}, {"sinks.k1", "channel = c1"}} {
		path := agent + "." + part.path + "."
		fmt.Fprintf(&b, "\n%stype = %s\n", path, types[i].Name)
		if part.wiring != "" {
			fmt.Fprintf(&b, "%s%s\n", path, part.wiring)
		}
		for _, s := range types[i].Fields {
			if s.Common {
				continue
			}
			value, ok := samples[s.Key]
			switch {
			case ok && (s.Required || s.Default == ""):
				fmt.Fprintf(&b, "%s%s = %s\n", path, s.Key, value)
			case s.Required:
				fmt.Fprintf(&b, "# %s\n%s%s = CHANGE-ME\n", s.About, path, s.Key)
			}
		}
		if types[i].Kind+types[i].Name == "channelmemory" {
			batch := largestBatch(types)
			fmt.Fprintf(&b, "%scapacity = %d\n%stransactionCapacity = %d\n", path, 10*batch, path, batch)
		}
		for _, line := range further[types[i].Name+" "+types[i].Kind] {
			fmt.Fprintf(&b, "%s%s\n", path, line)
		}
		if full {
			everything(&b, path, types[i])
		}
	}
	return b.String()
}

// largestBatch is the least transactionCapacity that the types run well with: their largest batch, and at least 100.
func largestBatch(types [3]docgen.Type) int {
	most := 100
	for _, t := range types {
		for _, s := range t.Fields {
			if n, err := strconv.Atoi(s.Default); s.Batch && err == nil {
				most = max(most, n)
			}
		}
	}
	return most
}

// everything writes the type's properties as comments: what they mean and their defaults.
func everything(b *strings.Builder, path string, t docgen.Type) {
	fmt.Fprintln(b)
	for _, s := range t.Fields {
		if s.Required {
			continue
		}
		fmt.Fprintf(b, "## %s (%s)\n#%s%s = %s\n", wrap(s.About, 110, "## "), s.Allowed(), path, s.Key, s.Default)
	}
}
