package tool

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"goflume/channels"
	_ "goflume/channels/file"
	"goflume/conf"
	"goflume/event"
	"goflume/internal/metric"
	"goflume/internal/registry"
)

// channel opens a file channel below dir as a configuration would.
func channel(t *testing.T, dir string) channels.Channel {
	t.Helper()
	node := &conf.Node{Agent: "a1", Family: "channels", Name: "c1"}
	for k, v := range map[string]string{
		"type": "file", "checkpointDir": dir + "/checkpoint", "dataDirs": dir + "/data", "maxFileSize": "65536", "minimumRequiredSpace": "0",
	} {
		node.Props = append(node.Props, conf.Property{Key: k, Value: v})
	}
	plan, issues := channels.Registry.Decode(node)
	for _, i := range issues {
		t.Fatal(i.Message)
	}
	c, err := plan.Build(registry.Env{Name: "c1", Log: slog.New(slog.DiscardHandler), Metrics: metric.NewSet(metric.Channel, "a1", "c1", "file")})
	if err == nil {
		err = c.Open(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// run returns the exit code and what was printed.
func run(args ...string) (int, string) {
	var out bytes.Buffer
	return Run(context.Background(), args, &out, &out), out.String()
}

func want(t *testing.T, code int, parts []string, args ...string) {
	t.Helper()
	got, out := run(args...)
	if got != code {
		t.Errorf("%q: exit code %d, want %d:\n%s", args, got, code, out)
	}
	for _, p := range parts {
		if !strings.Contains(out, p) {
			t.Errorf("%q prints no %q:\n%s", args, p, out)
		}
	}
}

func TestVerbs(t *testing.T) {
	dir := t.TempDir()
	c := channel(t, dir)
	events := []event.Event{{Body: []byte("one"), Headers: []event.Header{{Key: "k", Value: "v"}}}, {Body: []byte{0xff, 0xfe}}}
	if err := c.Put(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	want(t, ok, []string{"running"}, "status", dir)
	want(t, cannot, []string{"already locked"}, "fsck", dir)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, ok, []string{"stopped\n", "events       2"}, "status", dir)
	want(t, ok, []string{"events       2", "lost events  0"}, "fsck", dir)
	want(t, ok, []string{`"headers":{"k":"v"},"body":"one"}`, `"base64":"//4="}`}, "dump", dir)
	if _, out := run("dump", "--limit", "1", dir); strings.Count(out, "\n") != 1 {
		t.Errorf("dump --limit 1 prints %q", out)
	}
	want(t, ok, []string{"events       2"}, "fsck", "--checkpoint-dir", dir+"/checkpoint", "--data-dirs", dir+"/data")

	name := filepath.Join(dir, "data", "seg-00000001.fq")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[4096+80+64+3] ^= 1 // in the first event
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, damaged, []string{"events       0", "lost events  2", "agent channel repair"}, "fsck", dir)
	want(t, ok, []string{"lost events  2"}, "repair", dir)
	want(t, ok, []string{"lost events  0", "damaged      0"}, "fsck", dir)
}

func TestWrongUse(t *testing.T) {
	want(t, usage, []string{"usage: agent channel"})
	want(t, usage, []string{"usage: agent channel"}, "mend", t.TempDir())
	dir := t.TempDir()
	c := channel(t, dir)
	if err := errors.Join(c.Put(t.Context(), []event.Event{{Body: []byte("one")}}), c.Close()); err != nil {
		t.Fatal(err)
	}
	want(t, usage, []string{"want ALIAS=FILE"}, "fsck", "--key", "nofile", dir)
	want(t, usage, []string{"needs --key-store-password"}, "fsck", "--key-store", "/k", "--key", "nofile", dir)
	want(t, usage, nil, "fsck")
	want(t, notFound, []string{"no file channel here"}, "status", t.TempDir())
}
