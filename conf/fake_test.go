package conf

import (
	"strings"
	"time"
)

// The types that tests configure, standing in for the component families.
var fakes = map[string]map[string]func() any{
	"sources": {
		"netcat": func() any { return &fakeNetcat{MaxLine: 512} },
		"exec":   func() any { return &fakeExec{Batch: 20} },
		"seq":    func() any { return &fakeSeq{Batch: 1} },
		"avro":   func() any { return &fakeAvro{} },
	},
	"channels": {
		"memory": func() any { return &fakeMemory{Capacity: 100, Tx: 100} },
		"file":   func() any { return &fakeMemory{Capacity: 1000000, Tx: 10000} },
	},
	"sinks": {
		"logger": func() any { return &struct{}{} },
		"null":   func() any { return &struct{}{} },
		"hdfs":   func() any { return &fakeHDFS{Batch: 100} },
		"kafka":  func() any { return &fakeKafka{Batch: 100} },
	},
}

type fakeNetcat struct {
	Bind    string `conf:"bind,required"`
	Port    int    `conf:"port,required" min:"0" max:"65535"`
	MaxLine int    `conf:"max-line-length" min:"1"`
	Ack     bool   `conf:"ack-every-event"`
}

type fakeExec struct {
	Command string `conf:"command,required"`
	Shell   string `conf:"shell"`
	Batch   int    `conf:"batchSize,batch" min:"1"`
}

func (s *fakeExec) Advice() []Advice {
	if !strings.HasPrefix(s.Command, "tail -F") {
		return nil
	}
	return []Advice{{Severity: Note, Code: "FL501", Key: "command", About: "tail -F",
		Text: "exec sources cannot replay: lines written while the agent is down or the channel is full are lost",
		Help: []string{"`type = TAILDIR` keeps a position file and resumes where it stopped: `agent migrate --exec-to-taildir`"}}}
}

type fakeSeq struct {
	Total int64 `conf:"totalEvents"`
	Batch int   `conf:"batchSize,batch" min:"1"`
}

type fakeAvro struct {
	Bind     string `conf:"bind,required"`
	Port     int    `conf:"port,required"`
	Password Secret `conf:"keystore-password"`
}

func (*fakeAvro) MaySetHeader(string) bool { return true }

type fakeMemory struct {
	Capacity  int           `conf:"capacity" min:"1"`
	Tx        int           `conf:"transactionCapacity" min:"1"`
	KeepAlive time.Duration `conf:"keep-alive" unit:"s"`
}

func (m *fakeMemory) Validate() error {
	if m.Tx > m.Capacity {
		return Errorf("transactionCapacity", "%d exceeds the capacity of %d", m.Tx, m.Capacity)
	}
	return nil
}

type fakeHDFS struct {
	Path  string `conf:"hdfs.path,required"`
	Batch int    `conf:"hdfs.batchSize,batch" min:"1"`
	Local bool   `conf:"hdfs.useLocalTimeStamp"`
}

func (s *fakeHDFS) NeedsTimestamp() (string, bool) {
	return "hdfs.path", !s.Local && timeEscape.MatchString(s.Path)
}

type fakeKafka struct {
	Topic    string            `conf:"kafka.topic" was:"topic"`
	Batch    int               `conf:"flumeBatchSize,batch" was:"batchSize"`
	Producer map[string]string `conf:"kafka.producer.*"`
}

type fakeCommon struct {
	Type                string   `conf:"type"`
	Channels            []string `conf:"channels,required"`
	Interceptors        []string `conf:"interceptors"`
	InterceptorSettings *Node    `conf:"interceptors.*"`
}

type fakeSinkCommon struct {
	Type    string `conf:"type"`
	Channel string `conf:"channel,required"`
}

type fakeChannelCommon struct {
	Type string `conf:"type"`
}

type fakeTimestamp struct {
	Type string `conf:"type"`
}

func (*fakeTimestamp) MaySetHeader(name string) bool { return name == "timestamp" }

// decodeFake decodes the components of the agent as a registry does and makes the checks across them.
func decodeFake(a *Agent) []Issue {
	var issues []Issue
	decode := func(n *Node, common any) Part {
		kind := strings.TrimSuffix(n.Family, "s")
		typ, ok := n.Get("type")
		if !ok {
			issues = append(issues, MissingType(n, kind))
			return Part{n, nil}
		}
		known := sortedKeys(fakes[n.Family])
		name := strings.ToLower(typ.Value)
		if fakes[n.Family][name] == nil {
			issues = append(issues, UnknownType(n, typ, kind, known))
			if name = NearestType(typ.Value, known); name == "" {
				return Part{n, nil}
			}
		}
		named := *n
		named.Type = name + " " + kind
		settings := fakes[n.Family][name]()
		issues = append(issues, Decode(&named, settings, common)...)
		return Part{n, settings}
	}
	channels := map[string]Part{}
	upstream := map[string][]Part{}
	for _, n := range a.Channels {
		channels[n.Name] = decode(n, &fakeChannelCommon{})
	}
	check := func(is Issue, ok bool) {
		if ok {
			issues = append(issues, is)
		}
	}
	for _, n := range a.Sources {
		source := decode(n, &fakeCommon{})
		for _, c := range n.Items("channels") {
			upstream[c.Name] = append(upstream[c.Name], source)
			for _, i := range n.Items("interceptors") {
				upstream[c.Name] = append(upstream[c.Name], Part{n.Sub("interceptors." + i.Name), &fakeTimestamp{}})
			}
			check(CheckBatch(source, channels[c.Name]))
		}
	}
	for _, n := range a.Sinks {
		sink := decode(n, &fakeSinkCommon{})
		check(CheckTimestamp(sink, upstream[n.Value("channel")]))
		check(CheckBatch(sink, channels[n.Value("channel")]))
	}
	return issues
}
