package interceptor

import (
	"errors"

	"goflume/conf"
	"goflume/event"
	"goflume/internal/javaregex"
	"goflume/internal/registry"
)

func init() {
	registry.Add(Registry, "remove_header", []string{flume + "RemoveHeaderInterceptor$Builder", flume + "RemoveHeaderInterceptor"},
		RemoveHeaderSettings{FromListSeparator: `\s*,\s*`}, newRemoveHeader)
}

// RemoveHeaderSettings are the settings of the remove_header interceptor, which takes headers away: those that any of the
// three properties names.
type RemoveHeaderSettings struct {
	// Name of a header to remove.
	WithName string `conf:"withName"`
	// Names of headers to remove, with a separator between them.
	FromList string `conf:"fromList"`
	// Java regular expression that separates the names of the list.
	FromListSeparator string `conf:"fromListSeparator"`
	// Java regular expression; headers whose whole name it matches are removed.
	Matching string `conf:"matching"`
}

// Validate checks the regular expressions.
func (s RemoveHeaderSettings) Validate() error {
	return errors.Join(checkRegex("fromListSeparator", s.FromListSeparator), checkRegex("matching", s.Matching))
}

// checkRegex blames key for a pattern that is none.
func checkRegex(key, pattern string) error {
	if _, err := javaregex.Compile(pattern); err != nil {
		return conf.Errorf(key, "%v", err)
	}
	return nil
}

type removeHeader struct {
	names map[string]bool
	match *javaregex.Regexp // nil for none
	slow  *overtime
}

func newRemoveHeader(env registry.Env, s RemoveHeaderSettings) (Interceptor, error) {
	r := removeHeader{names: map[string]bool{}, slow: newOvertime(env)}
	if s.WithName != "" {
		r.names[s.WithName] = true
	}
	if s.FromList != "" {
		sep, err := javaregex.Compile(s.FromListSeparator)
		if err != nil {
			return nil, err
		}
		for _, name := range split(sep, s.FromList) {
			r.names[name] = true
		}
	}
	if s.Matching != "" {
		var err error
		if r.match, err = javaregex.Compile(s.Matching); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// split cuts text at every match of sep.
func split(sep *javaregex.Regexp, text string) []string {
	var parts []string
	for {
		loc, err := sep.Find([]byte(text))
		if err != nil || loc == nil || loc[1] == 0 {
			return append(parts, text)
		}
		parts = append(parts, text[:loc[0]])
		text = text[loc[1]:]
	}
}

func (r removeHeader) Intercept(b *event.Batch) error {
	drop := func(h event.Header) bool {
		if r.names[h.Key] {
			return true
		}
		if r.match == nil {
			return false
		}
		ok, err := r.match.FullMatch([]byte(h.Key))
		r.slow.note(err)
		return ok
	}
	for i := range b.Events {
		b.DropHeaders(&b.Events[i], drop)
	}
	return nil
}
