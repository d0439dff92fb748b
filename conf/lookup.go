package conf

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Env is what the program hands in for look-ups. The zero Env looks at the process's environment, knows no system
// properties and has the time 0.
type Env struct {
	Getenv     func(string) (string, bool) // nil: os.LookupEnv
	Sys        map[string]string           // -Dkey=value
	BareEnv    bool                        // ${NAME} is also an environment variable: propertiesImplementation=...EnvVarResolverProperties
	SecretsDir string                      // of ${cred:name}
	Now        time.Time                   // for ${date:pattern}
	Version    string                      // for ${java:version} and the like
	Lenient    bool                        // a look-up that resolves to nothing is a warning and stays as it is written
}

func (env *Env) getenv(name string) (string, bool) {
	if env.Getenv != nil {
		return env.Getenv(name)
	}
	return os.LookupEnv(name)
}

// maxExpanded bounds a value with all its look-ups in it, so that properties that double each other end.
const maxExpanded = 1 << 20

// maxSecret bounds a secret file.
const maxSecret = 1 << 20

// resolver resolves ${...} in the values of all properties, as commons-text's StringSubstitutor does with Flume's look-ups.
type resolver struct {
	ctx     context.Context
	env     Env
	entries map[string]*entry
	state   map[*entry]int // 0 not yet, 1 under way, 2 done
	filters map[string]*filter
	issues  []Issue
}

// resolve fills in the value of e.
func (r *resolver) resolve(e *entry) {
	if r.state[e] != 0 || !strings.Contains(e.written, "${") {
		return
	}
	r.state[e] = 1
	x := expansion{resolver: r, entry: e}
	e.value = trim(x.expand(e.written, 0, true))
	r.state[e] = 2
}

// expansion is the resolving of one property's value.
type expansion struct {
	*resolver
	entry *entry
	size  int // bytes that look-ups gave
	said  int // issues
}

// found is what a look-up gave.
type found struct {
	value    string
	ok       bool
	why      string // not ok: the reason, for a reader
	denied   bool   // not ok: for want of permission
	deep     bool   // the value may hold further look-ups; those that resolve to nothing stay
	hidden   bool   // a secret
	ask      bool   // not ok, and the text may be meant for somebody else, such as a shell
	reported bool   // not ok, and why was reported
}

// expand returns s with its look-ups resolved. report is whether those that resolve to nothing are issues.
func (x *expansion) expand(s string, depth int, report bool) string {
	var b strings.Builder
	ends := ends(s)
	for done := 0; ; {
		next := strings.Index(s[done:], "${")
		if next < 0 {
			b.WriteString(s[done:])
			return b.String()
		}
		open := done + next
		end, ended := ends[open]
		switch {
		case next > 0 && s[open-1] == '$':
			b.WriteString(s[done:open-1] + "${")
			done = open + 2
		case !ended:
			b.WriteString(s[done : open+2])
			done = open + 2
		default:
			b.WriteString(s[done:open])
			b.WriteString(x.one(s[open:end.shut+1], s[open+2:end.colon], s[end.colon:end.shut], depth, report))
			done = end.shut + 1
		}
	}
}

// ending is the } of a look-up, and the :- before it on the same level, else the same.
type ending struct{ shut, colon int }

// ends finds the look-ups that s has, one in the other, by where they start.
func ends(s string) map[int]ending {
	all := map[int]ending{}
	var starts, colons []int // of those not yet ended; 0 for no :- so far
	for i := 0; i < len(s); i++ {
		last := len(starts) - 1
		switch {
		case strings.HasPrefix(s[i:], "${"):
			starts, colons = append(starts, i), append(colons, 0)
			i++
		case last < 0:
		case s[i] == '}':
			all[starts[last]] = ending{i, cmp.Or(colons[last], i)}
			starts, colons = starts[:last], colons[:last]
		case colons[last] == 0 && strings.HasPrefix(s[i:], ":-"):
			colons[last] = i
		}
	}
	return all
}

// one resolves a single look-up. whole is it as written, name its text up to the default, which starts with :- if it is
// given.
func (x *expansion) one(whole, name, other string, depth int, report bool) string {
	if depth > 20 {
		return whole
	}
	if strings.Contains(name, "${") {
		name = x.expand(name, depth+1, report)
	}
	f := x.lookup(name)
	x.entry.hidden = x.entry.hidden || f.ok && f.hidden
	switch {
	case f.ok && f.deep && strings.Contains(f.value, "${"):
		f.value = x.expand(f.value, depth+1, false)
	case f.ok:
	case other != "":
		f.value = x.expand(other[2:], depth+1, report)
	default:
		if report {
			x.unresolved(whole, name, f)
		}
		return whole
	}
	if x.size += len(f.value); x.size > maxExpanded {
		if x.size-len(f.value) <= maxExpanded {
			x.entry.broken = true
			x.report(Error, codeLookup, whole, "the value is longer than 1 MiB with its look-ups resolved")
		}
		return ""
	}
	return f.value
}

func (x *expansion) report(s Severity, code, whole, format string, args ...any) *Issue {
	if x.said++; x.said > most {
		return &Issue{} // for nobody: as many are enough of one value
	}
	agent, _, _ := strings.Cut(x.entry.key, ".")
	x.issues = append(x.issues, Issue{Severity: s, Code: code, Message: MaskURLs(fmt.Sprintf(format, args...)),
		Mark: Mark{At: x.entry.within(whole)}, Agent: agent, Component: componentOf(x.entry.key), Secret: SecretKey(x.entry.key)})
	return &x.issues[len(x.issues)-1]
}

func (x *expansion) unresolved(whole, name string, f found) {
	if f.ask && strings.HasSuffix(x.entry.key, ".command") {
		is := x.report(Note, codeShell, whole, "%s is left as it is, for the shell: no look-up has that name", whole)
		is.Help = []string{"write `$" + whole + "` to say so"}
		return
	}
	x.entry.broken = x.entry.broken || !x.env.Lenient
	if f.reported {
		return
	}
	severity, code := Error, codeLookup
	if f.denied {
		code = codeDenied
	}
	if x.env.Lenient {
		severity = Warning
	}
	is := x.report(severity, code, whole, "%s", f.why)
	is.Help = []string{fmt.Sprintf("give it a default as in `${%s:-default}`, or write `$%s` for the text itself", name, whole)}
	is.Flume = fmt.Sprintf("the text %s itself is used", whole)
}

// within is the place of text in the entry's value, or of the value.
func (e *entry) within(text string) Pos {
	return Property{Value: e.written, ValueAt: e.valueAt}.within(text)
}

// within is the place of text in the property's value, or of the whole value where it is not written like that.
func (p Property) within(text string) Pos {
	before, _, ok := strings.Cut(p.ValueAt.text(), text)
	if !ok || text == "" {
		return p.ValueAt
	}
	at := p.ValueAt
	at.Column += len([]rune(before))
	at.EndColumn = at.Column + len([]rune(text))
	return at
}

var filterForm = regexp.MustCompile(`^([^\[\]'":.]+)\[(?:'([-_a-zA-Z0-9]+)'|"([-_a-zA-Z0-9]+)"|([-_a-zA-Z0-9]+))\]$`)

// prefixes are the kinds of look-ups. Flume has env, sys, java and date by default; file and cred are for secrets.
var prefixes = []string{"env", "sys", "java", "date", "file", "cred"}

func (x *expansion) lookup(name string) found {
	if m := filterForm.FindStringSubmatch(name); m != nil {
		if f, ok := x.filtered(m[1], m[2]+m[3]+m[4]); ok {
			return f
		}
	}
	if e := x.entries[name]; e != nil {
		return x.property(name, e)
	}
	prefix, rest, ok := strings.Cut(name, ":")
	if !ok {
		if x.env.BareEnv {
			if v, ok := x.env.getenv(name); ok {
				return found{value: v, ok: true, deep: true}
			}
			return found{why: fmt.Sprintf("there is neither a property nor an environment variable %s", name), ask: true}
		}
		f := found{why: fmt.Sprintf("there is no property %s", name), ask: true}
		if _, set := x.env.getenv(name); set {
			f.why += fmt.Sprintf("; the environment variable is written ${env:%s}", name)
		}
		return f
	}
	switch strings.ToLower(prefix) {
	case "env":
		v, ok := x.env.getenv(rest)
		return found{value: v, ok: ok, deep: true, why: fmt.Sprintf("environment variable %s is not set", rest)}
	case "sys":
		v, ok := x.env.Sys[rest]
		if !ok {
			v, ok = systemProperty(rest)
		}
		return found{value: v, ok: ok, deep: true, why: fmt.Sprintf("system property %s is not set: there is no -D%s=...", rest, rest)}
	case "java":
		v, ok := x.env.java(rest)
		return found{value: v, ok: ok, why: fmt.Sprintf("${java:%s} is not known: version, runtime, vm, os, hardware, locale", rest)}
	case "date":
		v, err := formatDate(x.env.Now, rest)
		return found{value: v, ok: err == nil, why: fmt.Sprintf("date pattern %q: %v", rest, err)}
	case "file":
		return secretFile(rest)
	case "cred":
		return x.env.credential(rest)
	}
	f := found{why: fmt.Sprintf("there are no look-ups of kind %s", prefix), ask: true}
	if near := Nearest(prefix, prefixes); near != "" {
		f.why, f.ask = f.why+fmt.Sprintf(": did you mean %s?", near), false
	}
	return f
}

// property is the value of another property, resolved; a cycle is none.
func (x *expansion) property(name string, e *entry) found {
	if x.state[e] == 1 {
		x.entry.broken = true
		x.report(Error, codeCycle, "${"+name, "%s refers to itself by way of ${%s}", x.entry.key, name).Flume = "the process ends at start"
		return found{ok: true, value: "${" + name + "}"}
	}
	x.resolve(e)
	if e.broken {
		return found{reported: true}
	}
	return found{value: e.value, ok: true, hidden: e.hidden}
}

// secretFile reads UTF-8:/path, as commons-text's file look-up has it.
func secretFile(rest string) found {
	charset, path, ok := strings.Cut(rest, ":")
	if !ok {
		return found{why: fmt.Sprintf("${file:%s} has no character set: write ${file:UTF-8:%s}", rest, rest)}
	}
	if !slices.Contains([]string{"utf-8", "utf8", "us-ascii", "iso-8859-1"}, strings.ToLower(charset)) {
		return found{why: fmt.Sprintf("${file:%s} has an unknown character set: write UTF-8", rest)}
	}
	return readSecret(path)
}

func readSecret(path string) found {
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		var data []byte
		if data, err = io.ReadAll(io.LimitReader(f, maxSecret+1)); len(data) > maxSecret {
			err = errors.New("longer than 1 MiB")
		}
		if err == nil {
			return found{value: strings.TrimRight(string(data), "\r\n"), ok: true, hidden: true}
		}
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return found{why: fmt.Sprintf("cannot read secret file %s: %v", path, err), denied: errors.Is(err, fs.ErrPermission)}
}

// credential reads a file of --secrets-dir or of the directory that systemd's LoadCredential fills.
func (env *Env) credential(name string) found {
	dir := env.SecretsDir
	if dir == "" {
		dir, _ = env.getenv("CREDENTIALS_DIRECTORY")
	}
	switch {
	case dir == "":
		return found{why: fmt.Sprintf("${cred:%s} has no directory: neither --secrets-dir nor CREDENTIALS_DIRECTORY is set", name)}
	case name == "" || name == "." || name == ".." || name != filepath.Base(name):
		return found{why: fmt.Sprintf("%q is not the name of a credential: it is one file name, no path", name)}
	}
	return readSecret(filepath.Join(dir, name))
}
