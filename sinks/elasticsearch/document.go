package elasticsearch

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"goflume/event"
)

// shape appends the document of an event. With stamp it has an `@timestamp` in any case, now where the event has none.
type shape func(dst []byte, e *event.Event, stamp bool, now time.Time) []byte

var shapes = map[string]shape{"logstash": appendLogstash, "dynamic": appendDynamic}

const isoMillis = "2006-01-02T15:04:05.000Z"

// logstashFields are the headers that stand at the document's top, unless the event has a header of the field's own name.
var logstashFields = []struct{ header, field string }{
	{"source", "@source"}, {"type", "@type"}, {"host", "@source_host"}, {"src_path", "@source_path"},
}

// appendLogstash is the document of Flume's ElasticSearchLogStashEventSerializer.
func appendLogstash(dst []byte, e *event.Event, stamp bool, now time.Time) []byte {
	dst = append(dst, `{"@message":`...)
	dst = appendValue(dst, e.Body)
	dst = appendTimestamp(dst, e, stamp, now)
	for _, f := range logstashFields {
		value, ok := e.Header(f.header)
		if !ok || strings.TrimSpace(value) == "" {
			continue
		}
		if own, ok := e.Header(f.field); ok && strings.TrimSpace(own) != "" {
			continue
		}
		dst = appendField(dst, f.field, value)
	}
	dst = append(dst, `,"@fields":{`...)
	for i, h := range e.Headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendText(dst, h.Key)
		dst = append(dst, ':')
		dst = appendValue(dst, []byte(h.Value))
	}
	return append(dst, "}}"...)
}

func appendTimestamp(dst []byte, e *event.Event, stamp bool, now time.Time) []byte {
	if own, ok := e.Header("@timestamp"); ok && strings.TrimSpace(own) != "" && !stamp {
		return dst
	}
	at := time.Time{}
	if text, ok := e.Header("timestamp"); ok {
		if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
			at = time.UnixMilli(ms)
		}
	}
	if at.IsZero() && stamp {
		at = now
	}
	if at.IsZero() {
		return dst
	}
	dst = append(dst, `,"@timestamp":"`...)
	dst = at.UTC().AppendFormat(dst, isoMillis)
	return append(dst, '"')
}

// appendDynamic is the document of Flume's ElasticSearchDynamicSerializer.
func appendDynamic(dst []byte, e *event.Event, stamp bool, now time.Time) []byte {
	dst = append(dst, `{"body":`...)
	dst = appendValue(dst, e.Body)
	for _, h := range e.Headers {
		key := h.Key
		if key == "body" {
			key = "body_header"
		}
		if stamp && key == "@timestamp" {
			continue
		}
		dst = append(dst, ',')
		dst = appendText(dst, key)
		dst = append(dst, ':')
		dst = appendValue(dst, []byte(h.Value))
	}
	if stamp {
		dst = appendTimestamp(dst, e, true, now)
	}
	return append(dst, '}')
}

func appendField(dst []byte, field, value string) []byte {
	dst = append(dst, ',')
	dst = appendText(dst, field)
	dst = append(dst, ':')
	return appendValue(dst, []byte(value))
}

// jsonWithin is how far into a text Flume looks for a brace before it tries to read it as JSON, in bytes.
const jsonWithin = 20

var byteOrderMark = []byte("\ufeff")

// appendValue appends text as a JSON string; as itself, in one line, where it is JSON with a brace near its start.
func appendValue(dst, text []byte) []byte {
	if bytes.IndexByte(text[:min(len(text), jsonWithin)], '{') >= 0 {
		t := bytes.TrimSpace(bytes.TrimPrefix(text, byteOrderMark))
		if len(t) > 0 && (t[0] == '{' || t[0] == '[') && utf8.Valid(t) && json.Valid(t) {
			return appendLine(dst, t)
		}
	}
	return appendText(dst, text)
}

// appendLine appends valid JSON without the line ends that may stand between its parts.
func appendLine(dst, text []byte) []byte {
	for len(text) > 0 {
		n := bytes.IndexAny(text, "\r\n")
		if n < 0 {
			n = len(text)
		}
		dst = append(dst, text[:n]...)
		text = text[min(n+1, len(text)):]
	}
	return dst
}

const hex = "0123456789abcdef"

// appendText appends s as a JSON string. Bytes that are no UTF-8 become U+FFFD.
func appendText[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}
