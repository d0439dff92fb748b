// Command agent runs Apache Flume's configuration files.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"goflume/internal/safe"
)

// Set by the linker.
var (
	version = "dev"
	commit  = "" // of a release; other builds know it by themselves
)

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

func main() {
	std := streams{os.Stdin, os.Stdout, os.Stderr}
	os.Exit(guarded(std, func() int { return dispatch(os.Args[0], os.Args[1:], std) }))
}

// guarded returns what f returns. A panic in it, which is a bug, is told, with a file for whoever is to mend it.
func guarded(std streams, f func() int) (code int) {
	var p *safe.Panic
	if err := safe.Call(func() error { code = f(); return nil }); !errors.As(err, &p) {
		return code
	}
	text := fmt.Sprintf("%s %s\n%v\n%s", version, revision(), p, p.Stack)
	fmt.Fprintf(std.err, "agent: this is a bug of the program: %s\n", text)
	report, err := os.CreateTemp("", "agent-crash-*.txt") // for this user alone
	if err == nil {
		_, err = report.WriteString(text)
		if err = errors.Join(err, report.Close()); err == nil {
			fmt.Fprintf(std.err, "agent: please report it with %s\n", report.Name())
		}
	}
	return exitSoftware
}
