package conf

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// testEnv is the world of the test configurations.
var testEnv = Env{
	Getenv: func(name string) (string, bool) {
		v, ok := map[string]string{"PORT": "44444", "HOST": "127.0.0.1", "NAME": "HO", "BAD": "x1", "EMPTY": "", "PASS": "s3cr3t ${x}"}[name]
		return v, ok
	},
	Sys: map[string]string{"flume.dir": "/var/flume"},
	Now: time.Date(2026, 11, 20, 9, 12, 3, 45e6, time.UTC), Version: "1.0.0",
}

// check parses and decodes the texts as `agent validate` does and returns what it prints.
func check(t *testing.T, env Env, inputs ...Input) (string, *Set, []Issue) {
	t.Helper()
	s, issues := Parse(t.Context(), env, inputs...)
	if s != nil {
		for _, a := range s.Agents {
			issues = append(issues, decodeFake(a)...)
		}
	}
	Sort(issues)
	var b bytes.Buffer
	if err := WriteText(&b, issues, false); err != nil {
		t.Fatal(err)
	}
	if err := WriteSummary(&b, s, issues); err != nil {
		t.Fatal(err)
	}
	return b.String(), s, issues
}

func TestGoldenDiagnostics(t *testing.T) {
	files, err := filepath.Glob("testdata/*.conf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test configurations: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".conf"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, _, issues := check(t, testEnv, Input{Name: "flume.conf", Data: data})
			if good := strings.HasPrefix(filepath.Base(file), "good."); good == HasErrors(issues) {
				t.Errorf("%s: the name says otherwise:\n%s", file, got)
			}
			golden := strings.TrimSuffix(file, ".conf") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}
