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
	"time"
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
// had, the test is skipped.
func Logrotate(tb testing.TB) Program {
	tb.Helper()
	Require(tb)
	p, err := debianProgram(tb.Context(), "logrotate", "usr/sbin/logrotate", "libpopt0")
	if err != nil {
		Lacks(tb, err)
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
	root, env, err := debianRoot(ctx, name, append([]string{name}, libraries...)...)
	if err != nil {
		return Program{}, err
	}
	return Program{filepath.Join(root, path), env}, nil
}

// debianRoot returns the folder of that name in the cache, into which the packages are unpacked, and the environment with
// their libraries.
func debianRoot(ctx context.Context, name string, packages ...string) (root string, env []string, err error) {
	cache, err := CacheDir()
	if err != nil {
		return "", nil, err
	}
	root = filepath.Join(cache, "debian", name)
	if err := unpackDebian(ctx, cache, root, packages); err != nil {
		return "", nil, fmt.Errorf("there is no %s, and fetching it needs Debian's apt-get and dpkg: %w", name, err)
	}
	libs, err := filepath.Glob(filepath.Join(root, "usr", "lib", "*-linux-gnu*"))
	if err != nil {
		return "", nil, err
	}
	return root, []string{"LD_LIBRARY_PATH=" + strings.Join(libs, ":")}, nil
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
	if err := downloadDebian(ctx, work, packages); err != nil {
		return err
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

// downloadDebian fetches packages into dir, by the machine's lists of packages or, where these are missing or old, by fresh
// ones of its own.
func downloadDebian(ctx context.Context, dir string, packages []string) error {
	aptGet := func(words ...string) error {
		cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-o", "APT::Sandbox::User=root"}, words...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get: %w: %s", err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	download := append([]string{"download"}, packages...)
	if aptGet(download...) == nil {
		return nil
	}
	lists := filepath.Join(dir, "lists")
	if err := os.MkdirAll(filepath.Join(lists, "partial"), 0o755); err != nil {
		return err
	}
	own := []string{"-o", "Dir::State::lists=" + lists, "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="}
	if err := aptGet(append(own, "update")...); err != nil {
		return err
	}
	return aptGet(append(own, download...)...)
}
