package file

import (
	"context"
	"path/filepath"

	"goflume/internal/probe"
)

var _ probe.Prober = (*Channel)(nil)

// Probe tells whether the directories can be used and nobody else uses them. What they hold is not read.
func (c *Channel) Probe(context.Context) (string, error) {
	dirs := append([]string{expand(c.set.CheckpointDir)}, c.set.dataDirs()...)
	if c.set.UseDualCheckpoints {
		dirs = append(dirs, expand(c.set.BackupCheckpointDir))
	}
	var questions []func() (string, error)
	for _, dir := range dirs {
		questions = append(questions, func() (string, error) {
			found, err := probe.Written(dir)
			if err == nil {
				err = probe.Unlocked(filepath.Join(dir, lockName))
			}
			return found, err
		})
	}
	return probe.All(questions...)
}
