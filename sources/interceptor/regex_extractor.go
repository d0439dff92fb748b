package interceptor

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"goflume/conf"
	"goflume/event"
	"goflume/internal/javaregex"
	"goflume/internal/joda"
	"goflume/internal/metric"
	"goflume/internal/registry"
)

func init() {
	registry.Add(Registry, "regex_extractor", []string{flume + "RegexExtractorInterceptor$Builder", flume + "RegexExtractorInterceptor"},
		RegexExtractorSettings{}, newRegexExtractor)
}

// RegexExtractorSettings are the settings of the regex_extractor interceptor, which puts the groups of the first match in
// the body into headers.
type RegexExtractorSettings struct {
	// Java regular expression that is looked for in the body.
	Regex string `conf:"regex,required"`
	// Names of the serializers: the first takes the first group, and so on; further groups are not used.
	Serializers []string `conf:"serializers,required"`
	// Of each serializer: `<s>.name` is the header, `<s>.type` is default (the text as it is) or millis (a date, with its Joda `<s>.pattern`, as milliseconds since 1970).
	Serializer map[string]string `conf:"serializers.*"`
}

// Class names of the two serializers; the alias `default` is spelled in capitals in Flume.
var (
	defaultSerializers = []string{"default", flume + "RegexExtractorInterceptorPassThroughSerializer"}
	millisSerializers  = []string{"millis", flume + "RegexExtractorInterceptorMillisSerializer"}
)

// Validate checks the pattern and each serializer.
func (s RegexExtractorSettings) Validate() error {
	groups, err := s.groups()
	re, bad := javaregex.Compile(s.Regex)
	switch {
	case bad != nil:
		err = errors.Join(conf.Errorf("regex", "%v", bad), err)
	case len(groups) > re.Groups():
		err = errors.Join(conf.Errorf("serializers", "%d serializers for the %d groups of the regular expression", len(groups), re.Groups()), err)
	}
	return err
}

// group says what becomes of one group.
type group struct {
	header string
	date   *joda.Pattern // nil for the text as it is
}

func (s RegexExtractorSettings) groups() ([]group, error) {
	var groups []group
	var errs []error
	for _, name := range s.Serializers {
		key := "serializers." + name
		g := group{header: s.Serializer[name+".name"]}
		if g.header == "" {
			errs = append(errs, conf.Errorf("serializers", "serializer %s has no `%s.name`, the header that it sets", name, key))
		}
		typ := strings.TrimSuffix(s.Serializer[name+".type"], "$Builder")
		known := func(names []string) bool {
			return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, typ) })
		}
		switch {
		case typ == "" || known(defaultSerializers):
		case known(millisSerializers):
			p, err := joda.Compile(s.Serializer[name+".pattern"])
			if err != nil || s.Serializer[name+".pattern"] == "" {
				errs = append(errs, conf.Errorf(key+".pattern", "millis needs a Joda date pattern: %v", err))
			}
			g.date = p
		default:
			errs = append(errs, conf.Errorf(key+".type", "serializer type %q is neither default nor millis", typ))
		}
		groups = append(groups, g)
	}
	return groups, errors.Join(errs...)
}

type regexExtractor struct {
	re     *javaregex.Regexp
	groups []group
	slow   *overtime
	bad    *metric.Counter
}

func newRegexExtractor(env registry.Env, s RegexExtractorSettings) (Interceptor, error) {
	re, err := javaregex.Compile(s.Regex)
	if err != nil {
		return nil, err
	}
	groups, err := s.groups()
	if err != nil {
		return nil, err
	}
	bad := env.Metrics.Counter("", "flume_interceptor_unreadable_total", "Values that an interceptor could not read; their header is left out.",
		"interceptor", env.Name)
	return regexExtractor{re, groups, newOvertime(env), bad}, nil
}

// Intercept sets the headers. A group that took no part in the match, and a date that is none, sets no header; in Flume
// they are a null value and an exception that stops the batch.
func (x regexExtractor) Intercept(b *event.Batch) error {
	for i := range b.Events {
		e := &b.Events[i]
		loc, err := x.re.Find(e.Body)
		x.slow.note(err)
		if loc == nil {
			continue
		}
		for j, g := range x.groups {
			from, to := loc[2*j+2], loc[2*j+3]
			if from < 0 {
				continue
			}
			value := string(e.Body[from:to])
			if g.date != nil {
				t, err := g.date.Parse(value, time.Local)
				if err != nil {
					x.bad.Add(1)
					continue
				}
				value = strconv.FormatInt(t.UnixMilli(), 10)
			}
			b.SetHeader(e, g.header, value)
		}
	}
	return nil
}
