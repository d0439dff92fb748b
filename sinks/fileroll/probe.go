package fileroll

import (
	"context"

	"goflume/internal/probe"
)

var _ probe.Prober = (*Sink)(nil)

// Probe tells whether files can be made in the directory.
func (s *Sink) Probe(context.Context) (string, error) { return probe.Written(s.settings.Directory) }
