package main

import (
	"bytes"
	"fmt"

	"goflume/conf"
	"goflume/internal/confedit"
)

var fmtVerb = verb{name: "fmt", usage: "[-w] FILE...", does: "put each component's properties together and align them", options: true, run: format,
	more: `Comments stay with the property that they stand in front of, and the order within a component stays. The result is
printed, or with -w written into the files that it changes; what a configuration means stays the same.
`}

// format prints or writes the files tidied.
func format(o *options, std streams) int {
	names := append(o.files, o.args...)
	if len(names) == 0 {
		fmt.Fprintln(std.err, "agent fmt: no configuration: name a file")
		return exitUsage
	}
	inputs, issues := conf.Read(std.in, names...)
	conf.WriteText(std.err, issues, o.useColour(std.err))
	if conf.HasErrors(issues) {
		return exitOf(issues)
	}
	for _, in := range inputs {
		tidy, err := confedit.Tidy(in.Data)
		if err != nil {
			fmt.Fprintf(std.err, "agent fmt: %s: %v\n", in.Name, err)
			return exitConfig
		}
		switch {
		case !o.write || in.Name == "stdin":
			if _, err = plain(std.out).Write(tidy); err != nil {
				fmt.Fprintln(std.err, "agent fmt:", err)
				return exitIOErr
			}
		case !bytes.Equal(tidy, in.Data):
			if err := replaceFile(in.Name, in.Data, tidy); err != nil {
				fmt.Fprintln(std.err, "agent fmt:", err)
				return exitCantCreate
			}
			fmt.Fprintln(std.err, "wrote", in.Name)
		}
	}
	return exitOK
}
