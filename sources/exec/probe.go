package exec

import (
	"context"
	"os/exec"

	"goflume/internal/probe"
)

var _ probe.Prober = (*Source)(nil)

// Probe tells whether the program, or the shell, is there. It is not run.
func (s *Source) Probe(context.Context) (string, error) {
	path, err := exec.LookPath(s.settings.argv()[0])
	if err != nil {
		return "", err
	}
	return path + " is there", nil
}
