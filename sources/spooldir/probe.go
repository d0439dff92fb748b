package spooldir

import (
	"context"

	"goflume/internal/probe"
)

var _ probe.Prober = (*Source)(nil)

// Probe tells whether the directory can be read, and written to for finished files and progress.
func (s *Source) Probe(context.Context) (string, error) {
	return probe.All(
		func() (string, error) { return probe.Read(s.dir) },
		func() (string, error) { return probe.Written(s.dir) },
		func() (string, error) { return probe.Written(s.tracker) },
	)
}
