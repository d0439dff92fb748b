package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	commands := map[string]func(){"agent": main, "flume-ng": main, "goflume": main}
	testscript.Main(leakCheck{m}, commands)
}

// leakCheck looks for goroutines left behind when all tests have passed.
type leakCheck struct{ m *testing.M }

func (l leakCheck) Run() int {
	if os.Getenv("HOME") == "" { // of what create and migrate write: a user's
		os.Setenv("HOME", os.TempDir())
	}
	status := l.m.Run()
	if err := goleak.Find(); status == 0 && err != nil {
		os.Stderr.WriteString("goleak: " + err.Error() + "\n")
		return 1
	}
	return status
}

// status runs a command and checks its exit code: status 78 agent validate bad.conf.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE command...")
	}
	got := "0"
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		got = strconv.Itoa(exit.ExitCode())
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != args[0] {
		ts.Fatalf("%v ends with %s, want %s", args[1:], got, args[0])
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status},
		Setup: func(env *testscript.Env) error {
			env.Setenv("AGENT_OPTS_FILE", env.WorkDir+"/flume.opts")
			return nil
		},
	})
}
