package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	commands := map[string]func(){"agent": main, "flume-ng": main}
	testscript.Main(leakCheck{m}, commands)
}

// leakCheck looks for goroutines left behind when all tests have passed.
type leakCheck struct{ m *testing.M }

func (l leakCheck) Run() int {
	status := l.m.Run()
	if err := goleak.Find(); status == 0 && err != nil {
		os.Stderr.WriteString("goleak: " + err.Error() + "\n")
		return 1
	}
	return status
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("AGENT_OPTS_FILE", env.WorkDir+"/flume.opts")
			return nil
		},
	})
}
