package docgen

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// Metric is one metric as the source declares it.
type Metric struct {
	Name, Kind, Help string
	Labels           []string // beside those that every component's metric has
}

// declares are the functions that declare a metric: its kind, and at which argument its name stands; its help is the next.
var declares = map[string]struct {
	kind string
	name int
}{"Counter": {"counter", 1}, "Gauge": {"gauge", 1}, "Func": {"gauge", 1}, "Histogram": {"histogram", 0}, "NewDesc": {"gauge", 0}}

// ReadMetrics finds the metrics in the module's source, by name. Name and help are literals there, or constants of the same
// function.
func ReadMetrics(root fs.FS) ([]Metric, error) {
	found := map[string]Metric{}
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || p == "test" || p == "bench"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(root, p)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, text, parser.SkipObjectResolution)
		if err == nil {
			metricsOf(f, found)
		}
		return err
	})
	var all []Metric
	for _, m := range found {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b Metric) int { return cmp.Compare(a.Name, b.Name) })
	return all, err
}

// metricsOf adds the metrics that a file's declarations have.
func metricsOf(f *ast.File, found map[string]Metric) {
	for _, d := range f.Decls {
		metricsIn(d, found)
	}
}

func metricsIn(d ast.Decl, found map[string]Metric) {
	constants := map[string]string{}
	ast.Inspect(d, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			for i := range min(len(v.Names), len(v.Values)) {
				constants[v.Names[i].Name] = literal(v.Values[i], nil)
			}
			return true
		}
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		fun, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		d, ok := declares[fun.Sel.Name]
		if !ok || len(call.Args) < d.name+2 {
			return true
		}
		m := Metric{Name: literal(call.Args[d.name], constants), Kind: d.kind, Help: literal(call.Args[d.name+1], constants)}
		if !strings.HasPrefix(m.Name, "flume_") {
			return true
		}
		if strings.HasSuffix(m.Name, "_total") {
			m.Kind = "counter"
		}
		m.Labels = found[m.Name].Labels
		if at := map[string]int{"Counter": 3, "Gauge": 3, "Func": 4}[fun.Sel.Name]; at > 0 {
			for ; at+1 < len(call.Args); at += 2 {
				m.Labels = label(m.Labels, literal(call.Args[at], constants), literal(call.Args[at+1], constants))
			}
		}
		found[m.Name] = m
		return true
	})
}

// label adds a label, or the value to the label: outcome="accepted|rejected".
func label(labels []string, name, value string) []string {
	for i, l := range labels {
		if l == name {
			return labels
		}
		if had, ok := strings.CutPrefix(l, name+"=\""); ok {
			if !slices.Contains(strings.Split(strings.TrimSuffix(had, `"`), "|"), value) {
				labels[i] = strings.TrimSuffix(l, `"`) + "|" + value + `"`
			}
			return labels
		}
	}
	if value == "" { // known only to the program that runs
		return append(labels, name)
	}
	return append(labels, fmt.Sprintf("%s=%q", name, value))
}

// literal returns the string that an expression is, empty where that cannot be seen.
func literal(e ast.Expr, constants map[string]string) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		if err == nil {
			return s
		}
	case *ast.Ident:
		return constants[e.Name]
	case *ast.BinaryExpr:
		return literal(e.X, constants) + literal(e.Y, constants)
	}
	return ""
}

// WriteMetrics writes the page of all metrics.
func WriteMetrics(w io.Writer, all []Metric) error {
	var b strings.Builder
	b.WriteString("# Metrics\n\nGenerated from the source by `make docs`. Flume's own names, in its JSON, are on the pages of Flume; these are for Prometheus. A\n" +
		"component's metrics have the labels `agent`, `type` and `source`, `channel` or `sink`; labels come from the configuration alone. The\n" +
		"process' own, `go_*` and `process_*`, are there too. What to look at first: [operations](operations.md#watch).\n")
	title := ""
	for _, m := range all {
		family, _, _ := strings.Cut(strings.TrimPrefix(m.Name, "flume_"), "_")
		family = strings.ToUpper(family[:1]) + family[1:]
		if family != title {
			title = family
			fmt.Fprintf(&b, "\n## %s\n\n| metric | | |\n|---|---|---|\n", title)
		}
		name := m.Name
		if len(m.Labels) > 0 {
			name += "{" + strings.Join(m.Labels, ",") + "}"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.ReplaceAll(name, "|", `\|`), m.Kind, m.Help)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
