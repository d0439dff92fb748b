package main

import (
	"fmt"
	"os"
	"path/filepath"

	"goflume/internal/docgen"
)

// docsVerb writes docs/components; it is for `make docs` and not shown by help.
var docsVerb = verb{name: "docs", usage: "DIR", run: func(o *options, std streams) int {
	if len(o.args) != 1 {
		fmt.Fprintln(std.err, "usage: agent docs DIR")
		return exitUsage
	}
	if err := writeDocs(o.args[0]); err != nil {
		fmt.Fprintln(std.err, "agent docs:", err)
		return exitCantCreate
	}
	return exitOK
}}

// writeDocs writes a page for each family into dir.
func writeDocs(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, f := range families() {
		page, err := os.Create(filepath.Join(dir, f.Name+".md"))
		if err != nil {
			return err
		}
		if err := docgen.WritePage(page, f); err != nil {
			page.Close()
			return err
		}
		if err := page.Close(); err != nil {
			return err
		}
	}
	return nil
}
