// Command agent runs Apache Flume's configuration files.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// version is set by the linker.
var version = "dev"

// Exit codes, from sysexits.h.
const (
	exitOK          = 0
	exitUsage       = 64
	exitNoInput     = 66
	exitUnavailable = 69
	exitSoftware    = 70
	exitCantCreate  = 73
	exitIOErr       = 74
	exitTempFail    = 75
	exitNoPerm      = 77
	exitConfig      = 78
)

// streams are where a verb reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// verbs are the words that may come first on the command line. Each gets what follows it and returns the exit code.
var verbs = map[string]func(args []string, std streams) int{
	"version": func(_ []string, std streams) int {
		fmt.Fprintf(std.out, "goflume %s (runs Apache Flume 1.11 configuration)\n", version)
		return exitOK
	},
}

func main() {
	os.Exit(dispatch(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// dispatch runs the verb that args begin with. Options without a verb mean run.
func dispatch(args []string, std streams) int {
	name := "run"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	if v := verbs[name]; v != nil {
		return v(args, std)
	}
	fmt.Fprintf(std.err, "agent: unknown command %q\n", name)
	return exitUsage
}
