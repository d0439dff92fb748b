// Package examples holds configurations that run as they stand. Each is run by a test: those that need nothing here, those
// that need servers in the folder test. `agent create --example` writes them.
package examples

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed *.conf
var files embed.FS

// Names lists the examples, sorted: the names of the files without .conf.
func Names() []string {
	found, err := fs.Glob(files, "*.conf")
	if err != nil {
		panic("examples: " + err.Error())
	}
	for i := range found {
		found[i] = strings.TrimSuffix(found[i], ".conf")
	}
	return found
}

// Text returns the example of that name; ok is false if there is none.
func Text(name string) (text string, ok bool) {
	data, err := files.ReadFile(name + ".conf")
	return string(data), err == nil
}
