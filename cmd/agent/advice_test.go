package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const tailed = `
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = exec
a1.sources.r1.command = tail -F %[1]s/access.log
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = file_roll
a1.sinks.k1.channel = c1
a1.sinks.k1.sink.directory = %[1]s/out
`

// TestAdviceCanBePasted writes what FL501 says, or what migrate makes, into the file and runs it.
func TestAdviceCanBePasted(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, file, text string) string{
		"FL501":                   pasted,
		"migrate exec-to-taildir": migrated,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, "flume.conf")
			text := fmt.Sprintf(tailed, dir)
			write := func(name, text string) {
				t.Helper()
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			write("flume.conf", text)
			write("flume.conf", change(t, file, text))
			write("access.log", "")
			write("accessxlog", "another file\n")
			p := launchAgent(t, []string{"HOME=" + dir}, "run", "--conf-file", file, "--name", "a1")
			p.await("ready in")
			write("access.log", "a line\n")
			want := time.Now().Add(patience)
			var got string
			for got != "a line\n" && time.Now().Before(want) {
				outs, _ := filepath.Glob(filepath.Join(dir, "out", "*"))
				got = ""
				for _, out := range outs {
					text, _ := os.ReadFile(out)
					got += string(text)
				}
				<-time.After(20 * time.Millisecond)
			}
			if got != "a line\n" {
				t.Errorf("delivered %q, want the line of the file that the command named", got)
			}
			p.signal(os.Interrupt)
			p.end(0)
		})
	}
}

// pasted is the text with the lines of the advice in place of the type and the command.
func pasted(t *testing.T, file, text string) string {
	t.Helper()
	out, err := exec.Command("agent", "validate", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, ".type = exec") && !strings.Contains(line, ".command") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	said := 0
	for line := range strings.Lines(string(out)) {
		if _, help, ok := strings.Cut(line, "=       a1."); ok {
			lines = append(lines, "a1."+strings.TrimSuffix(help, "\n"))
			said++
		}
	}
	if said != 3 {
		t.Errorf("%d lines to paste, want 3, in\n%s", said, out)
	}
	return strings.Join(lines, "\n") + "\n"
}

// migrated is what migrate writes.
func migrated(t *testing.T, file, _ string) string {
	t.Helper()
	if out, err := exec.Command("agent", "migrate", "--exec-to-taildir", "-w", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, bytes.TrimSpace(out))
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
