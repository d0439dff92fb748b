// Package examples holds configurations that run as they stand. Each is run by a test: those that need nothing here, those
// that need servers in the folder test. `agent create --example` writes them.
package examples

import (
	"embed"
	"io/fs"
	"slices"
	"strings"
)

//go:embed *.conf *.jsonl
var files embed.FS

// Folder is how the examples name the folder that they lie in, as seen from the root of the repository.
const Folder = "examples/"

// Names lists the examples, sorted: the names of the files without .conf.
func Names() []string {
	found, err := fs.Glob(files, "*.conf")
	if err != nil {
		panic("examples: " + err.Error())
	}
	for i := range found {
		found[i] = strings.TrimSuffix(found[i], ".conf")
	}
	slices.Sort(found)
	return found
}

// Text returns the example of that name; ok is false if there is none.
func Text(name string) (text string, ok bool) {
	data, err := files.ReadFile(name + ".conf")
	return string(data), err == nil
}

// Needs lists the files that an example reads and that lie beside it, as Text names them without Folder.
func Needs(name string) []string {
	text, _ := Text(name)
	beside, err := fs.Glob(files, "*.jsonl")
	if err != nil {
		panic("examples: " + err.Error())
	}
	var needs []string
	for _, file := range beside {
		if strings.Contains(text, Folder+file) {
			needs = append(needs, file)
		}
	}
	return needs
}

// File returns what is in a file that Needs lists.
func File(name string) []byte {
	data, err := files.ReadFile(name)
	if err != nil {
		panic("examples: " + err.Error())
	}
	return data
}
