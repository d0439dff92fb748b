package main

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestLogLines(t *testing.T) {
	at := time.Date(2026, 11, 20, 9, 12, 3, 123e6, time.UTC)
	for _, c := range []struct {
		format   string
		terminal bool
		want     string
	}{
		{"text", true, "09:12:03 WARN  k1 Delivery failed wait=1s err=\"connection refused\" path=/a\ngoroutine 1\nmain.main\n"},
		{"", false, "20 Nov 2026 09:12:03,123 WARN  [k1] Delivery failed wait=1s err=\"connection refused\" path=/a\ngoroutine 1\nmain.main\n"},
		{"journald", true, "<4>[k1] Delivery failed wait=1s err=\"connection refused\" path=/a\ngoroutine 1\nmain.main\n"},
		{"json", true, `{"time":"2026-11-20T09:12:03.123Z","level":"WARN","msg":"Delivery failed","component":"k1","wait":1000000000,"err":"connection refused","path":"/a","stack":"goroutine 1\nmain.main\n"}` + "\n"},
	} {
		var out strings.Builder
		log := newLog(&out, c.format, c.terminal, slog.LevelInfo).With("component", "k1").With("wait", time.Second)
		r := slog.NewRecord(at, slog.LevelWarn, "Delivery failed", 0)
		r.Add("err", errors.New("connection refused"), "path", "/a", "stack", "goroutine 1\nmain.main\n")
		if err := log.Handler().Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != c.want {
			t.Errorf("format %q: %q, want %q", c.format, got, c.want)
		}
	}
}

func TestLogKeepsLinesApart(t *testing.T) {
	var out strings.Builder
	log := newLog(&out, "", true, slog.LevelInfo)
	log.Debug("not shown")
	log.Info("shown", "value", "two\nlines", slog.Group("g", "a", 1), "empty", "")
	if got := out.String(); !strings.HasSuffix(got, `INFO  shown value="two\nlines" g.a=1 empty=""`+"\n") || strings.Count(got, "\n") != 1 {
		t.Errorf("log: %q, want one line", got)
	}
}
