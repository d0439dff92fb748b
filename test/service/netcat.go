package service

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
)

// Netcat returns the path of an nc that users have: the one of this machine, else Debian's netcat-traditional, which is
// unpacked into the cache without being installed. Where neither can be had the test is skipped.
func Netcat(tb testing.TB) string {
	tb.Helper()
	Require(tb)
	nc, err := netcat(tb.Context())
	if err != nil {
		Lacks(tb, err)
	}
	return nc
}

func netcat(ctx context.Context) (string, error) {
	for _, name := range []string{"nc.traditional", "nc.openbsd", "nc"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	root, _, err := debianRoot(ctx, "netcat", "netcat-traditional")
	return filepath.Join(root, "bin", "nc.traditional"), err
}
