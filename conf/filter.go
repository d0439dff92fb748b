package conf

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// filterTimeout is how long an external filter's command may take for one key.
const filterTimeout = 10 * time.Second

// filter is a declared config filter of an agent, which resolves ${name['key']}.
type filter struct {
	node   *Node
	broken bool // its own configuration is wrong, which was reported
	get    func(ctx context.Context, key string) found
	cache  map[string]found
}

// externalFilter holds the properties of the external config filter.
type externalFilter struct {
	// Command line that prints the value of a key, which is given as its last argument.
	Command string `conf:"command,required"`
	// Character set of what the command prints.
	Charset string `conf:"charset" enum:"UTF-8|ISO-8859-1|US-ASCII"`
}

var filterTypes = map[string]string{
	"env":      "org.apache.flume.configfilter.EnvironmentVariableConfigFilter",
	"external": "org.apache.flume.configfilter.ExternalProcessConfigFilter",
	"hadoop":   "org.apache.flume.configfilter.HadoopCredentialStoreConfigFilter",
}

// filtered asks a config filter of the entry's agent. ok is false where that is not a filter's name, or where filters do
// not work: they do in the properties of sources, channels, sinks and sink groups.
func (x *expansion) filtered(name, key string) (found, bool) {
	parts := strings.SplitN(x.entry.key, ".", 3)
	if len(parts) < 3 || !slices.Contains([]string{"sources", "channels", "sinks", "sinkgroups"}, parts[1]) {
		return found{}, false
	}
	f := x.filters[parts[0]+"."+name]
	if f == nil {
		return found{why: fmt.Sprintf("agent %s has no config filter %s", parts[0], name)}, true
	}
	if f.broken {
		return found{reported: true}, true
	}
	v, ok := f.cache[key]
	if !ok {
		v = f.get(x.ctx, key)
		f.cache[key] = v
	}
	return v, true
}

// declareFilters makes the filters of all agents. Their own properties are resolved without filters.
func (r *resolver) declareFilters(entries []*entry) {
	for _, e := range entries {
		agent, rest, _ := strings.Cut(e.key, ".")
		if rest != "configfilters" {
			continue
		}
		r.resolve(e)
		list := Property{Value: e.value, ValueAt: e.valueAt}
		for _, item := range list.items() {
			r.filters[agent+"."+item.Name] = r.newFilter(agent, item, entries)
		}
	}
}

func (r *resolver) newFilter(agent string, item Item, entries []*entry) *filter {
	n := &Node{Agent: agent, Family: "configfilters", Name: item.Name, Listed: item.At}
	for _, e := range entries {
		if key, ok := strings.CutPrefix(e.key, n.Path()+"."); ok {
			if r.resolve(e); e.value != "" { // as of every other component: no value is no property
				n.Props = append(n.Props, e.property(key))
			}
		}
	}
	f := &filter{node: n, cache: map[string]found{}}
	typ, ok := n.Get("type")
	if !ok {
		return r.breakFilter(f, MissingType(n, "config filter"))
	}
	name := typ.Value
	for short, class := range filterTypes {
		if strings.EqualFold(name, class) || strings.EqualFold(name, short) {
			name = short
		}
	}
	n.Type = name + " config filter"
	var onlyType struct {
		Type string `conf:"type"`
	}
	switch name {
	case "env":
		r.take(f, Decode(n, &onlyType))
		f.get = func(_ context.Context, key string) found {
			v, ok := r.env.getenv(key)
			return found{value: v, ok: ok, hidden: true, why: fmt.Sprintf("config filter %s: environment variable %s is not set", item.Name, key)}
		}
	case "external":
		s := externalFilter{Charset: "UTF-8"}
		r.take(f, Decode(n, &s, &onlyType))
		f.get = func(ctx context.Context, key string) found {
			v, err := s.run(ctx, key)
			if err != nil {
				return found{why: fmt.Sprintf("config filter %s, key %s: %v", item.Name, key, err)}
			}
			return found{value: v, ok: true, hidden: true}
		}
	case "hadoop":
		return r.breakFilter(f, RefusedType(n, typ, "config filter",
			"credential stores of Hadoop are not read here: give the secret by ${file:UTF-8:/path}, ${env:NAME}, ${cred:name} or an external filter"))
	default:
		return r.breakFilter(f, UnknownType(n, typ, "config filter", []string{"env", "external"}))
	}
	return f
}

func (r *resolver) take(f *filter, issues []Issue) {
	f.broken = HasErrors(issues)
	for _, is := range issues {
		is.Agent = f.node.Agent
		r.issues = append(r.issues, is)
	}
}

func (r *resolver) breakFilter(f *filter, issue Issue) *filter {
	f.broken = true
	issue.Agent = f.node.Agent
	issue.Flume = "values that use the filter stay as they are written"
	r.issues = append(r.issues, issue)
	return f
}

// run returns the first line that the command prints for key.
func (s externalFilter) run(ctx context.Context, key string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, filterTimeout)
	defer cancel()
	argv := append(strings.Fields(s.Command), key)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.WaitDelay = time.Second
	var out, errs bounded
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("no answer within %s", filterTimeout)
		}
		if line, _, _ := strings.Cut(string(errs), "\n"); line != "" {
			err = fmt.Errorf("%w: %s", err, line)
		}
		return "", fmt.Errorf("command %s: %w", argv[0], err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return "", fmt.Errorf("command %s printed nothing", argv[0])
	}
	if s.Charset == "ISO-8859-1" || !utf8.ValidString(line) {
		latin := make([]rune, len(line))
		for i := range len(line) {
			latin[i] = rune(line[i])
		}
		line = string(latin)
	}
	return line, nil
}

// bounded keeps the first 64 KiB that are written to it.
type bounded []byte

func (b *bounded) Write(p []byte) (int, error) {
	*b = append(*b, p[:min(len(p), 64<<10-len(*b))]...)
	return len(p), nil
}
