package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"goflume/test/service"
)

// debian is a program of a Debian package. It is unpacked below the cache directory, with those packages that it needs and
// the machine does not have; nothing is installed.
type debian struct {
	pkg  string
	argv func(root, file string, r *service.Run) []string
	env  func(root string) []string
}

// Where Debian's programs find their libraries and modules.
const (
	libraries       = "usr/lib/x86_64-linux-gnu"
	rsyslogModules  = libraries + "/rsyslog"
	syslogNGModules = "usr/lib/syslog-ng"
)

var rsyslog = debian{"rsyslog",
	func(root, file string, r *service.Run) []string {
		return []string{filepath.Join(root, "usr/sbin/rsyslogd"), "-n", "-f", file, "-iNONE"}
	},
	func(root string) []string {
		return []string{libraryPath(root, libraries, "lib/x86_64-linux-gnu"), "RSYSLOG_MODDIR=" + filepath.Join(root, rsyslogModules)}
	}}

var syslogNG = debian{"syslog-ng-core",
	func(root, file string, r *service.Run) []string {
		modules, _ := filepath.Glob(filepath.Join(root, syslogNGModules, "[0-9]*"))
		return []string{filepath.Join(root, "usr/sbin/syslog-ng"), "-F", "--no-caps", "-f", file, "--module-path", strings.Join(modules, ":"),
			"-R", filepath.Join(r.Dir, "tmp/persist"), "-p", filepath.Join(r.Dir, "tmp/pid"), "-c", filepath.Join(r.Dir, "tmp/control")}
	},
	func(root string) []string {
		return []string{libraryPath(root, libraries, "lib/x86_64-linux-gnu", syslogNGModules)}
	}}

func libraryPath(root string, dirs ...string) string {
	for i, d := range dirs {
		dirs[i] = filepath.Join(root, d)
	}
	return "LD_LIBRARY_PATH=" + strings.Join(dirs, ":")
}

// starter returns the start of the program with the configurations of that name.
func (d debian) starter(name string) func(ctx context.Context, j job) (*server, error) {
	return func(ctx context.Context, j job) (*server, error) {
		root, _, err := d.install(ctx)
		if err != nil {
			return nil, err
		}
		s, conf, err := newServer(j, name, false)
		if err != nil {
			return nil, err
		}
		return s.launch(ctx, daemon{name: name, text: conf, env: d.env(root),
			argv: func(file string, r *service.Run) []string { return d.argv(root, file, r) }})
	}
}

func (d debian) version(ctx context.Context) string {
	_, versions, err := d.install(ctx)
	if err != nil {
		return d.pkg
	}
	return "Debian's " + d.pkg + " " + versions[d.pkg]
}

var installLine = regexp.MustCompile(`(?m)^Inst (\S+) (?:\[\S+\] )?\((\S+) `)

// install downloads and unpacks the package and what it needs, unless that was done before for the same versions, and
// returns where they are.
func (d debian) install(ctx context.Context) (root string, versions map[string]string, err error) {
	plan, err := exec.CommandContext(ctx, "apt-get", "--simulate", "--no-install-recommends", "--reinstall", "install", d.pkg).Output()
	if err != nil {
		return "", nil, fmt.Errorf("asking apt-get what %s needs (apt-get update may be due): %w", d.pkg, err)
	}
	versions = map[string]string{}
	var wanted []string
	for _, m := range installLine.FindAllStringSubmatch(string(plan), -1) {
		versions[m[1]] = m[2]
		wanted = append(wanted, m[1]+"="+m[2])
	}
	cache, err := service.CacheDir()
	if err != nil {
		return "", nil, err
	}
	stamp := sha256.Sum256([]byte(strings.Join(wanted, "\n")))
	root = filepath.Join(cache, "debian", d.pkg+"-"+hex.EncodeToString(stamp[:6]))
	if _, err := os.Stat(root); err == nil {
		return root, versions, nil
	}
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return "", nil, err
	}
	work, err := os.MkdirTemp(filepath.Dir(root), ".installing-")
	if err != nil {
		return "", nil, err
	}
	defer os.RemoveAll(work)
	say("downloading %s", strings.Join(wanted, " "))
	get := exec.CommandContext(ctx, "apt-get", append([]string{"download"}, wanted...)...)
	get.Dir = work
	if out, err := get.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("downloading %s: %w\n%s", d.pkg, err, out)
	}
	archives, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil {
		return "", nil, err
	}
	for _, a := range archives {
		if out, err := exec.CommandContext(ctx, "dpkg-deb", "--extract", a, filepath.Join(work, "root")).CombinedOutput(); err != nil {
			return "", nil, fmt.Errorf("unpacking %s: %w\n%s", filepath.Base(a), err, out)
		}
	}
	return root, versions, os.Rename(filepath.Join(work, "root"), root)
}
