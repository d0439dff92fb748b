package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Program is a program that is run with the libraries that it was fetched with.
type Program struct {
	Path string
	Env  []string
}

// Command returns a command that runs the program.
func (p Program) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.Path, args...)
	cmd.Env = append(os.Environ(), p.Env...)
	return cmd
}

// Logrotate returns the logrotate of this machine, else Debian's, which is unpacked into the cache. Where neither can be
// had, the test is skipped, or fails with GOFLUME_REAL=require.
func Logrotate(tb testing.TB) Program {
	tb.Helper()
	Require(tb)
	p, err := debianProgram(tb.Context(), "logrotate", "usr/sbin/logrotate", "libpopt0")
	if err != nil {
		if os.Getenv("GOFLUME_REAL") == "require" {
			tb.Fatal(err)
		}
		say("SKIPPED %s: %v", tb.Name(), err)
		tb.Skip(err)
	}
	return p
}

// debianProgram returns a program of a Debian package. libraries are packages that it needs and few machines have.
func debianProgram(ctx context.Context, name, path string, libraries ...string) (Program, error) {
	for _, at := range []string{"/" + path, "/usr/local/" + strings.TrimPrefix(path, "usr/")} {
		if _, err := os.Stat(at); err == nil {
			return Program{Path: at}, nil
		}
	}
	cache, err := CacheDir()
	if err != nil {
		return Program{}, err
	}
	root := filepath.Join(cache, "debian", name)
	if err := unpackDebian(ctx, cache, root, append([]string{name}, libraries...)); err != nil {
		return Program{}, fmt.Errorf("there is no %s, and fetching it needs Debian's apt-get, with lists of packages, and dpkg: %w", name, err)
	}
	libs, err := filepath.Glob(filepath.Join(root, "usr", "lib", "*-linux-gnu*"))
	if err != nil {
		return Program{}, err
	}
	return Program{filepath.Join(root, path), []string{"LD_LIBRARY_PATH=" + strings.Join(libs, ":")}}, nil
}

// unpackDebian fetches packages and unpacks them below root, without installing anything.
func unpackDebian(ctx context.Context, cache, root string, packages []string) error {
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return err
	}
	unlock, err := lockFile(filepath.Join(cache, "install.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(root); err == nil {
		return nil
	}
	work, err := os.MkdirTemp(filepath.Dir(root), ".installing-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	get := exec.CommandContext(ctx, "apt-get", append([]string{"download"}, packages...)...)
	get.Dir = work
	if out, err := get.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	archives, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if out, err := exec.CommandContext(ctx, "dpkg", "-x", archive, filepath.Join(work, "root")).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
		}
	}
	if len(archives) != len(packages) {
		return errors.New("apt-get fetched other packages than asked")
	}
	return os.Rename(filepath.Join(work, "root"), root)
}
