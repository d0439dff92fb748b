// Command agent runs Apache Flume's configuration files.
package main

import (
	"io"
	"os"
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
	os.Exit(dispatch(os.Args[0], os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}
