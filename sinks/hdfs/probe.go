package hdfs

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"goflume/internal/hadoop"
	"goflume/internal/probe"
)

var _ probe.Prober = (*Sink)(nil)

// Probe tells whether a namenode answers the user that the sink is, and whether the directory in front of the first escape
// is there or, on this machine, could be made.
func (s *Sink) Probe(ctx context.Context) (found string, err error) {
	site, err := hadoop.LoadConf(hadoop.ConfDirs())
	if err != nil {
		return "", err
	}
	root, rest, err := hadoop.Split(s.settings.Path, site.DefaultFS())
	if err != nil {
		return "", err
	}
	dir := rest
	if literal, _, escapes := strings.Cut(rest, "%"); escapes {
		dir = path.Dir(literal + "x")
	}
	if root == "file://" {
		return probe.Written(dir)
	}
	on, err := s.connect(root, s.options(site))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, on.Close()) }()
	if err := on.Check(ctx); err != nil {
		return "", err
	}
	switch _, err := on.Size(ctx, dir); {
	case errors.Is(err, fs.ErrNotExist):
		return on.String() + " answers; " + dir + " is not there yet", nil
	case err != nil:
		return "", err
	}
	return on.String() + " answers; " + dir + " is there", nil
}
