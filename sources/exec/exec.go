// Package exec is the source that runs a command and takes every line that it prints as an event.
//
// While the channels refuse, the command's output is not read on: the command waits when its pipe is full, and nothing
// that it printed is lost. At stop the command is ended with its whole process group and what it printed until then is
// sent.
package exec

import (
	"context"
	"fmt"
	"log/slog"
	"path"
	"regexp"
	"strings"
	"time"

	"goflume/conf"
	"goflume/internal/charset"
	"goflume/internal/confedit"
	"goflume/internal/metric"
	"goflume/internal/registry"
	"goflume/internal/retry"
	"goflume/sources"
)

// Settings of the exec source.
type Settings struct {
	// Command to run. Without `shell` it is split at blanks into the program and its arguments, with no quoting.
	Command string `conf:"command,required"`
	// Shell that runs the command, such as /bin/sh -c. It is split at blanks; the command is one more argument.
	Shell string `conf:"shell"`
	// Whether the command is run again when it has ended.
	Restart bool `conf:"restart"`
	// Wait before the command is run again.
	RestartThrottle time.Duration `conf:"restartThrottle" unit:"ms" min:"0"`
	// Whether what the command prints as errors is logged. Otherwise it is thrown away.
	LogStdErr bool `conf:"logStdErr"`
	// Most lines sent at once.
	BatchSize int `conf:"batchSize,batch" min:"1"`
	// Longest time since the last batch that fewer lines wait for more.
	BatchTimeout time.Duration `conf:"batchTimeout" unit:"ms" min:"0"`
	// Character set of the output. Bodies are UTF-8 whatever it is.
	Charset charset.Charset `conf:"charset"`
	// Longest line in bytes; what is longer becomes several events.
	MaxLineLength int `conf:"maxLineLength" min:"1"`
}

func init() {
	registry.Add(sources.Registry, "exec", []string{"org.apache.flume.source.ExecSource"}, Settings{
		RestartThrottle: 10 * time.Second,
		BatchSize:       20,
		BatchTimeout:    3 * time.Second,
		Charset:         charset.UTF8,
		MaxLineLength:   16 << 20,
	}, New)
}

// follow finds commands that follow files, which a taildir source does better.
var follow = regexp.MustCompile(`\btail\s+(?:-\S+\s+|\d+\s+)*?-[a-z0-9]*[fF]\S*`)

// Advice tells of the taildir source where the command follows a file, with the lines to write where the files are known.
func (s *Settings) Advice() []conf.Advice {
	at := follow.FindStringIndex(s.Command)
	if at == nil {
		return nil
	}
	help := []string{"`type = TAILDIR` keeps a position file and resumes where it stopped: `agent migrate --exec-to-taildir`"}
	if files := followed(s.Command[at[1]:]); len(files) > 0 {
		help[0] += ","
		help = append(help, "or write in place of the type and the command", "{path}.type = TAILDIR", "")
		var groups []string
		for i, file := range files {
			group := fmt.Sprint("f", i+1)
			groups = append(groups, group)
			dir, name := path.Split(file)
			help = append(help, fmt.Sprintf("{path}.filegroups.%s = %s", group, confedit.EscapeValue(dir+regexp.QuoteMeta(name))))
		}
		help[3] = "{path}.filegroups = " + strings.Join(groups, " ")
	}
	return []conf.Advice{{Severity: conf.Note, Code: "FL501", Key: "command", About: s.Command[at[0]:at[1]],
		Text: "exec sources cannot replay: lines written while the agent is down or the channel is full are lost", Help: help}}
}

// followed returns the files that the rest of a command of tail names, none where a shell may make others of them.
func followed(rest string) (files []string) {
	rest, _, _ = strings.Cut(rest, "|")
	for _, word := range strings.Fields(rest) {
		switch {
		case strings.ContainsAny(word, "&;<>()$`\\\"'*?[]{}#~"):
			return nil
		case path.IsAbs(word) && path.Clean(word) == word:
			files = append(files, word)
		}
	}
	return files
}

// patience is Source's.
const patience = 5 * time.Second

// Source runs a command.
type Source struct {
	settings Settings
	log      *slog.Logger
	health   func(error)
	lost     *metric.Counter
	patience time.Duration // how long a command may take to end after it was told to
}

// New returns an exec source.
func New(env registry.Env, s Settings) (sources.Source, error) {
	return &Source{
		settings: s,
		log:      env.Log,
		health:   env.Report,
		patience: patience,
		lost:     env.Metrics.Counter("", "flume_source_events_total", "Events by outcome.", "outcome", "lost"),
	}, nil
}

// argv returns the program and its arguments, as Flume splits them.
func (s Settings) argv() []string {
	if s.Shell != "" {
		return append(strings.Fields(s.Shell), s.Command)
	}
	return strings.Fields(s.Command)
}

// Run runs the command until ctx is cancelled, again and again if it is to be restarted.
func (s *Source) Run(ctx context.Context, out sources.Output) error {
	for ctx.Err() == nil {
		if err := s.once(ctx, out); err != nil {
			return err
		}
		if ctx.Err() != nil || !s.settings.Restart {
			<-ctx.Done()
			break
		}
		retry.Sleep(ctx, s.settings.RestartThrottle)
	}
	return nil
}

// once runs the command once. The error is that it could not be started.
func (s *Source) once(ctx context.Context, out sources.Output) error {
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := start(running, s)
	if err != nil {
		return err
	}
	s.health(nil)
	err = newCollector(s, c.stdout, out).run(ctx)
	if err != nil {
		cancel() // nobody reads any more
	}
	if status := c.wait(); err == nil {
		err = status
	}
	if ctx.Err() == nil {
		s.ended(err)
	}
	return nil
}

// ended reports the command's end. One that failed is shown as the source's state until it runs again.
func (s *Source) ended(err error) {
	if err != nil {
		s.log.Warn("The command has failed", "command", s.settings.Command, "restart", s.settings.Restart, "err", err)
		s.health(fmt.Errorf("command has ended: %w", err))
		return
	}
	s.log.Info("The command has ended", "command", s.settings.Command, "restart", s.settings.Restart)
}
