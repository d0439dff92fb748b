package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/magiconair/properties"
	"github.com/spf13/pflag"

	"goflume/conf"
)

// options are what the command line, the environment and flume.opts say. Names and meanings are those of bin/flume-ng and
// its agent, with our own after them.
type options struct {
	args []string // words that are no options

	name       string
	files      []string
	uris       []string
	user       string
	password   string
	poll       time.Duration
	backup     string
	remoteDir  string // of the copies of configurations on web servers
	noReload   bool
	confDir    string
	dryRun     bool
	zookeeper  string
	zkBase     string
	provider   string
	auth       string
	classpath  string
	plugins    string
	define     map[string]string // -Dkey=value
	jvm        []string          // -X..., -javaagent... and the like
	help       bool
	passFile   string
	lenient    bool
	healthy    bool
	drain      time.Duration
	admin      string
	logFormat  string
	logLevel   string
	stateDir   string
	secretsDir string
	colour     string
	pidFile    string
	optsFile   string

	format string // of what a verb prints
	output string
	deny   bool
	probe  bool
	full   bool

	ready   bool
	verbose bool

	example       string
	write         bool
	execToTaildir bool
}

// flagsOf declares the options of a verb. Those of run are also read from AGENT_... variables and flume.opts.
func (o *options) flagsOf(verb string) *pflag.FlagSet {
	fs := pflag.NewFlagSet(verb, pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.SortFlags = false
	fs.StringArrayVarP(&o.files, "conf-file", "f", nil, "`FILE` or directory with the configuration; several: later ones override")
	fs.StringVarP(&o.name, "name", "n", "", "the `AGENT` of the configuration; not needed when there is only one")
	fs.StringVarP(&o.confDir, "conf", "c", "", "`DIR` with flume-env.sh, flume.opts, core-site.xml and such")
	fs.StringArrayVarP(&o.uris, "conf-uri", "u", nil, "`URL` of the configuration: http, https or file; wins over --conf-file")
	fs.StringVar(&o.user, "conf-user", "", "`USER` for --conf-uri")
	fs.StringVar(&o.password, "conf-password", "", "`PASSWORD` for --conf-uri; other users of the machine see it: take the file")
	fs.StringVar(&o.passFile, "conf-password-file", "", "`FILE` with the password for --conf-uri")
	fs.VarP((*seconds)(&o.poll), "poll-interval", "i", "`SECONDS` between looks at the configuration (30, with http 300)")
	fs.StringVarP(&o.backup, "backup-directory", "b", "", "`DIR` for a copy of the last good configuration")
	fs.BoolVar(&o.noReload, "no-reload-conf", false, "do not watch the configuration; SIGHUP still reloads it")
	fs.BoolVarP(&o.dryRun, "dryrun", "d", false, "print the options and the flow, validate, and end")
	fs.StringVarP(&o.zookeeper, "zkConnString", "z", "", "`HOST:PORT,...` of ZooKeeper, where the configuration is; wins over --conf-file and --conf-uri")
	fs.StringVarP(&o.zkBase, "zkBasePath", "p", "/flume", "`NODE` below which the node of the agent's name has the configuration")
	fs.StringVar(&o.provider, "conf-provider", "", "Java class; refused")
	fs.StringVarP(&o.auth, "auth-provider", "a", "", "Java class; refused")
	fs.StringVarP(&o.classpath, "classpath", "C", "", "Java class path; accepted, without effect")
	fs.StringVar(&o.plugins, "plugins-path", "", "directories with Java plug-ins; accepted, without effect")
	fs.BoolVarP(&o.help, "help", "h", false, "this help")

	fs.BoolVar(&o.lenient, "lenient", false, "start what is in order and leave out the rest, as Flume does")
	fs.BoolVar(&o.healthy, "require-healthy", false, "end with status 69 where a component cannot start")
	o.drain = 30 * time.Second
	fs.Var((*seconds)(&o.drain), "drain-timeout", "`SECONDS` to empty memory channels at a stop")
	fs.StringVar(&o.admin, "admin", "", "`ADDR`, unix:PATH or off: where the admin interface listens")
	fs.StringVar(&o.logFormat, "log-format", "", "text, json or journald")
	fs.StringVar(&o.logLevel, "log-level", "", "debug, info, warn or error")
	fs.StringVar(&o.stateDir, "state-dir", "", "`DIR` for positions and such")
	fs.StringVar(&o.secretsDir, "secrets-dir", "", "`DIR` of ${cred:name}")
	fs.StringVar(&o.colour, "color", "auto", "auto, always or never")
	fs.StringVar(&o.pidFile, "pid-file", "", "`FILE` for the process id")
	fs.StringVar(&o.optsFile, "opts-file", "/etc/flume/flume.opts", "`FILE` with default options")

	switch verb {
	case "validate":
		fs.StringVar(&o.format, "format", "text", "text, json, github or sarif")
		fs.BoolVar(&o.probe, "probe", false, "also ask whether servers, ports and directories are there; changes nothing")
		fs.BoolVar(&o.deny, "deny-warnings", false, "warnings fail as well")
	case "graph":
		fs.StringVar(&o.format, "format", "text", "text, mermaid or dot")
	case "list", "status":
		fs.StringVar(&o.format, "format", "text", "text or json")
	case "health":
		fs.BoolVar(&o.ready, "ready", false, "ask whether it can take events, not only whether it lives")
		fs.BoolVar(&o.verbose, "verbose", false, "also tell the state of every component")
	case "create":
		fs.StringVarP(&o.output, "output", "o", "", "`FILE` to write, which must not exist")
		fs.BoolVar(&o.full, "full", false, "with every property, commented out")
		fs.StringVar(&o.example, "example", "", "the example of this `NAME`, or list for their names")
	case "fmt":
		fs.BoolVarP(&o.write, "write", "w", false, "write the files instead of printing them")
	case "migrate":
		fs.BoolVar(&o.execToTaildir, "exec-to-taildir", false, "make taildir sources of exec sources that run tail -F")
		fs.BoolVarP(&o.write, "write", "w", false, "write the files instead of a diff")
	}
	return fs
}

// twoLetters are the short names of Flume that have more than one letter.
var twoLetters = map[string]string{"prov": "conf-provider", "user": "conf-user", "pwd": "conf-password"}

// parseOptions reads a verb's command line. The error is one for the user, to end with exitUsage.
func parseOptions(verb string, args []string) (*options, error) {
	o := &options{define: map[string]string{}}
	fs := o.flagsOf(verb)
	if err := fs.Parse(o.rewrite(fs, args)); err != nil {
		return o, optionError(fs, verb, err)
	}
	o.args = fs.Args()
	if o.help {
		return o, nil
	}
	if err := readEnvironment(fs); err != nil {
		return o, err
	}
	return o, o.readOpts(fs)
}

// readEnvironment takes options that were not given from AGENT_NAME, AGENT_CONF_FILE and so on.
func readEnvironment(fs *pflag.FlagSet) error {
	var errs []error
	fs.VisitAll(func(f *pflag.Flag) {
		name := "AGENT_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if v := os.Getenv(name); v != "" && !f.Changed {
			if err := fs.Set(f.Name, v); err != nil {
				errs = append(errs, fmt.Errorf("environment variable %s: %w", name, err))
			}
		}
	})
	return errors.Join(errs...)
}

// rewrite makes arguments that pflag reads as Java's commons-cli and bin/flume-ng do: -name for --name, -Dkey=value and
// the options of a JVM anywhere.
func (o *options) rewrite(fs *pflag.FlagSet, args []string) []string {
	var out []string
	for i, a := range args {
		name, value, given := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if given {
			value = "=" + value
		}
		switch {
		case a == "--":
			return append(out, args[i:]...)
		case strings.HasPrefix(a, "-D") && len(a) > 2:
			key, v, _ := strings.Cut(a[2:], "=")
			o.define[key] = v
		case strings.HasPrefix(a, "-X"), strings.HasPrefix(a, "-agentlib"), strings.HasPrefix(a, "-agentpath"), strings.HasPrefix(a, "-javaagent"):
			o.jvm = append(o.jvm, a)
		case strings.HasPrefix(a, "-") && twoLetters[name] != "":
			out = append(out, "--"+twoLetters[name]+value)
		case strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--") && len(name) > 1 && fs.Lookup(name) != nil:
			out = append(out, "--"+name+value)
		default:
			out = append(out, a)
		}
	}
	return out
}

// seconds is an option's duration: a bare number of seconds, as in Flume, or one with a unit.
type seconds time.Duration

func (s *seconds) Set(text string) error {
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		*s = seconds(time.Duration(n) * time.Second)
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is neither a number of seconds nor a duration such as 1m30s", text)
	}
	*s = seconds(d)
	return nil
}

func (s *seconds) String() string { return time.Duration(*s).String() }

func (s *seconds) Type() string { return "seconds" }

// optionError says what is wrong with an option, and the nearest one that exists.
func optionError(fs *pflag.FlagSet, verb string, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	var names []string
	fs.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	name := unknown.GetSpecifiedName()
	if near := conf.Nearest(name, names); near != "" && len(name) > 1 {
		return fmt.Errorf("%w: did you mean --%s?", err, near)
	}
	return fmt.Errorf("%w; `agent help %s` lists the options", err, verb)
}

// readOpts takes default options from flume.opts: properties named as the long options. It is no error when there is none.
func (o *options) readOpts(fs *pflag.FlagSet) error {
	for _, file := range []string{o.optsFile, o.confDir + "/flume.opts"} {
		if file == "/flume.opts" {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		p, err := (&properties.Loader{Encoding: properties.UTF8, DisableExpansion: true}).LoadBytes(data)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, key := range p.Keys() {
			f := fs.Lookup(key)
			if f == nil {
				return fmt.Errorf("%s: there is no option %s", file, key)
			}
			value, _ := p.Get(key)
			value = strings.TrimSpace(value)
			if f.Changed || value == "" {
				continue
			}
			if err := fs.Set(key, value); err != nil {
				return fmt.Errorf("%s: %s: %w", file, key, err)
			}
		}
		return nil
	}
	return nil
}

// useColour tells whether what goes to w may have colours.
func (o *options) useColour(w io.Writer) bool {
	switch o.colour {
	case "always":
		return true
	case "never":
		return false
	}
	f, ok := plain(w).(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// env is the world of the configuration's look-ups.
func (o *options) env(now time.Time) conf.Env {
	return conf.Env{Sys: o.define, SecretsDir: o.secretsDir, Now: now, Version: version, Lenient: o.lenient,
		BareEnv: strings.HasSuffix(o.define["propertiesImplementation"], "EnvVarResolverProperties")}
}
