package interceptor

import (
	"bytes"
	"errors"
	"maps"
	"regexp"
	"slices"

	"goflume/conf"
	"goflume/event"
	"goflume/internal/javaregex"
	"goflume/internal/metric"
	"goflume/internal/registry"
)

func init() {
	registry.Add(Registry, "redact", nil, RedactSettings{Patterns: []string{"card", "email"}, Replacement: "[REDACTED]"}, newRedact)
}

// RedactSettings are the settings of the redact interceptor, which blanks out what must not be stored.
type RedactSettings struct {
	// What to look for, separated by blanks: card (payment card numbers whose check digit holds), email, ipv4, iban, ssn (of the United States), bearer (tokens behind the word Bearer).
	Patterns []string `conf:"patterns"`
	// Java regular expressions of one's own, as in `custom.badge = B-\\d{6}`.
	Custom map[string]string `conf:"custom.*"`
	// What stands in place of what was found.
	Replacement string `conf:"replacement"`
	// Headers to look at beside the body, separated by blanks.
	Headers []string `conf:"headers"`
}

// secret is one thing to look for, and a second look at what was found.
type secret struct {
	re   *regexp.Regexp
	sure func([]byte) bool // nil when the pattern is enough
	has  string            // a character that is in all of them, to pass over texts without it; empty for none
}

var secrets = map[string]secret{
	"card":   {regexp.MustCompile(`\b\d(?:[ -]?\d){12,18}\b`), luhn, ""},
	"email":  {regexp.MustCompile(`\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b`), nil, "@"},
	"ipv4":   {regexp.MustCompile(`\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b`), nil, "."},
	"iban":   {regexp.MustCompile(`\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b`), iban, ""},
	"ssn":    {regexp.MustCompile(`\b\d{3}-\d{2}-\d{4}\b`), nil, "-"},
	"bearer": {regexp.MustCompile(`(?i)\bbearer +[A-Za-z0-9._~+/-]+=*`), nil, " "},
}

// Validate checks the names and the patterns.
func (s RedactSettings) Validate() error {
	var errs []error
	for _, name := range s.Patterns {
		if _, ok := secrets[name]; !ok {
			errs = append(errs, conf.Errorf("patterns", "%q is none of %v; use custom.<name> for a pattern of your own", name, slices.Sorted(maps.Keys(secrets))))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Custom)) {
		errs = append(errs, checkRegex("custom."+name, s.Custom[name]))
	}
	return errors.Join(errs...)
}

type redact struct {
	known   []secret
	custom  []*javaregex.Regexp
	with    []byte
	literal []*javaregex.Replacement // with, for each of custom
	headers map[string]bool
	count   *metric.Counter
	slow    *overtime
}

func newRedact(env registry.Env, s RedactSettings) (Interceptor, error) {
	r := redact{with: []byte(s.Replacement), headers: map[string]bool{}, slow: newOvertime(env), count: env.Metrics.Counter("",
		"flume_interceptor_redacted_total", "Bodies and headers in which something was redacted.", "interceptor", env.Name)}
	for _, name := range s.Patterns {
		r.known = append(r.known, secrets[name])
	}
	for _, name := range slices.Sorted(maps.Keys(s.Custom)) {
		re, err := javaregex.Compile(s.Custom[name])
		if err != nil {
			return nil, err
		}
		r.custom = append(r.custom, re)
		r.literal = append(r.literal, re.Literal(s.Replacement))
	}
	for _, h := range s.Headers {
		r.headers[h] = true
	}
	return r, nil
}

func (r redact) Intercept(b *event.Batch) error {
	rewrite(b, r.slow, r.change)
	if len(r.headers) == 0 {
		return nil
	}
	for i := range b.Events {
		e := &b.Events[i]
		for _, h := range e.Headers {
			if !r.headers[h.Key] {
				continue
			}
			if value, changed, _ := r.change(nil, []byte(h.Value)); changed {
				b.SetHeader(e, h.Key, string(value))
			}
		}
	}
	return nil
}

// change appends text to dst with every secret replaced. A text on which a pattern takes too long is replaced as a whole:
// what was not searched must not pass.
func (r redact) change(dst, text []byte) ([]byte, bool, error) {
	found := false
	for _, s := range r.known {
		if !bytes.Contains(text, []byte(s.has)) || !s.re.Match(text) {
			continue
		}
		text = s.re.ReplaceAllFunc(text, func(m []byte) []byte {
			if s.sure != nil && !s.sure(m) {
				return m
			}
			found = true
			return r.with
		})
	}
	for i, re := range r.custom {
		next, hit, err := re.ReplaceAll(nil, text, r.literal[i])
		if err != nil {
			r.slow.note(err)
			text, found = r.with, true
			break
		}
		if hit {
			text, found = next, true
		}
	}
	if found {
		r.count.Add(1)
	}
	return append(dst, text...), found, nil
}

// luhn tells whether the digits end in the check digit of ISO/IEC 7812-1.
func luhn(number []byte) bool {
	sum, double := 0, false
	for _, c := range slices.Backward(number) {
		if c < '0' || c > '9' {
			continue
		}
		d := int(c - '0')
		if double {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum, double = sum+d, !double
	}
	return sum%10 == 0
}

// iban tells whether the check digits of ISO 13616 hold: the number with its first four characters at the end is 1 modulo 97.
func iban(number []byte) bool {
	var chars []byte
	for _, c := range number {
		if c != ' ' {
			chars = append(chars, c)
		}
	}
	rest := 0
	for _, c := range append(chars[4:len(chars):len(chars)], chars[:4]...) {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	return rest == 1
}
