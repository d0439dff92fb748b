package taildir

import (
	"context"
	"path/filepath"

	"goflume/internal/probe"
)

var _ probe.Prober = (*Source)(nil)

// Probe tells whether the groups' directories can be read and the positions be kept. A directory that is not there is waited
// for, and here an error.
func (s *Source) Probe(context.Context) (string, error) {
	questions := []func() (string, error){func() (string, error) { return probe.Written(filepath.Dir(s.settings.PositionFile)) }}
	for _, name := range s.settings.Groups {
		g, err := newGroup(name, s.settings.Patterns[name])
		if err != nil {
			return "", err
		}
		questions = append(questions, func() (string, error) { return probe.Read(g.dir) })
	}
	return probe.All(questions...)
}
