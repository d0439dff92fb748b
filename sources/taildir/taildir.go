// Package taildir is the source that follows files as they grow, and takes every line as an event.
//
// A file is known by its device, its inode, its first bytes and those before the position, not by its name: one that was
// renamed is followed to its end, one that was truncated or took over another's inode is read from its start. What a file
// held before it was truncated is looked for in a copy, as a rotation with copytruncate makes it. How far each file was
// delivered is noted for every batch, so that after a crash at most one batch of each file comes again.
package taildir

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"goflume/conf"
	"goflume/internal/javaregex"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/retry"
	"goflume/internal/vfs"
	"goflume/sources"
)

// Settings of the taildir source.
type Settings struct {
	// Names of the file groups, separated by blanks.
	Groups []string `conf:"filegroups,required"`
	// What a group follows: a directory, `/`, and a regular expression that matches the whole of the files' names.
	Patterns map[string]string `conf:"filegroups.*"`
	// Headers of a group's events: `headers.<group>.<name>`.
	Headers map[string]string `conf:"headers.*"`
	// File that keeps how far each file was read, in Flume's own format. Beside it a second one, with .goflume at its end,
	// notes every batch.
	PositionFile string `conf:"positionFile"`
	// Whether each event gets the offset of its line in the file as the header `byteoffset`.
	ByteOffsetHeader bool `conf:"byteOffsetHeader"`
	// Whether files that are there at the start and not in the position file are read from their end on.
	SkipToEnd bool `conf:"skipToEnd"`
	// Time without growth after which a file is closed; a last line without newline is then sent as it is.
	IdleTimeout time.Duration `conf:"idleTimeout" unit:"ms" min:"0"`
	// Time between two writes of the position file.
	WritePosInterval time.Duration `conf:"writePosInterval" unit:"ms" min:"1"`
	// Most lines sent at once.
	BatchSize int `conf:"batchSize,batch" min:"1"`
	// Most batches read from one file before the next one has its turn; 0 or less is no limit but a turn's own.
	MaxBatchCount int64 `conf:"maxBatchCount"`
	// Whether a directory that has not changed is not listed again.
	CachePatternMatching bool `conf:"cachePatternMatching"`
	// Whether each event gets the path of its file as a header.
	FileHeader bool `conf:"fileHeader"`
	// Name of that header.
	FileHeaderKey string `conf:"fileHeaderKey"`
	// Longest line in bytes, or longest event of several lines; what is longer becomes several events.
	MaxLineLength int `conf:"maxLineLength" min:"1"`
	// Java regular expression that is found in the first line of an event: lines in which it is not belong to the event
	// before them, with their line ends between them. Without it every line is an event.
	MultiLineStart string `conf:"multiLineStart"`
	// Longest wait for more lines of an event, after which those that came are sent. A file's end ends no event, the next
	// first line does.
	MultiLineTimeout time.Duration `conf:"multiLineTimeout" unit:"ms" min:"1"`
	// Waits while the channels refuse.
	Retry retry.Settings `conf:",inline"`
}

func init() {
	registry.Add(sources.Registry, "taildir", []string{"org.apache.flume.source.taildir.TaildirSource"}, Settings{
		PositionFile:         "~/.flume/taildir_position.json",
		IdleTimeout:          2 * time.Minute,
		WritePosInterval:     3 * time.Second,
		BatchSize:            100,
		MaxBatchCount:        math.MaxInt64,
		CachePatternMatching: true,
		FileHeaderKey:        "file",
		MaxLineLength:        16 << 20,
		MultiLineTimeout:     5 * time.Second,
		Retry:                retry.DefaultSettings,
	}, New)
}

// Validate checks that every group has a pattern that can be used.
func (s *Settings) Validate() error {
	for _, g := range s.Groups {
		pattern, ok := s.Patterns[g]
		if !ok {
			return conf.Errorf("filegroups", "group %s has no filegroups.%s", g, g)
		}
		if _, err := newGroup(g, pattern); err != nil {
			return conf.Errorf("filegroups."+g, "%v", err)
		}
	}
	if _, err := firstLine(s.MultiLineStart); err != nil {
		return conf.Errorf("multiLineStart", "%v", err)
	}
	return nil
}

// positionFile is the path of the position file, below the user's home where it starts with ~.
func (s Settings) positionFile() (string, error) {
	rest, ok := strings.CutPrefix(s.PositionFile, "~/")
	if !ok {
		return s.PositionFile, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return s.PositionFile, err
	}
	return filepath.Join(home, rest), nil
}

var _ conf.PositionKeeper = Settings{}

// KeepsPositions implements conf.PositionKeeper.
func (s Settings) KeepsPositions() (key, file string) {
	file, _ = s.positionFile() // New tells what is wrong with it
	return "positionFile", file
}

// group is a directory with a pattern of names.
type group struct {
	name, dir string
	pattern   *javaregex.Regexp
	headers   []header
	listed    time.Time // modification time of the directory when it was listed
	missing   bool      // the directory could not be looked into
}

type header struct{ key, value string }

func newGroup(name, pattern string) (*group, error) {
	dir, file := filepath.Split(pattern)
	if dir == "" || file == "" {
		return nil, fmt.Errorf("%q is no directory with a pattern of file names", pattern)
	}
	re, err := javaregex.Compile(file)
	if err != nil {
		return nil, err
	}
	return &group{name: name, dir: filepath.Clean(dir), pattern: re}, nil
}

// Source follows files.
type Source struct {
	settings Settings
	fs       vfs.FS // for the position file and its journal
	copyTime time.Duration
	log      *slog.Logger
	health   func(error)
	counters metric.SourceCounters
}

// New returns a taildir source.
func New(env registry.Env, s Settings) (sources.Source, error) {
	var err error
	if s.PositionFile, err = s.positionFile(); err != nil {
		return nil, conf.Errorf("positionFile", "%s: %v", s.PositionFile, err)
	}
	return &Source{settings: s, fs: vfs.OS{}, copyTime: copyTime, log: env.Log, health: env.Report, counters: metric.NewSource(env.Metrics)}, nil
}

// Run follows the files until ctx is cancelled. Each run goes on from the positions on disk.
func (s *Source) Run(ctx context.Context, out sources.Output) error {
	f, err := newFollower(s, out)
	if err != nil {
		return err
	}
	defer f.close()
	return f.run(ctx)
}

// groups returns the groups of the settings with their headers.
func (s *Settings) groups() (all []*group, err error) {
	for _, name := range s.Groups {
		g, err := newGroup(name, s.Patterns[name])
		if err != nil {
			return nil, err
		}
		for key, value := range s.Headers {
			if k, ok := strings.CutPrefix(key, name+"."); ok {
				g.headers = append(g.headers, header{k, value})
			}
		}
		all = append(all, g)
	}
	return all, nil
}
