// Package dist proves what make dist makes: that it is the same twice, installs, runs and goes again.
package dist

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"goflume/test/service"
)

// What the tests release.
const (
	version = "v1.2.3"
	commit  = "0123456789abcdef0123456789abcdef01234567"
	epoch   = "1795165445"
)

var keep struct {
	dir  string
	once sync.Once
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(keep.dir)
	os.Exit(code)
}

// lack skips the test for what is missing.
func lack(t *testing.T, what string) {
	t.Helper()
	service.Lacks(t, what)
}

// need is for tests that need the programs.
func need(t *testing.T, programs ...string) {
	t.Helper()
	if os.Getenv("GOFLUME_REAL") == "" {
		t.Skip("builds and installs packages: run make test-real, or set GOFLUME_REAL=1")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			lack(t, "no "+p+" in PATH")
		}
	}
}

// build makes the release of the sources in root.
func build(root, out, arches string) error {
	cmd := exec.Command("go", "run", ".", "-root", root, "-out", out, "-arch", arches)
	cmd.Dir = filepath.Join(root, "packaging")
	cmd.Env = append(os.Environ(), "VERSION="+version, "COMMIT="+commit, "SOURCE_DATE_EPOCH="+epoch)
	if text, err := cmd.CombinedOutput(); err != nil {
		return errors.New("make dist: " + err.Error() + "\n" + string(text))
	}
	return nil
}

// made returns the folder with a release, made once.
func made(t *testing.T) string {
	t.Helper()
	need(t, "go")
	keep.once.Do(func() {
		if keep.dir, keep.err = os.MkdirTemp("", "goflume-dist-"); keep.err != nil {
			return
		}
		root, err := filepath.Abs("../..")
		if err != nil {
			keep.err = err
			return
		}
		keep.err = build(root, filepath.Join(keep.dir, "dist"), "amd64,arm64")
	})
	if keep.err != nil {
		t.Fatal(keep.err)
	}
	return filepath.Join(keep.dir, "dist")
}

// the returns the one file of the release that matches; ARCH stands for this machine's.
func the(t *testing.T, pattern string) string {
	t.Helper()
	pattern = strings.ReplaceAll(pattern, "ARCH", runtime.GOARCH)
	if runtime.GOARCH == "amd64" {
		pattern = strings.ReplaceAll(pattern, "RPM", "x86_64")
	} else {
		pattern = strings.ReplaceAll(pattern, "RPM", "aarch64")
	}
	found, err := filepath.Glob(filepath.Join(made(t), pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%d files match %s, want one (%v)", len(found), pattern, err)
	}
	return found[0]
}

// unpack extracts an archive below dir; own sets the owners as they are in it.
func unpack(t *testing.T, archive, dir string, own bool) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	for in := tar.NewReader(zip); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, h.Name)
		switch h.Typeflag {
		case tar.TypeDir:
			err = os.Mkdir(to, 0o700)
		case tar.TypeSymlink:
			err = os.Symlink(h.Linkname, to)
		default:
			var data []byte
			if data, err = io.ReadAll(in); err == nil {
				err = os.WriteFile(to, data, 0o600)
			}
		}
		if err == nil && own {
			err = os.Lchown(to, h.Uid, h.Gid)
		}
		if err == nil && h.Typeflag != tar.TypeSymlink {
			err = os.Chmod(to, h.FileInfo().Mode())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// sums reads SHA256SUMS.
func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(text)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		all[name] = sum
	}
	return all
}

func TestRealReleaseIsTheSameElsewhere(t *testing.T) {
	first := sums(t, made(t))
	for _, want := range []string{
		"goflume-1.2.3-linux-amd64.tar.gz", "goflume-1.2.3-linux-arm64.tar.gz", "goflume-1.2.3-linux-amd64.cdx.json", "goflume-1.2.3-linux-arm64.cdx.json",
		"goflume_1.2.3-1_amd64.deb", "goflume_1.2.3-1_arm64.deb", "goflume-1.2.3-1.x86_64.rpm", "goflume-1.2.3-1.aarch64.rpm",
		"docker/Dockerfile", "docker/rootfs-amd64.tar.gz", "docker/rootfs-arm64.tar.gz",
	} {
		if first[want] == "" {
			t.Errorf("the release has no %s", want)
		}
	}
	check := exec.Command("sha256sum", "--check", "--quiet", "SHA256SUMS")
	check.Dir = made(t)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}
	// The same sources in another folder, by somebody with another umask and time zone.
	other := filepath.Join(t.TempDir(), "elsewhere", "sources")
	copyTree(t, "../..", other)
	t.Setenv("TZ", "Asia/Tokyo")
	out := filepath.Join(t.TempDir(), "dist")
	if err := build(other, out, "amd64"); err != nil {
		t.Fatal(err)
	}
	second := sums(t, out)
	if len(second) < 6 {
		t.Errorf("%d files in the second release", len(second))
	}
	for name, sum := range second {
		if first[name] != sum {
			t.Errorf("%s differs between two builds of the same sources", name)
		}
	}
}

// copyTree copies the files that git knows, or would know.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = from
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range bytes.SplitSeq(bytes.TrimRight(out, "\x00"), []byte{0}) {
		data, err := os.ReadFile(filepath.Join(from, string(name)))
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted, not yet in a commit
		}
		if err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(to, string(name))
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRealTarballRunsWhereItIsUnpacked(t *testing.T) {
	dir := t.TempDir()
	unpack(t, the(t, "goflume-*-linux-ARCH.tar.gz"), dir, false)
	home := filepath.Join(dir, "goflume-1.2.3-linux-"+runtime.GOARCH)
	for _, name := range []string{"bin/goflume", "bin/flume-ng"} {
		out, err := exec.Command(filepath.Join(home, name), "version").CombinedOutput()
		if want := "goflume v1.2.3 (runs Apache Flume 1.11 configuration)\n"; string(out) != want || err != nil {
			t.Errorf("%s version: %q (%v), want %q", name, out, err, want)
		}
	}
	for _, name := range []string{
		"LICENSE", "THIRD-PARTY.txt", "README.md", "docs/design.md", "examples/flume.conf", "share/man/man1/goflume.1",
		"share/bash-completion/completions/goflume", "systemd/goflume@.service",
	} {
		if info, err := os.Stat(filepath.Join(home, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if out, err := exec.Command("bash", "-n", filepath.Join(home, "share/bash-completion/completions/goflume")).CombinedOutput(); err != nil {
		t.Errorf("completion for bash: %v\n%s", err, out)
	}
	// A static binary has nothing to load.
	if out, err := exec.Command("ldd", filepath.Join(home, "bin/goflume")).CombinedOutput(); err == nil {
		t.Errorf("the binary is not static:\n%s", out)
	}
}

// cache is where what tests fetch stays.
func cache(t *testing.T, name string) string {
	t.Helper()
	dir, err := service.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
