package interceptor

import (
	"goflume/conf"
	"goflume/event"
	"goflume/internal/charset"
	"goflume/internal/javaregex"
	"goflume/internal/registry"
)

func init() {
	registry.Add(Registry, "search_replace", []string{flume + "SearchAndReplaceInterceptor$Builder", flume + "SearchAndReplaceInterceptor"},
		SearchReplaceSettings{Charset: charset.UTF8}, newSearchReplace)
}

// SearchReplaceSettings are the settings of the search_replace interceptor, which replaces in the body what a pattern matches.
type SearchReplaceSettings struct {
	// Java regular expression to look for in the body.
	SearchPattern string `conf:"searchPattern,required"`
	// What every match becomes; `$1` is the first group, a backslash makes the next character plain.
	ReplaceString string `conf:"replaceString"`
	// Character set of the body.
	Charset charset.Charset `conf:"charset"`
}

// Validate checks the pattern and the groups that the replacement names; Flume finds the latter at the first event.
func (s SearchReplaceSettings) Validate() error {
	re, err := javaregex.Compile(s.SearchPattern)
	if err != nil {
		return conf.Errorf("searchPattern", "%v", err)
	}
	if _, err := re.Replacement(s.ReplaceString); err != nil {
		return conf.Errorf("replaceString", "%v", err)
	}
	return nil
}

type searchReplace struct {
	re  *javaregex.Regexp
	rep *javaregex.Replacement
	set charset.Charset

	slow *overtime
}

func newSearchReplace(env registry.Env, s SearchReplaceSettings) (Interceptor, error) {
	re, err := javaregex.Compile(s.SearchPattern)
	if err != nil {
		return nil, err
	}
	rep, err := re.Replacement(s.ReplaceString)
	return searchReplace{re, rep, s.Charset, newOvertime(env)}, err
}

func (r searchReplace) Intercept(b *event.Batch) error {
	rewrite(b, r.slow, func(dst, body []byte) ([]byte, bool, error) {
		if r.set.IsUTF8() {
			return r.re.ReplaceAll(dst, body, r.rep)
		}
		text, changed, err := r.re.ReplaceAll(nil, r.set.Decode(nil, body), r.rep)
		return r.set.Encode(dst, text), changed, err
	})
	return nil
}

// rewrite gives events the bodies that change makes of them: it appends to dst and tells whether it changed anything. An
// event on which change fails stays as it is.
func rewrite(b *event.Batch, slow *overtime, change func(dst, body []byte) ([]byte, bool, error)) {
	var scratch []byte
	for i := range b.Events {
		e := &b.Events[i]
		text, changed, err := change(scratch[:0], e.Body)
		scratch = text
		slow.note(err)
		if changed && err == nil {
			body := b.Alloc(len(text))
			copy(body, text)
			e.Body = body
		}
	}
}
