// Command comments writes the comments of all settings as JSON, for the agent to embed: comments ROOT FILE.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"goflume/internal/docgen"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: comments ROOT FILE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
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
