package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"goflume/conf"
	"goflume/internal/docgen"
)

var createVerb = verb{name: "create", usage: "SOURCE/CHANNEL/SINK", does: "write a configuration that runs", options: true, run: create,
	more: "  agent create netcat/memory/logger -o flume.conf\n  agent create --full exec/file/hdfs     with every property and what it means\n"}

// samples are values for properties that have no default and are needed, or that make a first run more pleasant, by type
// and key. Those of a key alone stand for every type.
var samples = map[string]string{
	"bind": "127.0.0.1", "host": "127.0.0.1", "hostname": "127.0.0.1", "port": "44444", "ports": "10001 10002",
	"channel/memory.capacity": "1000", "channel/memory.transactionCapacity": "100",
	"command": "tail -F /var/log/syslog", "spoolDir": "/var/spool/flume",
	"filegroups": "f1", "filegroups.f1": "/var/log/app/.*log", "positionFile": "taildir_position.json",
	"hdfs.path": "file:///tmp/flume", "hdfs.fileType": "DataStream", "sink.directory": "out",
	"kafka.bootstrap.servers": "localhost:9092", "kafka.topics": "flume", "kafka.topic": "flume",
	"hostNames": "localhost:9200", "endpoint": "http://127.0.0.1:8080/",
	"table": "events", "columnFamily": "f", "hive.metastore": "thrift://localhost:9083", "hive.database": "default", "hive.table": "events",
	"consumerKey": "${env:TWITTER_CONSUMER_KEY:-}", "consumerSecret": "${env:TWITTER_CONSUMER_SECRET:-}",
	"accessToken": "${env:TWITTER_ACCESS_TOKEN:-}", "accessTokenSecret": "${env:TWITTER_ACCESS_SECRET:-}", "bearerToken": "${env:TWITTER_BEARER:-}",
	"driver.url": "jdbc:sqlite:flume.db",
}

func create(o *options, std streams) int {
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
	text := configuration(agent, types, o.full)
	if o.output == "" || o.output == "-" {
		fmt.Fprint(std.out, text)
		return exitOK
	}
	if err := writeNew(o.output, text); err != nil {
		fmt.Fprintf(std.err, "agent create: %v\n", err)
		return exitCantCreate
	}
	fmt.Fprintf(std.out, "wrote %s: agent %s, %s → %s → %s        next: agent -f %s\n", o.output, agent,
		types[0].Name, types[1].Name, types[2].Name, o.output)
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
			value, sample := samples[types[i].Kind+"/"+types[i].Name+"."+s.Key]
			if !sample {
				value, sample = samples[s.Key]
			}
			switch {
			case sample && (s.Required || s.Default == "" || strings.Contains(s.Key, "apacity") || s.Key == "hdfs.fileType"):
				fmt.Fprintf(&b, "%s%s = %s\n", path, s.Key, value)
			case s.Required:
				fmt.Fprintf(&b, "# %s\n%s%s = CHANGE-ME\n", s.About, path, s.Key)
			}
		}
		if i == 0 && slices.ContainsFunc(types[i].Fields, func(s docgen.Setting) bool { return s.Key == "filegroups.*" }) {
			fmt.Fprintf(&b, "%sfilegroups.f1 = %s\n", path, samples["filegroups.f1"])
		}
		if full {
			everything(&b, path, types[i])
		}
	}
	return b.String()
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
