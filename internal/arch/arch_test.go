// Package arch holds the house rules as tests: who may import whom, and what no file may contain.
package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "goflume/"

// goFile is one file of the module.
type goFile struct {
	path    string // from the root, with slashes
	pkg     string // its folder
	test    bool
	text    string
	imports []string // of this module, without its name
	doc     bool     // has a package comment
}

func files(t *testing.T) []goFile {
	t.Helper()
	root := os.DirFS("../..")
	var all []goFile
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "tools" || d.Name() == "bin") {
				return fs.SkipDir
			}
			if _, err := fs.Stat(root, path.Join(p, "go.mod")); err == nil && p != "." {
				return fs.SkipDir // a module of its own
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		text, err := fs.ReadFile(root, p)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, text, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		g := goFile{path: p, pkg: path.Dir(p), test: strings.HasSuffix(p, "_test.go"), text: string(text), doc: f.Doc != nil}
		for _, im := range f.Imports {
			name, _ := strconv.Unquote(im.Path.Value)
			if in, ok := strings.CutPrefix(name, module); ok {
				g.imports = append(g.imports, in)
			}
		}
		all = append(all, g)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("%d Go files found, want the whole module", len(all))
	}
	return all
}

// Families with their roots; what stands below a root is a component, but for the roots themselves.
var (
	families = []string{"sources", "channels", "sinks"}
	roots    = []string{
		"sources", "sources/interceptor", "sources/selector", "channels", "sinks", "sinks/processor", "sinks/serializer",
	}
)

func below(pkg, dir string) bool { return strings.HasPrefix(pkg, dir+"/") }

// family returns the family that pkg belongs to.
func family(pkg string) string {
	for _, f := range families {
		if pkg == f || below(pkg, f) {
			return f
		}
	}
	return ""
}

func isRoot(pkg string) bool { return slices.Contains(roots, pkg) }

// component returns the folder of the component that pkg is part of, such as sinks/hdfs.
func component(pkg string) string {
	if f := family(pkg); f != "" && pkg != f {
		if c := path.Join(f, strings.Split(strings.TrimPrefix(pkg, f+"/"), "/")[0]); !isRoot(c) {
			return c
		}
	}
	return ""
}

// allowed is the table of DESIGN section 2: whether pkg may import im.
func allowed(pkg, im string) bool {
	shared := im == "event" || im == "conf" || below(im, "internal")
	switch {
	case pkg == "event", pkg == "conf":
		return false
	case pkg == "internal/flowtest":
		return shared || isRoot(im)
	case pkg == "internal/docgen":
		return shared || isRoot(im)
	case below(pkg, "internal"):
		return shared
	case isRoot(pkg):
		return shared && im != "internal/flowtest"
	case component(pkg) != "":
		return shared || im == family(pkg) || im == component(pkg) || below(im, component(pkg)) ||
			family(pkg) == "sinks" && im == "sinks/serializer"
	case pkg == "agent" || below(pkg, "agent"):
		return shared || isRoot(im) || im == "agent" || below(im, "agent")
	}
	return true
}

func TestImportsFollowTheTable(t *testing.T) {
	for _, f := range files(t) {
		for _, im := range f.imports {
			if f.test && (im == "internal/flowtest" || im == "test/service" || im == "test/ledger" || im == f.pkg) {
				continue
			}
			if !allowed(f.pkg, im) && !(f.test && family(f.pkg) == "" && !below(f.pkg, "internal")) {
				t.Errorf("%s imports %s%s: not allowed (docs/design.md, who may import whom)", f.path, module, im)
			}
			if component(im) != "" && component(im) != component(f.pkg) && !f.test && f.path != "cmd/agent/components.go" &&
				!below(f.pkg, "bench") && !strings.HasPrefix(f.path, "cmd/agent/channel") {
				t.Errorf("%s imports the component %s: only cmd/agent/components.go does", f.path, im)
			}
		}
	}
}

func TestEveryComponentIsImportedOnce(t *testing.T) {
	have := map[string]bool{}
	want := map[string]bool{}
	for _, f := range files(t) {
		if f.path == "cmd/agent/components.go" {
			for _, im := range f.imports {
				have[im] = true
			}
		}
		if !f.test && component(f.pkg) == f.pkg && regexp.MustCompile(`registry\.Add\(`).MatchString(f.text) {
			want[f.pkg] = true
		}
	}
	for pkg := range want {
		if !have[pkg] {
			t.Errorf("%s registers a type, but cmd/agent/components.go does not import it: no user can reach it", pkg)
		}
	}
}

func TestFilesHaveAnEnd(t *testing.T) {
	for _, f := range files(t) {
		if n := strings.Count(f.text, "\n"); n > 600 && !strings.Contains(f.text, "DO NOT EDIT") {
			t.Errorf("%s has %d lines, 600 is the end: split it by idea", f.path, n)
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	doc, seen := map[string]bool{}, map[string]bool{}
	for _, f := range files(t) {
		seen[f.pkg] = true
		doc[f.pkg] = doc[f.pkg] || f.doc
	}
	for pkg := range seen {
		if !doc[pkg] {
			t.Errorf("%s has no package comment", pkg)
		}
	}
}

func TestFoldersAreNouns(t *testing.T) {
	for _, f := range files(t) {
		if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "misc", "types"}, path.Base(f.pkg)) {
			t.Errorf("%s: name the folder for what it holds", f.path)
		}
	}
}

// banned lists what no file may contain, and what to do instead.
var banned = []struct {
	what    *regexp.Regexp
	where   func(goFile) bool
	instead string
}{
	{regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`), everywhere, "open an issue"},
	{regexp.MustCompile(`"github.com/twmb/franz-go/pkg/kgo"`), everywhere, "internal/kafka, or Sarama in tests: bench/kafka alone measures beside it"},
	{regexp.MustCompile(`"github.com/elastic/go-elasticsearch/v8(/esutil|/typedapi.*)?"`), everywhere, "esapi and elastic-transport: the root package drags in 860 packages"},
	{regexp.MustCompile(`\btime\.Sleep\(`), func(f goFile) bool {
		return f.test && !strings.Contains(f.text, "testing/synctest") && !below(f.pkg, "test") && f.pkg != "test"
	}, "testing/synctest, or wait for the thing itself"},
	{regexp.MustCompile(`\bfmt\.Print(f|ln)?\(`), func(f goFile) bool {
		return !f.test && !below(f.pkg, "cmd") && !below(f.pkg, "bench") && !below(f.pkg, "test") && f.pkg != "test" && !below(f.pkg, "internal/docgen") && f.pkg != "internal/docgen"
	}, "log/slog from Env, or a writer that is handed in"},
	{regexp.MustCompile(`\bos\.(Open|OpenFile|Create|Rename|Remove|ReadFile|WriteFile|Mkdir|MkdirAll|Stat)\(`), func(f goFile) bool {
		return !f.test && (f.pkg == "channels/file" || below(f.pkg, "channels/file"))
	}, "internal/vfs, so that crashes and errors can be simulated"},
	{regexp.MustCompile(`\blog\.(Print|Fatal|Panic)`), everywhere, "log/slog"},
}

func everywhere(f goFile) bool { return f.pkg != "internal/arch" }

func TestNothingBanned(t *testing.T) {
	for _, f := range files(t) {
		for _, b := range banned {
			if !b.where(f) {
				continue
			}
			if at := b.what.FindStringIndex(f.text); at != nil {
				t.Errorf("%s:%d: %s: use %s", f.path, 1+strings.Count(f.text[:at[0]], "\n"), f.text[at[0]:at[1]], b.instead)
			}
		}
	}
}

// setting is a field that the operator writes: its comment, its name. Common's are the agent's.
var setting = regexp.MustCompile(`(?m)((?:^\t//.*\n)+)^\t(\w+)\s.*\x60conf:"`)

func TestSettingsThatNothingReadsSaySo(t *testing.T) {
	all := files(t)
	for _, f := range all {
		if f.test || family(f.pkg) == "" && !below(f.pkg, "internal") || family(f.pkg) == f.pkg {
			continue
		}
		home := f.pkg
		if c := component(f.pkg); c != "" {
			home = c
		}
		for _, m := range setting.FindAllStringSubmatch(f.text, -1) {
			read := regexp.MustCompile(`\.` + m[2] + `\b`)
			used := slices.ContainsFunc(all, func(g goFile) bool {
				return !g.test && (g.pkg == home || below(g.pkg, home)) && read.MatchString(g.text)
			})
			if !used && !strings.HasPrefix(m[1], "\t// Without effect") {
				t.Errorf("%s: nothing reads %s: take it out, or begin its comment with `Without effect`", f.path, m[2])
			}
		}
	}
}

func TestGoroutinesAreCounted(t *testing.T) {
	starts, checked := map[string]string{}, map[string]bool{}
	starting := regexp.MustCompile(`(?m)^\s*go (func|[a-z])|\bWaitGroup\b`)
	for _, f := range files(t) {
		switch {
		case f.test:
			checked[f.pkg] = checked[f.pkg] || strings.Contains(f.text, "goleak.")
		case starting.MatchString(f.text) && (family(f.pkg) != "" || below(f.pkg, "agent") || f.pkg == "agent" || below(f.pkg, "internal")):
			starts[f.pkg] = f.path
		}
	}
	for pkg, file := range starts {
		if !checked[pkg] {
			t.Errorf("%s starts goroutines, but no TestMain of %s calls goleak.VerifyTestMain", file, filepath.ToSlash(pkg))
		}
	}
}
