package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Netcat returns the path of an nc that users have: the one of this machine, else Debian's netcat-traditional, which is
// unpacked into the cache without being installed. Where neither can be had the test is skipped, saying so.
func Netcat(tb testing.TB) string {
	tb.Helper()
	Require(tb)
	nc, err := netcat(tb.Context())
	if err != nil {
		say("SKIPPED %s: %v", tb.Name(), err)
		tb.Skip(err)
	}
	return nc
}

func netcat(ctx context.Context) (string, error) {
	for _, name := range []string{"nc.traditional", "nc.openbsd", "nc"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "netcat")
	nc := filepath.Join(dir, "bin", "nc.traditional")
	if _, err := os.Stat(nc); err == nil {
		return nc, nil
	}
	for _, tool := range []string{"apt-get", "dpkg"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("there is no nc, and no %s to fetch Debian's: install a netcat", tool)
		}
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	unlock, err := lockFile(filepath.Join(cache, "install.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	work, err := os.MkdirTemp(cache, "netcat-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	run := func(argv ...string) error {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Dir = work
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", argv[0], err, out)
		}
		return nil
	}
	if err := run("apt-get", "download", "netcat-traditional"); err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil || len(found) != 1 {
		return "", errors.Join(err, fmt.Errorf("apt-get download left %v", found))
	}
	if err := run("dpkg", "-x", found[0], "unpacked"); err != nil {
		return "", err
	}
	if err := os.Rename(filepath.Join(work, "unpacked"), dir); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return nc, nil
}
