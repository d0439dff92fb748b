package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// logStyle is how lines of the log look.
type logStyle int

const (
	styleTerminal logStyle = iota // 09:12:03 INFO  k1 Text key=value
	styleFile                     // 20 Nov 2026 09:12:03,123 INFO  [k1] Text key=value
	styleJournal                  // <6>[k1] Text key=value: the journal has the time and reads the priority
)

// textHandler writes each record as one line; a value of several lines, such as a stack, follows it.
type textHandler struct {
	style logStyle
	level slog.Leveler
	to    *logWriter

	component string
	attrs     string // already written out
	group     string
}

// logWriter keeps lines whole.
type logWriter struct {
	mu  sync.Mutex
	out io.Writer
	buf []byte
}

// newLog returns a logger. format is text, json or journald; text on a terminal is shorter.
func newLog(out io.Writer, format string, terminal bool, level slog.Leveler) *slog.Logger {
	style := styleFile
	switch {
	case format == "json":
		return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level}))
	case format == "journald":
		style = styleJournal
	case terminal:
		style = styleTerminal
	}
	return slog.New(&textHandler{style: style, level: level, to: &logWriter{out: out}})
}

// Enabled implements slog.Handler.
func (h *textHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle implements slog.Handler.
func (h *textHandler) Handle(_ context.Context, r slog.Record) error {
	h.to.mu.Lock()
	defer h.to.mu.Unlock()
	b := h.to.buf[:0]
	when := r.Time
	if when.IsZero() {
		when = time.Now()
	}
	switch h.style {
	case styleTerminal:
		b = when.AppendFormat(b, "15:04:05 ")
		b = fmt.Appendf(b, "%-5s ", r.Level)
	case styleFile:
		b = when.AppendFormat(b, "02 Jan 2006 15:04:05,000 ")
		b = fmt.Appendf(b, "%-5s ", r.Level)
	case styleJournal:
		b = append(b, '<', priority(r.Level), '>')
	}
	switch {
	case h.component == "":
	case h.style == styleTerminal:
		b = append(append(b, h.component...), ' ')
	default:
		b = append(append(append(b, '['), h.component...), "] "...)
	}
	b = append(b, r.Message...)
	b = append(b, h.attrs...)
	var long []string
	r.Attrs(func(a slog.Attr) bool {
		b, long = appendAttr(b, long, h.group, a)
		return true
	})
	b = append(b, '\n')
	for _, text := range long {
		b = append(b, strings.TrimRight(text, "\n")...)
		b = append(b, '\n')
	}
	h.to.buf = b
	_, err := h.to.out.Write(b)
	return err
}

// priority is the level for syslog and the journal.
func priority(l slog.Level) byte {
	switch {
	case l >= slog.LevelError:
		return '3'
	case l >= slog.LevelWarn:
		return '4'
	case l >= slog.LevelInfo:
		return '6'
	}
	return '7'
}

// appendAttr appends key=value, or puts a value of several lines aside.
func appendAttr(b []byte, long []string, group string, a slog.Attr) ([]byte, []string) {
	v := a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return b, long
	}
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, in := range v.Group() {
			b, long = appendAttr(b, long, group, in)
		}
		return b, long
	}
	text := v.String()
	if strings.Contains(text, "\n") && a.Key == "stack" {
		return b, append(long, text)
	}
	b = append(append(append(append(b, ' '), group...), a.Key...), '=')
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || r == 0x7f }) {
		return strconv.AppendQuote(b, text), long
	}
	return append(b, text...), long
}

// WithAttrs implements slog.Handler. The component's name stands in front of the message.
func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *h
	b := []byte(h.attrs)
	for _, a := range attrs {
		if a.Key == "component" && h.group == "" {
			n.component = a.Value.String()
			continue
		}
		b, _ = appendAttr(b, nil, h.group, a)
	}
	n.attrs = string(slices.Clip(b))
	return &n
}

// WithGroup implements slog.Handler.
func (h *textHandler) WithGroup(name string) slog.Handler {
	n := *h
	if name != "" {
		n.group += name + "."
	}
	return &n
}
