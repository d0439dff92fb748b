// Package hdfs is the sink that writes events into files on HDFS, or on a local disk where the path says file:///.
//
// A path and a file name are made for each event from its timestamp and headers; all events of the same path and name
// prefix go to one file, a bucket's, until it rolls. While it is written a file has another name, with `.tmp` at its end
// unless configured otherwise. Write returns once every datanode of the pipeline has acknowledged the batch (hflush).
package hdfs

import (
	"fmt"
	"strings"
	"time"

	"goflume/conf"
	"goflume/internal/deadletter"
	"goflume/internal/escape"
	"goflume/internal/hadoop"
	"goflume/internal/registry"
	"goflume/sinks"
	"goflume/sinks/serializer"
)

// Settings of the hdfs sink.
type Settings struct {
	// Directory of the files, such as hdfs://namenode:8020/logs/%Y-%m-%d or file:///var/spool/logs. %Y and its kin are
	// filled in from the event's timestamp header, %{name} from its headers, %[localhost] from the machine. Without a
	// scheme it lies on fs.defaultFS of core-site.xml, or else on the local disk.
	Path string `conf:"hdfs.path,required"`
	// Start of a file's name; it may have escapes as the path.
	FilePrefix string `conf:"hdfs.filePrefix"`
	// End of a file's name, with its dot. Without one, compressed files end as their codec's files do.
	FileSuffix string `conf:"hdfs.fileSuffix"`
	// What stands in front of the name while a file is written.
	InUsePrefix string `conf:"hdfs.inUsePrefix"`
	// What stands at the end of the name while a file is written.
	InUseSuffix string `conf:"hdfs.inUseSuffix"`
	// Whether a file that is written has its final name from the start.
	EmptyInUseSuffix bool `conf:"hdfs.emptyInUseSuffix"`

	// Age at which a file is closed; 0 is never.
	RollInterval time.Duration `conf:"hdfs.rollInterval" unit:"s" min:"0"`
	// Bytes of bodies after which a file is closed; 0 is never. What is around the bodies does not count.
	RollSize int64 `conf:"hdfs.rollSize" min:"0"`
	// Events after which a file is closed; 0 is never.
	RollCount int `conf:"hdfs.rollCount" min:"0"`
	// Time without events after which a file is closed; 0 is never.
	IdleTimeout time.Duration `conf:"hdfs.idleTimeout" unit:"s" min:"0"`
	// Most events written at once.
	BatchSize int `conf:"hdfs.batchSize,batch" min:"1"`
	// Most files open at a time; the one that was not written to for the longest time is closed for a further one.
	MaxOpenFiles int `conf:"hdfs.maxOpenFiles" min:"1"`
	// Fewest datanodes that must hold what is written: with less, the next file is begun, at most 30 times in a row. -1 is
	// the replication of new files.
	MinBlockReplicas int `conf:"hdfs.minBlockReplicas" min:"-1"`

	// Format of the files: SequenceFile, DataStream (as the serializer makes it) or CompressedStream.
	FileType string `conf:"hdfs.fileType" enum:"SequenceFile|DataStream|CompressedStream"`
	// Compression: gzip, bzip2, deflate, default, snappy, lz4 or zstandard, or the name of one of Hadoop's codec classes.
	Codec string `conf:"hdfs.codeC"`
	// What the values of a SequenceFile are: Writable (BytesWritable) or Text.
	WriteFormat string `conf:"hdfs.writeFormat" enum:"Writable|Text"`
	// How events become bytes in a DataStream or CompressedStream.
	Serializer registry.Nested[serializer.Format] `conf:"serializer"`

	// Whether the time in path and prefix is rounded down.
	Round bool `conf:"hdfs.round"`
	// Multiple of roundUnit that is rounded down to: 1 to 60, with hours 1 to 24.
	RoundValue int `conf:"hdfs.roundValue"`
	// Field that is rounded.
	RoundUnit string `conf:"hdfs.roundUnit" enum:"second|minute|hour"`
	// Time zone of the escapes, such as Europe/Berlin or GMT+08:00; empty is the machine's.
	TimeZone string `conf:"hdfs.timeZone"`
	// Whether the time is the clock's in place of the event's timestamp header.
	UseLocalTimeStamp bool `conf:"hdfs.useLocalTimeStamp"`

	// Longest wait for one call to a namenode or to datanodes; 0 or less waits a day.
	CallTimeout time.Duration `conf:"hdfs.callTimeout" unit:"ms"`
	// Most files that are closed or recovered at the same time.
	ThreadsPoolSize int `conf:"hdfs.threadsPoolSize" min:"1"`
	// Without effect: files are rolled in time without threads of their own.
	RollTimerPoolSize int `conf:"hdfs.rollTimerPoolSize" min:"1"`
	// How often closing or renaming a file is tried in the background after it failed; 0 or less is until it succeeds.
	CloseTries int `conf:"hdfs.closeTries"`
	// Longest pause between two such tries; 0 or less tries once.
	RetryInterval time.Duration `conf:"hdfs.retryInterval" unit:"s"`

	// Kerberos principal, such as flume/_HOST@REALM. Without one a cluster with Kerberos is reached with the ticket cache
	// of kinit.
	KerberosPrincipal string `conf:"hdfs.kerberosPrincipal"`
	// File with the principal's keys.
	KerberosKeytab string `conf:"hdfs.kerberosKeytab"`
	// User on whose behalf files are written. With Kerberos the principal must be allowed to do that (hadoop.proxyuser.* in
	// the namenode's core-site.xml).
	ProxyUser string `conf:"hdfs.proxyUser"`
	// Name that files are marked with while they are written (extended attribute user.goflume.owner), by which a machine
	// that was set up anew finds those that its predecessor left open. Empty is agent/sink@host.
	Owner string `conf:"hdfs.owner"`
	// Without effect: files on file:/// never have checksum files beside them.
	UseRawLocalFileSystem bool `conf:"hdfs.useRawLocalFileSystem"`

	// When events on HDFS are taken as delivered: hflush is when every datanode of the pipeline has acknowledged to have
	// them in memory, as in Flume, which the loss of power of all of them does not survive; close is when the file was closed
	// after them, to be appended to by the next ones: up to 32 batches or 250 ms share one close. Where data transfer is
	// encrypted or signed acknowledgements cannot be seen, and hflush is as close.
	Commit string `conf:"hdfs.commit" enum:"hflush|close"`
	// When files on file:/// are forced to the disk: batch is before each batch is taken as delivered, roll when a file is
	// closed, none never; auto is batch behind a channel that survives a crash, else roll.
	Sync string `conf:"sync" enum:"auto|batch|roll|none"`
	// What becomes of an event that can never be delivered, such as one without a timestamp: fail, drop or file:PATH.
	OnError deadletter.Policy `conf:"onError"`
}

// Defaults as Flume's.
var defaults = Settings{
	FilePrefix: "FlumeData", InUseSuffix: ".tmp",
	RollInterval: 30 * time.Second, RollSize: 1024, RollCount: 10,
	BatchSize: 100, MaxOpenFiles: 5000, MinBlockReplicas: -1,
	FileType: "SequenceFile", WriteFormat: "Writable", Serializer: serializer.Registry.Default("TEXT"),
	RoundValue: 1, RoundUnit: "second",
	CallTimeout: 30 * time.Second, ThreadsPoolSize: 10, RollTimerPoolSize: 1, RetryInterval: 180 * time.Second,
	Commit: "hflush", Sync: "auto",
}

func init() {
	registry.Add(sinks.Registry, "hdfs", []string{"org.apache.flume.sink.hdfs.HDFSEventSink"}, defaults, New)
}

// Validate checks what depends on several values, and the templates.
func (s Settings) Validate() error {
	_, rest, err := hadoop.Split(s.Path, "file:///")
	if err != nil {
		return conf.Errorf("hdfs.path", "%v", err)
	}
	o, key, err := s.escapes()
	if err != nil {
		return conf.Errorf(key, "%v", err)
	}
	if _, err := compilePath(rest, o); err != nil {
		return conf.Errorf("hdfs.path", "%v", err)
	}
	if _, err := compileName(s.FilePrefix, o); err != nil {
		return conf.Errorf("hdfs.filePrefix", "%v", err)
	}
	if (s.KerberosPrincipal == "") != (s.KerberosKeytab == "") {
		return conf.Errorf("hdfs.kerberosPrincipal", "principal and hdfs.kerberosKeytab belong together")
	}
	return s.checkFormat()
}

// NeedsTimestamp tells which key has escapes that need a timestamp header in every event, if any.
func (s Settings) NeedsTimestamp() (key string, needed bool) {
	o, _, err := s.escapes()
	if err != nil {
		return "", false
	}
	for key, text := range map[string]string{"hdfs.path": s.Path, "hdfs.filePrefix": s.FilePrefix} {
		if t, err := escape.Compile(text, o); err == nil && t.NeedsTimestamp() {
			return key, true
		}
	}
	return "", false
}

// escapes are the options of the templates; of an error the key is told.
func (s Settings) escapes() (o escape.Options, key string, err error) {
	o.LocalTime = s.UseLocalTimeStamp
	if o.Zone, err = escape.Zone(s.TimeZone); err != nil {
		return o, "hdfs.timeZone", err
	}
	if !s.Round {
		return o, "", nil
	}
	if o.Round.Unit, err = escape.ParseUnit(s.RoundUnit); err != nil {
		return o, "hdfs.roundUnit", err
	}
	o.Round.Value = s.RoundValue
	if _, err := escape.Compile("", o); err != nil {
		return o, "hdfs.roundValue", err
	}
	return o, "", nil
}

func compilePath(path string, o escape.Options) (*escape.Template, error) {
	o.Confine = escape.Path
	return escape.Compile(path, o)
}

func compileName(name string, o escape.Options) (*escape.Template, error) {
	o.Confine = escape.Name
	return escape.Compile(name, o)
}

// Few events in a file, a short life of one, and lines of an average log, for a prediction.
const (
	fewEvents   = 1000
	shortAge    = 3 * time.Second
	typicalLine = 200
	typicalRate = 1000 // events a second
)

// Advice warns of roll settings that make thousands of tiny files.
func (s Settings) Advice() []conf.Advice {
	events, key, value := 0, "", ""
	if s.RollCount > 0 {
		events, key, value = s.RollCount, "hdfs.rollCount", fmt.Sprint(s.RollCount, " events")
	}
	if n := int(min(s.RollSize/typicalLine+1, fewEvents)); s.RollSize > 0 && (events == 0 || n < events) {
		events, key, value = n, "hdfs.rollSize", fmt.Sprint(s.RollSize, " bytes")
	}
	at, files := "", 0
	if events > 0 && events < fewEvents {
		at, files = fmt.Sprintf("at %s events a second ", thousands(typicalRate)), typicalRate*3600/events
	} else if s.RollInterval > 0 && s.RollInterval <= shortAge {
		key, value, files = "hdfs.rollInterval", s.RollInterval.String(), int(time.Hour/s.RollInterval)
	}
	if files == 0 {
		return nil
	}
	return []conf.Advice{{
		Severity: conf.Warning, Code: "FL430", Key: key,
		Text: fmt.Sprintf("a file is closed after %s: %sthat makes %s files an hour", value, at, thousands(files)),
		Help: []string{"for files by size write `hdfs.rollSize = 134217728`, `hdfs.rollCount = 0` and `hdfs.rollInterval = 3600`"},
	}}
}

func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// inUse returns the name of a file while it is written.
func (s Settings) inUse(name string) string {
	suffix := s.InUseSuffix
	if s.EmptyInUseSuffix {
		suffix = ""
	}
	return s.InUsePrefix + name + suffix
}

// durability of local files.
func (s Settings) durability(durableChannel bool) hadoop.Durability {
	switch strings.ToLower(s.Sync) {
	case "none":
		return hadoop.Never
	case "batch":
		return hadoop.EverySync
	case "auto":
		if durableChannel {
			return hadoop.EverySync
		}
	}
	return hadoop.WhenDone
}
