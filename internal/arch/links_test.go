package arch

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
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
	link := regexp.MustCompile(`\]\(([^)#:\s]*)(?:#([^)\s]*))?\)`)
	all, within := pages(t), 0
	for name, text := range all {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			to := name
			if m[1] != "" {
				to = path.Join(path.Dir(name), m[1])
			}
			if _, err := os.Stat(filepath.Join("../..", to)); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			}
			if m[2] == "" {
				continue
			}
			if within++; !slices.Contains(anchors(all[to]), m[2]) {
				t.Errorf("%s links to %s#%s: no heading of that page has that name", name, m[1], m[2])
			}
		}
	}
	if within == 0 {
		t.Error("no link leads to a heading")
	}
}

// anchors are the names of a page's headings, as GitHub gives them: lower case, blanks as hyphens, without punctuation,
// and numbered where two are the same.
func anchors(text string) []string {
	var all []string
	seen := map[string]int{}
	fenced := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		title := strings.TrimLeft(line, "#")
		if fenced || title == line || !strings.HasPrefix(title, " ") {
			continue
		}
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(title))
		if n := seen[name]; n > 0 {
			all = append(all, fmt.Sprintf("%s-%d", name, n))
		} else {
			all = append(all, name)
		}
		seen[name]++
	}
	return all
}

func TestAnchorsOfHeadings(t *testing.T) {
	got := anchors("# Docs, `here`\n## A b-c_d\n```\n# a comment\n```\n#none\n## A b-c_d\n")
	if want := []string{"docs-here", "a-b-c_d", "a-b-c_d-1"}; !slices.Equal(got, want) {
		t.Errorf("anchors: %q, want %q", got, want)
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
