package arch

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pages are the texts for people, by their paths from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/components/*.md", "bench/*.md"} {
		names, err := fs.Glob(os.DirFS("../.."), pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(filepath.Join("../..", name))
			if err != nil {
				t.Fatal(err)
			}
			all[name] = string(text)
		}
	}
	if len(all) < 8 {
		t.Fatalf("%d pages, want all of the house", len(all))
	}
	return all
}

func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for name, text := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join("../..", path.Dir(name), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			}
		}
	}
}

func TestReadmeLeadsToEveryPage(t *testing.T) {
	all := pages(t)
	for name := range all {
		if path.Dir(name) == "docs" && !strings.Contains(all["README.md"], "("+name) {
			t.Errorf("README.md does not link to %s", name)
		}
	}
}

// A claim that a test is said to prove wants that test.
func TestReadmeNamesTestsThatExist(t *testing.T) {
	var tests strings.Builder
	for _, f := range files(t) {
		if f.test {
			tests.WriteString(f.text)
		}
	}
	named := regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(pages(t)["README.md"], -1)
	if len(named) == 0 {
		t.Error("README.md names no test")
	}
	for _, name := range named {
		if !strings.Contains(tests.String(), "func "+name+"(") {
			t.Errorf("README.md names %s, which is no test", name)
		}
	}
}
