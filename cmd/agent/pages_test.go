package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"goflume/conf"
)

// pages are the texts for operators that people write, by name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	docs := os.DirFS("../../docs")
	all := map[string]string{}
	for _, pattern := range []string{"*.md", "monitoring/*"} {
		names, err := fs.Glob(docs, pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := fs.ReadFile(docs, name)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = string(text)
		}
	}
	if all["operations.md"] == "" || all["security.md"] == "" || all["monitoring/alerts.yaml"] == "" {
		t.Fatal("a page for operators is missing")
	}
	return all
}

func TestMetricsInPagesExist(t *testing.T) {
	metrics := regexp.MustCompile(`\bflume_[a-z0-9_]+`)
	exist := map[string]bool{}
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(root, p)
		for _, name := range regexp.MustCompile(`"flume_[a-z0-9_]+"`).FindAllString(string(text), -1) {
			exist[strings.Trim(name, `"`)] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for page, text := range pages(t) {
		for _, name := range metrics.FindAllString(text, -1) {
			of := name
			for _, part := range []string{"_bucket", "_sum", "_count"} { // of a histogram
				of = strings.TrimSuffix(of, part)
			}
			if !exist[name] && !exist[of] {
				t.Errorf("%s: there is no metric %s", page, name)
			}
		}
	}
}

func TestCodesInPagesExist(t *testing.T) {
	for page, text := range pages(t) {
		for _, code := range regexp.MustCompile(`\bFL[0-9]{3}\b`).FindAllString(text, -1) {
			if conf.Lookup(code).ID == "" {
				t.Errorf("%s: there is no code %s", page, code)
			}
		}
	}
	table := pages(t)["operations.md"]
	for _, s := range exitStatus {
		if row := "\n| " + strconv.Itoa(s.code) + " | "; s.code != exitOK && !strings.Contains(table, row) {
			t.Errorf("operations.md says nothing of the exit code %d", s.code)
		}
	}
}

// TestSettingsInPagesExist looks at words in code style that can only be properties: they have a dot or a dash inside, or
// a capital letter.
func TestSettingsInPagesExist(t *testing.T) {
	known := map[string]bool{
		// the Kafka clients', HDFS' and Elasticsearch's own
		"security.protocol": true, "sasl.jaas.config": true, "ssl.endpoint.identification.algorithm": true, "kafka.producer.": true, "kafka.consumer.": true,
		"dfs.datanode.synconclose": true, "translog.durability": true, "kafka.consumer.group.id": true,
		// system properties
		"flume.monitoring.type": true, "flume.monitoring.host": true, "flume.monitoring.port": true,
		// systemd's
		"WatchdogSec": true, "ExecStart": true, "LoadCredential": true,
		// files and programs
		"flume-ng": true, "flume-env.sh": true, "core-site.xml": true, "hdfs-site.xml": true, "in_use.lock": true,
	}
	for _, f := range families() {
		for _, ty := range f.Types {
			for _, s := range ty.Fields {
				known[s.Key] = true
			}
		}
	}
	code := regexp.MustCompile("`([a-z]+(?:[.-][a-zA-Z]+|[A-Z][a-z]+)+)(?: = [^`]*)?`")
	all := pages(t)
	for _, page := range []string{"operations.md", "security.md"} {
		for _, m := range code.FindAllStringSubmatch(all[page], -1) {
			name := m[1]
			collected := slices.ContainsFunc([]string{"kafka.producer.", "kafka.consumer."}, func(p string) bool { return strings.HasPrefix(name, p) })
			if !known[name] && !collected {
				t.Errorf("%s: there is no property %s", page, name)
			}
		}
	}
}

func TestDashboardIsJSON(t *testing.T) {
	var board struct {
		Title  string
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal([]byte(pages(t)["monitoring/dashboard.json"]), &board); err != nil {
		t.Fatal(err)
	}
	if board.Title == "" || len(board.Panels) < 5 || board.Panels[0].Targets[0].Expr == "" {
		t.Errorf("dashboard %q has %d panels", board.Title, len(board.Panels))
	}
	alerts := pages(t)["monitoring/alerts.yaml"]
	if names, exprs := strings.Count(alerts, "- alert:"), strings.Count(alerts, "expr:"); names < 5 || names != exprs {
		t.Errorf("%d alerts with %d expressions", names, exprs)
	}
}
