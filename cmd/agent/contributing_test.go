package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The sink of CONTRIBUTING.md, one folder and one line, builds and is there.
func TestTheWorkedExampleOfContributingHolds(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```go\n")
	if len(blocks) != 3 {
		t.Fatalf("%d Go blocks in CONTRIBUTING.md, want the sink and the line", len(blocks)-1)
	}
	sink, _, _ := strings.Cut(blocks[1], "```")
	line, _, _ := strings.Cut(blocks[2], "```")
	components, err := os.ReadFile("components.go")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(root, "sinks/stdout/stdout.go"):  write("stdout.go", sink),
		filepath.Join(root, "cmd/agent/components.go"): write("components.go", strings.Replace(string(components), "import (\n", "import (\n"+line, 1)),
	}})
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "agent")
	if out, err := exec.Command("go", "build", "-overlay", write("overlay.json", string(overlay)), "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(binary, "list", "sink", "stdout").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "batchSize") || !strings.Contains(string(out), "suffix") {
		t.Errorf("%v\n%s", err, out)
	}
}
