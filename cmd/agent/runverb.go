package main

import (
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"goflume/agent"
	"goflume/conf"
)

func init() { verbs["run"] = runVerb }

// runVerb runs an agent.
func runVerb(args []string, std streams) int {
	l := launch{define: map[string]string{}, watch: true}
	var rest []string
	for _, a := range args {
		switch {
		case strings.HasPrefix(a, "-D"):
			k, v, _ := strings.Cut(a[2:], "=")
			l.define[k] = v
		case strings.HasPrefix(a, "-X"):
			l.jvm = append(l.jvm, a)
		default:
			rest = append(rest, a)
		}
	}
	fs := pflag.NewFlagSet("run", pflag.ContinueOnError)
	fs.StringArrayVarP(&l.files, "conf-file", "f", nil, "configuration")
	fs.StringVarP(&l.name, "name", "n", "", "agent")
	fs.BoolVar(&l.lenient, "lenient", false, "")
	fs.BoolVar(&l.healthy, "require-healthy", false, "")
	fs.DurationVar(&l.drainTimeout, "drain-timeout", 30*time.Second, "")
	fs.StringVar(&l.stateDir, "state-dir", agent.DefaultStateDir(), "")
	noReload := fs.Bool("no-reload-conf", false, "")
	if err := fs.Parse(rest); err != nil {
		fmt.Fprintln(std.err, "agent:", err)
		return exitUsage
	}
	l.watch, l.poll = !*noReload, 30*time.Second
	l.stdin = std.in
	l.env = func(now time.Time) conf.Env {
		return conf.Env{Sys: l.define, Now: now, Version: version, Lenient: l.lenient}
	}
	f, ok := std.err.(*os.File)
	if ok {
		info, err := f.Stat()
		l.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	l.colour = l.terminal
	l.log = newLog(std.err, "", l.terminal, slog.LevelInfo)
	return l.run(std)
}

// revision is the commit that the program was built from, as far as the build knows.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
