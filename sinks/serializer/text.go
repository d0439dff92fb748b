package serializer

import (
	"goflume/event"
	"goflume/internal/javafmt"
	"goflume/internal/registry"
)

// TextSettings of the TEXT and HEADER_AND_TEXT serializers.
type TextSettings struct {
	// Whether each event ends in a newline. Without it the bodies have to bring their own.
	AppendNewline bool `conf:"appendNewline"`
}

func init() {
	registry.Add(Registry, "TEXT", []string{"org.apache.flume.serialization.BodyTextEventSerializer$Builder"},
		TextSettings{AppendNewline: true}, newText)
	registry.Add(Registry, "HEADER_AND_TEXT", []string{"org.apache.flume.serialization.HeaderAndBodyTextEventSerializer$Builder"},
		TextSettings{AppendNewline: true}, newHeaderAndText)
}

func newText(_ registry.Env, s TextSettings) (Format, error) {
	return text{newline: s.AppendNewline}, nil
}

func newHeaderAndText(_ registry.Env, s TextSettings) (Format, error) {
	return text{headers: true, newline: s.AppendNewline}, nil
}

// text writes bodies as they are, one a line, after their headers if wanted: {k=v, k2=v2} body. It has no state, so that
// one text is the format and the serializer of all its files.
type text struct{ headers, newline bool }

func (t text) File() Serializer { return t }
func (t text) Reopens() bool    { return true }

func (t text) Begin(dst []byte, _ *event.Event) ([]byte, error) { return dst, nil }

func (t text) Append(dst []byte, e *event.Event) ([]byte, error) {
	if t.headers {
		dst = javafmt.AppendHeaders(dst, e.Headers)
		dst = append(dst, ' ')
	}
	dst = append(dst, e.Body...)
	if t.newline {
		dst = append(dst, '\n')
	}
	return dst, nil
}

func (t text) Flush(dst []byte) ([]byte, error) { return dst, nil }
