package kafka

import (
	"errors"
	"fmt"
	"strings"
)

// jaas is one entry of a JAAS configuration as sasl.jaas.config holds it: `module required name="value" ... ;`.
type jaas struct {
	module  string // without its package
	options map[string]string
}

// parseJAAS reads the entry. Errors never hold an option's value: it may be a password.
func parseJAAS(s string) (jaas, error) {
	j := jaas{options: map[string]string{}}
	p := jaasReader{s: s}
	class, err := p.word()
	if err != nil || class == "" {
		return j, errors.New("does not begin with the name of a login module")
	}
	j.module = class[strings.LastIndexByte(class, '.')+1:]
	switch flag, err := p.word(); {
	case err != nil:
		return j, err
	case !strings.EqualFold(flag, "required") && !strings.EqualFold(flag, "requisite") && !strings.EqualFold(flag, "sufficient") &&
		!strings.EqualFold(flag, "optional"):
		return j, fmt.Errorf("after %s comes none of required, requisite, sufficient, optional", j.module)
	}
	for {
		name, err := p.word()
		if err != nil {
			return j, err
		}
		if name == "" {
			break
		}
		if !p.take('=') {
			return j, fmt.Errorf("option %s has no value", name)
		}
		if j.options[name], err = p.word(); err != nil {
			return j, fmt.Errorf("option %s: %w", name, err)
		}
	}
	if !p.take(';') {
		return j, errors.New("does not end with a semicolon")
	}
	if p.space(); p.at < len(p.s) {
		return j, errors.New("has more after the semicolon: one login module is used")
	}
	return j, nil
}

// jaasReader goes through the text.
type jaasReader struct {
	s  string
	at int
}

func (p *jaasReader) space() {
	for p.at < len(p.s) && strings.IndexByte(" \t\r\n\f", p.s[p.at]) >= 0 {
		p.at++
	}
}

func (p *jaasReader) take(c byte) bool {
	p.space()
	if p.at < len(p.s) && p.s[p.at] == c {
		p.at++
		return true
	}
	return false
}

// word reads a bare word, or a text in double or single quotes, in which a backslash stands before a character taken as it is.
// It returns nothing at a separator and at the end.
func (p *jaasReader) word() (string, error) {
	p.space()
	if p.at == len(p.s) {
		return "", nil
	}
	q := p.s[p.at]
	if q != '"' && q != '\'' {
		from := p.at
		for p.at < len(p.s) && strings.IndexByte(" \t\r\n\f=;\"'", p.s[p.at]) < 0 {
			p.at++
		}
		return p.s[from:p.at], nil
	}
	var b strings.Builder
	for p.at++; p.at < len(p.s); p.at++ {
		switch c := p.s[p.at]; {
		case c == q:
			p.at++
			return b.String(), nil
		case c == '\\' && p.at+1 < len(p.s):
			p.at++
			switch e := p.s[p.at]; e {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case 'r':
				b.WriteByte('\r')
			default:
				b.WriteByte(e)
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New("a quote is not closed")
}
