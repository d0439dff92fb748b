// Command comments writes the comments of all settings as JSON, for the agent to embed, and the page of all metrics, docs/metrics.md below ROOT: comments ROOT FILE.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"goflume/internal/docgen"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: comments ROOT FILE")
		os.Exit(2)
	}
	err := run(os.Args[1], os.Args[2])
	if err == nil {
		err = metrics(os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "comments:", err)
		os.Exit(1)
	}
}

func run(root, file string) error {
	c, err := docgen.ReadComments(os.DirFS(root))
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o666)
}

func metrics(root string) error {
	all, err := docgen.ReadMetrics(os.DirFS(root))
	if err != nil {
		return err
	}
	page, err := os.Create(filepath.Join(root, "docs", "metrics.md"))
	if err != nil {
		return err
	}
	return errors.Join(docgen.WriteMetrics(page, all), page.Close())
}
