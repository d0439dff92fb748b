package interceptor

import (
	"bytes"
	"encoding/json"
	"strings"

	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/registry"
)

func init() { registry.Add(Registry, "json", nil, JSONSettings{}, newJSON) }

// JSONSettings are the settings of the json interceptor, which puts fields of a JSON object in the body into headers.
// An event whose body is no JSON object, or lacks a field, passes without that header.
type JSONSettings struct {
	// Names of fields of the body that become headers of the same name, separated by blanks.
	Fields []string `conf:"fields"`
	// Header by header the field it gets, as in `header.host = kubernetes.node.name`: dots lead into objects.
	Header map[string]string `conf:"header.*"`
	// Keep a header that is there already.
	PreserveExisting bool `conf:"preserveExisting"`
}

type toHeader struct {
	header string
	path   []string
}

type jsonFields struct {
	to       []toHeader
	preserve bool
	bad      *metric.Counter
}

func newJSON(env registry.Env, s JSONSettings) (Interceptor, error) {
	j := jsonFields{preserve: s.PreserveExisting, bad: env.Metrics.Counter("", "flume_interceptor_unreadable_total",
		"Values that an interceptor could not read; their header is left out.", "interceptor", env.Name)}
	for _, f := range s.Fields {
		j.to = append(j.to, toHeader{f, []string{f}})
	}
	for header, field := range s.Header {
		j.to = append(j.to, toHeader{header, strings.Split(field, ".")})
	}
	return j, nil
}

func (j jsonFields) Intercept(b *event.Batch) error {
	for i := range b.Events {
		e := &b.Events[i]
		var object map[string]json.RawMessage
		if json.Unmarshal(e.Body, &object) != nil {
			j.bad.Add(1)
			continue
		}
		for _, t := range j.to {
			if j.preserve {
				if _, there := e.Header(t.header); there {
					continue
				}
			}
			if value, ok := find(object, t.path); ok {
				b.SetHeader(e, t.header, value)
			}
		}
	}
	return nil
}

// find returns the value at the path: a string's text, anything else as it is written, and nothing for null.
func find(object map[string]json.RawMessage, path []string) (string, bool) {
	raw, ok := object[path[0]]
	if !ok || bytes.Equal(raw, []byte("null")) {
		return "", false
	}
	if len(path) > 1 {
		var inner map[string]json.RawMessage
		if json.Unmarshal(raw, &inner) != nil {
			return "", false
		}
		return find(inner, path[1:])
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, true
	}
	return string(raw), true
}
