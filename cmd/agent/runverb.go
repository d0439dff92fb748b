package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"goflume/agent"
	"goflume/agent/admin"
	"goflume/conf"
)

var runVerb = verb{name: "run", aliases: []string{"agent", "node"}, usage: "--conf-file FILE [--name AGENT]", does: "run an agent", options: true, run: run,
	more: `The agent runs until it gets SIGTERM or SIGINT: then its sources stop, its memory channels are drained, its sinks
are closed. A second signal stops at once. SIGHUP reads the configuration again, SIGQUIT prints what every goroutine
does, SIGUSR1 logs the state of every component. The configuration is also read again when it changes; one with errors
is refused, and the running one goes on.
`}

// run runs an agent as the options say.
func run(o *options, std streams) int {
	script := readScript(o.confDir, os.Getenv)
	o.takeScript(script)
	if o.zookeeper != "" && o.name == "" {
		fmt.Fprintln(std.err, "agent run: --zkConnString: say --name; the configuration is in the node of that name")
		return exitUsage
	}
	remotes, leave, err := o.remotes(context.Background())
	defer leave()
	kept := backup{o.backup}
	if err != nil {
		fmt.Fprintln(std.err, "agent run:", err)
		if _, ok := kept.find(o.name); !ok || remotes == nil {
			return exitNoInput
		}
	}
	issues := append(script.issues, o.refused()...)
	if len(o.args) > 0 {
		fmt.Fprintf(std.err, "agent run: unexpected word %q; the configuration is given by --conf-file\n", o.args[0])
		return exitUsage
	}
	if o.admin == "off" {
		o.admin = ""
	}
	if o.admin != "" {
		if err := admin.CheckAddr(o.admin); err != nil {
			fmt.Fprintln(std.err, "agent run: --admin:", err)
			return exitUsage
		}
	}
	if len(o.files) == 0 && !conf.HasErrors(issues) {
		fmt.Fprintf(std.err, "agent run: no configuration: say --conf-file FILE\n  = help: `agent create netcat/memory/logger -o flume.conf` writes a first one\n")
		return exitUsage
	}
	colour, terminal := o.useColour(std.err), isTerminal(std.err)
	out := newSpout(plain(std.err))
	defer out.flush()
	std.err = through(std.err, out)
	conf.WriteText(std.err, issues, colour)
	if conf.HasErrors(issues) {
		return exitOf(issues)
	}
	log, closeLog, err := o.openLog(out, terminal)
	if err != nil {
		fmt.Fprintln(std.err, "agent run:", err)
		return exitUsage
	}
	defer closeLog()
	l := launch{
		loader: loader{files: o.files, name: o.name, lenient: o.lenient, stdin: std.in, env: func(now time.Time) conf.Env {
			env := o.env(now)
			env.Getenv = script.getenv
			return env
		}},
		define: o.define, jvm: o.jvm, poll: o.poll, watch: !o.noReload, patient: o.define["flume.called.from.service"] != "",
		healthy: o.healthy, drainTimeout: o.drain, stateDir: o.stateDir, pidFile: o.pidFile, admin: o.admin, log: log,
		terminal: terminal, colour: colour, remotes: remotes, remotePoll: o.poll, backup: kept,
	}
	if l.remotePoll <= 0 {
		l.remotePoll = remotePoll
	}
	if l.poll <= 0 {
		l.poll = 30 * time.Second
	}
	if l.stateDir == "" {
		l.stateDir = agent.DefaultStateDir()
	}
	if o.dryRun {
		return l.dryRun(std)
	}
	if len(o.jvm) > 0 {
		log.Info("JVM options are not for this program; -Xmx becomes the soft memory limit", "options", strings.Join(o.jvm, " "))
	}
	return l.run(std)
}

// dryRun shows what would run, and what is wrong with it.
func (l launch) dryRun(std streams) int {
	c := l.load(context.Background())
	c.write(std.err, l.colour)
	if c.plan == nil {
		return exitOf(c.issues)
	}
	fmt.Fprintf(std.out, "%s: agent %s: %s, state in %s, drain timeout %v\n\n", l.label(), c.plan.Agent, c.plan.Size(), l.stateDir, l.drainTimeout)
	for _, line := range c.plan.Lines(nil) {
		fmt.Fprintln(std.out, "  "+line)
	}
	return exitOK
}

// takeScript adds what flume-env.sh gives the JVM; the command line wins. Hadoop's files are looked for in the
// configuration's folder first.
func (o *options) takeScript(s script) {
	for _, opt := range s.javaOptions() {
		if kv, ok := strings.CutPrefix(opt, "-D"); ok {
			k, v, _ := strings.Cut(kv, "=")
			if _, given := o.define[k]; !given {
				o.define[k] = v
			}
			continue
		}
		o.jvm = append([]string{opt}, o.jvm...)
	}
	if o.confDir != "" {
		if found, _ := filepath.Glob(filepath.Join(o.confDir, "*-site.xml")); len(found) > 0 {
			os.Setenv("HADOOP_CONF_DIR", o.confDir)
		}
	}
}

// getenv looks a variable up in the environment, then in flume-env.sh.
func (s script) getenv(name string) (string, bool) {
	if v, ok := os.LookupEnv(name); ok {
		return v, true
	}
	v, ok := s.vars[name]
	return v, ok
}

// refused reports options that cannot be followed, and takes those apart that mean a file.
func (o *options) refused() []conf.Issue {
	var issues []conf.Issue
	refuse := func(option, help string) {
		issues = append(issues, conf.Issue{Severity: conf.Error, Code: "FL031", Message: option + " is not in this version", Help: []string{help}})
	}
	const instead = "put the configuration into a file and name it with --conf-file"
	if len(o.uris) > 0 {
		o.files = nil // as Flume: --conf-uri wins
	}
	for i, uri := range o.uris {
		if path, ok := strings.CutPrefix(uri, "file:"); ok {
			o.files = append(o.files, "/"+strings.TrimLeft(path, "/"))
		} else if path, ok := strings.CutPrefix(uri, "classpath:"); ok && o.confDir != "" {
			o.files = append(o.files, filepath.Join(o.confDir, filepath.Clean("/"+path))) // the script has that folder in Java's class path
		} else if ok {
			refuse("--conf-uri "+conf.MaskURLs(uri)+" without --conf", "say with --conf in which folder it is")
		} else if !strings.Contains(uri, ":") {
			o.files = append(o.files, uri)
		} else if onWeb(uri) {
			o.files = append(o.files, o.copyOf(i))
		} else {
			refuse("--conf-uri "+conf.MaskURLs(uri), instead+"; http, https, file and classpath are read")
		}
	}
	if o.zookeeper != "" {
		o.files = []string{o.zkCopy()}
	}
	if o.provider != "" {
		refuse("--conf-provider "+o.provider, "Java classes cannot be loaded: "+instead)
	}
	if o.auth != "" {
		refuse("--auth-provider "+o.auth, "Java classes cannot be loaded")
	}
	warn := func(code, message, help string) {
		issues = append(issues, conf.Issue{Severity: conf.Warning, Code: code, Message: message, Help: []string{help}})
	}
	if o.password != "" {
		warn("FL032", "--conf-password can be read by every user of this machine while the agent runs", "write it into a file and name that with --conf-password-file")
	}
	if jars := o.jars(); len(jars) > 0 {
		warn("FL030", "Java class path and plug-ins have no effect: "+strings.Join(jars, ", "), "`agent list` shows what this program has by itself")
	}
	return issues
}

// jars lists what --classpath and --plugins-path name.
func (o *options) jars() []string {
	var jars []string
	if o.classpath != "" {
		jars = strings.Split(o.classpath, ":")
	}
	for dir := range strings.SplitSeq(o.plugins, ":") {
		if dir != "" {
			found, _ := filepath.Glob(filepath.Join(dir, "*", "lib", "*.jar"))
			jars = append(jars, found...)
		}
	}
	return jars
}

// openLog returns the log that the options ask for, log4j's among them: -Dflume.root.logger=LEVEL,console or LOGFILE.
func (o *options) openLog(console io.Writer, terminal bool) (*slog.Logger, func(), error) {
	level, target := o.logLevel, "console"
	if root := o.define["flume.root.logger"]; root != "" {
		first, rest, _ := strings.Cut(root, ",")
		if level == "" {
			level = first
		}
		if strings.Contains(strings.ToUpper(rest), "LOGFILE") {
			target = "file"
		}
	}
	l, ok := logLevels[strings.ToLower(strings.TrimSpace(level))]
	if !ok {
		return nil, nil, fmt.Errorf("log level %q is none of debug, info, warn, error", level)
	}
	switch o.logFormat {
	case "", "text", "json", "journald":
	default:
		return nil, nil, fmt.Errorf("log format %q is none of text, json, journald", o.logFormat)
	}
	if target == "console" {
		return newLog(console, o.logFormat, terminal, l), func() {}, nil
	}
	dir, file := o.define["flume.log.dir"], o.define["flume.log.file"]
	if dir == "" {
		dir = "./logs"
	}
	if file == "" {
		file = "flume.log"
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("log file: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, nil, fmt.Errorf("log file: %w", err)
	}
	out := newSpout(f)
	return newLog(out, o.logFormat, false, l), func() {
		out.flush()
		f.Close()
	}, nil
}

// logLevels are ours and log4j's.
var logLevels = map[string]slog.Level{
	"": slog.LevelInfo, "info": slog.LevelInfo, "debug": slog.LevelDebug, "trace": slog.LevelDebug, "all": slog.LevelDebug,
	"warn": slog.LevelWarn, "warning": slog.LevelWarn, "error": slog.LevelError, "fatal": slog.LevelError, "off": slog.LevelError + 4,
}

func isTerminal(w io.Writer) bool {
	f, ok := plain(w).(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// revision is the commit that the program was built from, as far as the build knows.
func revision() string {
	if commit != "" {
		return commit
	}
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
