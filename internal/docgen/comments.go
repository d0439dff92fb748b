// Package docgen turns the declarations of the component types into what users read: the comments of settings structs,
// found in the source, go with what conf.Fields and the registries know.
package docgen

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"reflect"
	"strconv"
	"strings"
)

// Comments are the doc comments by name: goflume/sources/netcat of a package (its first paragraph), goflume/sources/netcat.Settings of a struct
// with settings and goflume/sources/netcat.Settings.Bind of a setting. Each is one line, or paragraphs with an empty line
// between.
type Comments map[string]string

// ReadComments reads the source of the module's packages that declare settings.
func ReadComments(root fs.FS) (Comments, error) {
	all := Comments{}
	for _, dir := range []string{"sources", "channels", "sinks", "internal", "conf"} {
		err := fs.WalkDir(root, dir, func(p string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "testdata":
				return fs.SkipDir
			case d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go"):
				return nil
			}
			text, err := fs.ReadFile(root, p)
			if err != nil {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), p, text, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			all.file("goflume/"+path.Dir(p), f)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	all.prune()
	return all, nil
}

// file adds the comments of one file.
func (c Comments) file(pkg string, f *ast.File) {
	if f.Doc != nil {
		c[pkg], _, _ = strings.Cut(flow(f.Doc.Text()), "\n\n")
	}
	for _, d := range f.Decls {
		gen, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, s := range gen.Specs {
			t, ok := s.(*ast.TypeSpec)
			if !ok {
				continue
			}
			st, ok := t.Type.(*ast.StructType)
			if !ok || !c.fields(pkg+"."+t.Name.Name, st) {
				continue
			}
			doc := t.Doc
			if doc == nil {
				doc = gen.Doc
			}
			c[pkg+"."+t.Name.Name] = flow(doc.Text())
		}
	}
}

// fields adds the comments of the struct's settings and tells whether there is one.
func (c Comments) fields(name string, st *ast.StructType) bool {
	some := false
	for _, f := range st.Fields.List {
		if f.Tag == nil || len(f.Names) != 1 {
			continue
		}
		tag, err := strconv.Unquote(f.Tag.Value)
		if _, ok := reflect.StructTag(tag).Lookup("conf"); err != nil || !ok {
			continue
		}
		some = true
		c[name+"."+f.Names[0].Name] = flow(f.Doc.Text())
	}
	return some
}

// prune forgets packages without settings.
func (c Comments) prune() {
	has := map[string]bool{}
	for name := range c {
		if dot := strings.Index(name[strings.LastIndexByte(name, '/')+1:], "."); dot >= 0 {
			has[name[:strings.LastIndexByte(name, '/')+1+dot]] = true
		}
	}
	for name := range c {
		if !strings.Contains(name[strings.LastIndexByte(name, '/')+1:], ".") && !has[name] {
			delete(c, name)
		}
	}
}

// flow makes one line of each paragraph.
func flow(text string) string {
	var paragraphs []string
	for p := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		paragraphs = append(paragraphs, strings.Join(strings.Fields(p), " "))
	}
	return strings.Join(paragraphs, "\n\n")
}
