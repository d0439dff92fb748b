// Package spooldir is the source that reads the files which others put into a directory, each once and to its end, as
// Flume's SpoolDirectorySource does.
//
// A file is finished only when every required channel holds all of it: then it is renamed, deleted or noted in the tracker
// directory. How far the file under way was delivered stands in Flume's own progress file, so that either program goes on
// where the other stopped; what happens between a delivery and its note there repeats at most that batch.
//
// Files should be moved into the directory whole. What Flume stops for for good is set aside or waited for here, and the
// other files go on.
package spooldir

import (
	"encoding"
	"errors"
	"fmt"
	"strings"
	"time"

	"goflume/conf"
	"goflume/internal/charset"
	"goflume/internal/javaregex"
)

// Settings of the spooldir source.
type Settings struct {
	// Directory to read files from. It must exist.
	SpoolDir string `conf:"spoolDir,required"`
	// What is put behind the name of a file that is finished. Files whose names end so are not read.
	FileSuffix string `conf:"fileSuffix"`
	// Whether a finished file is deleted: never, or immediate.
	DeletePolicy string `conf:"deletePolicy" enum:"never|immediate"`
	// How a finished file that is not deleted is known: rename puts fileSuffix behind its name; tracker_dir leaves it as it
	// is and makes an empty file of that name and suffix in trackerDir.
	TrackingPolicy string `conf:"trackingPolicy" enum:"rename|tracker_dir"`
	// Directory for the progress of the file under way, for what tracker_dir notes and, in `quarantine`, for files that
	// cannot be read to their end. A relative one is below spoolDir.
	TrackerDir string `conf:"trackerDir"`
	// Whether an event gets the absolute path of its file as a header.
	FileHeader bool `conf:"fileHeader"`
	// Name of the header with the path.
	FileHeaderKey string `conf:"fileHeaderKey"`
	// Whether an event gets the name of its file as a header.
	BasenameHeader bool `conf:"basenameHeader"`
	// Name of the header with the file's name.
	BasenameHeaderKey string `conf:"basenameHeaderKey"`
	// Java regular expression of the whole names of the files to read.
	IncludePattern string `conf:"includePattern"`
	// Java regular expression of the whole names of files not to read and, with recursiveDirectorySearch, of directories not
	// to look into. It wins over includePattern.
	IgnorePattern string `conf:"ignorePattern"`
	// Which file comes next: the oldest by the time of its last change, the youngest, or random: as the directory lists them,
	// which costs least. Of two of the same time the smaller name comes first.
	ConsumeOrder string `conf:"consumeOrder" enum:"oldest|youngest|random"`
	// Whether directories below spoolDir are read too. Those whose names start with a dot are not; links are not followed.
	Recursive bool `conf:"recursiveDirectorySearch"`
	// How often the directory is looked at for new files. Where the system tells of them they are read at once.
	PollDelay time.Duration `conf:"pollDelay" unit:"ms" min:"1"`
	// Longest wait before a batch that a channel refused is sent again, and before what the disk refused is tried again.
	MaxBackoff time.Duration `conf:"maxBackoff" unit:"ms" min:"1"`
	// Most events sent to the channels at once. A batch may hold events of several files.
	BatchSize int `conf:"batchSize,batch" min:"1"`
	// Character set of the files.
	InputCharset charset.Charset `conf:"inputCharset"`
	// What becomes of bytes that are no text in inputCharset: FAIL sets the file aside in `quarantine` once what stands before
	// them is delivered, REPLACE has U+FFFD in their place, IGNORE leaves them out.
	DecodeErrorPolicy string `conf:"decodeErrorPolicy" enum:"FAIL|REPLACE|IGNORE"`
	// How a file becomes events: LINE, one a line; AVRO, one a record of an Avro container file; BLOB, the file as it is; DEAD_LETTER, one a line of a file that a sink wrote for onError, headers and all.
	Deserializer Format `conf:"deserializer"`
	// Longest line of LINE in characters (UTF-16 units). What is left of a longer one becomes further events; a line of exactly
	// this length is followed by an empty event, as in Flume.
	MaxLineLength int `conf:"deserializer.maxLineLength" was:"bufferMaxLineLength" min:"1" max:"268435456"`
	// Character set of the bodies that LINE makes.
	OutputCharset charset.Charset `conf:"deserializer.outputCharset"`
	// Header by which AVRO tells the schema: HASH sets `flume.avro.schema.hash` to its CRC-64-AVRO fingerprint in hexadecimal,
	// LITERAL sets `flume.avro.schema.literal` to its JSON. The body is the record alone.
	SchemaType string `conf:"deserializer.schemaType" enum:"HASH|LITERAL"`
	// Most bytes of an event of BLOB; a bigger file becomes several events. As much memory is used.
	MaxBlobLength int `conf:"deserializer.maxBlobLength" min:"1"`
	// Whether files ending in .gz, .zst and .bz2 are read as what they hold. They are read from their start again after a
	// restart; no event is sent twice by that.
	Decompress bool `conf:"decompress"`
	// Without effect, as in Flume.
	BufferMaxLines int `conf:"bufferMaxLines"`
}

var defaults = Settings{
	FileSuffix:        ".COMPLETED",
	DeletePolicy:      "never",
	TrackingPolicy:    "rename",
	TrackerDir:        ".flumespool",
	FileHeaderKey:     "file",
	BasenameHeaderKey: "basename",
	IncludePattern:    "^.*$",
	IgnorePattern:     "^$",
	ConsumeOrder:      "oldest",
	PollDelay:         500 * time.Millisecond,
	MaxBackoff:        4 * time.Second,
	BatchSize:         100,
	InputCharset:      charset.UTF8,
	DecodeErrorPolicy: "FAIL",
	Deserializer:      "LINE",
	MaxLineLength:     2048,
	OutputCharset:     charset.UTF8,
	SchemaType:        "HASH",
	MaxBlobLength:     100_000_000,
	BufferMaxLines:    100,
}

// Validate checks the patterns and what goes together.
func (s Settings) Validate() error {
	var errs []error
	if _, err := javaregex.Compile(s.IncludePattern); err != nil {
		errs = append(errs, conf.Errorf("includePattern", "%v", err))
	}
	if _, err := javaregex.Compile(s.IgnorePattern); err != nil {
		errs = append(errs, conf.Errorf("ignorePattern", "%v", err))
	}
	if s.DeletePolicy == "immediate" && s.TrackingPolicy == "tracker_dir" {
		errs = append(errs, conf.Errorf("trackingPolicy", "tracker_dir keeps the files that deletePolicy immediate deletes: take one of them out"))
	}
	if s.DeletePolicy == "never" && (s.FileSuffix == "" || strings.ContainsAny(s.FileSuffix, "/\x00")) {
		errs = append(errs, conf.Errorf("fileSuffix", "must not be empty or hold a slash: finished files would not be known"))
	}
	return errors.Join(errs...)
}

// MaySetHeader implements conf.HeaderSetter.
func (s Settings) MaySetHeader(name string) bool {
	return s.FileHeader && name == s.FileHeaderKey || s.BasenameHeader && name == s.BasenameHeaderKey ||
		s.Deserializer == "AVRO" && (name == schemaHash || name == schemaLiteral)
}

// Format names how a file becomes events: LINE, AVRO, BLOB or DEAD_LETTER.
type Format string

var _ encoding.TextUnmarshaler = (*Format)(nil)

// formats has the names by which Flume knows a deserializer, in lower case.
var formats = map[string]Format{
	"line": "LINE",
	"org.apache.flume.serialization.linedeserializer":         "LINE",
	"org.apache.flume.serialization.linedeserializer$builder": "LINE",
	"avro": "AVRO",
	"org.apache.flume.serialization.avroeventdeserializer":         "AVRO",
	"org.apache.flume.serialization.avroeventdeserializer$builder": "AVRO",
	"blob":        "BLOB",
	"dead_letter": "DEAD_LETTER",
	"org.apache.flume.sink.solr.morphline.blobdeserializer":         "BLOB",
	"org.apache.flume.sink.solr.morphline.blobdeserializer$builder": "BLOB",
}

// UnmarshalText takes an alias or Java class name, in any case.
func (f *Format) UnmarshalText(text []byte) error {
	format, ok := formats[strings.ToLower(string(text))]
	if !ok {
		return fmt.Errorf("this agent has LINE, AVRO, BLOB and DEAD_LETTER; other Java classes do not run here")
	}
	*f = format
	return nil
}
