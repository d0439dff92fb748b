package interceptor

import "slices"

// MaySetHeader methods tell diagnostics which headers an event has behind an interceptor (conf.HeaderSetter), so that a
// path that needs a timestamp is not complained of.

// MaySetHeader implements conf.HeaderSetter.
func (s TimestampSettings) MaySetHeader(name string) bool { return name == s.HeaderName }

// MaySetHeader implements conf.HeaderSetter.
func (s HostSettings) MaySetHeader(name string) bool { return name == s.HostHeader }

// MaySetHeader implements conf.HeaderSetter.
func (s StaticSettings) MaySetHeader(name string) bool { return name == s.Key }

// MaySetHeader implements conf.HeaderSetter.
func (s UUIDSettings) MaySetHeader(name string) bool { return name == s.HeaderName }

// MaySetHeader implements conf.HeaderSetter.
func (s RegexExtractorSettings) MaySetHeader(name string) bool {
	groups, err := s.groups()
	return err == nil && slices.ContainsFunc(groups, func(g group) bool { return g.header == name })
}

// MaySetHeader implements conf.HeaderSetter.
func (s JSONSettings) MaySetHeader(name string) bool {
	_, mapped := s.Header[name]
	return mapped || slices.Contains(s.Fields, name)
}
