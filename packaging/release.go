package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// release is what is being made.
type release struct {
	root, out string
	work      string // for what is on its way; gone at the end

	version string    // of git: v1.2.0, v1.2.0-3-g0123abc, 0123abc-dirty
	commit  string    // empty outside a checkout
	time    time.Time // of the commit, or SOURCE_DATE_EPOCH: every time in what is made
}

// newRelease reads from git, and from VERSION, COMMIT and SOURCE_DATE_EPOCH where they are set, what is to be released.
func newRelease(root, out string) (*release, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	if out, err = filepath.Abs(out); err != nil {
		return nil, err
	}
	if within, err := filepath.Rel(out, root); err != nil || !strings.HasPrefix(within, "..") {
		return nil, fmt.Errorf("%s holds the sources; it would be emptied", out)
	}
	r := &release{root: root, out: out, work: out + ".work"}
	for _, v := range []struct {
		to       *string
		variable string
		command  []string
	}{
		{&r.version, "VERSION", []string{"describe", "--tags", "--always", "--dirty"}},
		{&r.commit, "COMMIT", []string{"rev-parse", "HEAD"}},
	} {
		if *v.to = os.Getenv(v.variable); *v.to != "" {
			continue
		}
		if *v.to, err = r.git(v.command...); err != nil {
			return nil, fmt.Errorf("%w (outside a checkout set VERSION, COMMIT and SOURCE_DATE_EPOCH)", err)
		}
	}
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		if epoch, err = r.git("log", "-1", "--format=%ct"); err != nil {
			return nil, err
		}
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("SOURCE_DATE_EPOCH %q: no number of seconds", epoch)
	}
	r.time = time.Unix(seconds, 0).UTC()
	return r, nil
}

func (r *release) git(args ...string) (string, error) {
	out, err := exec.Command("git", append([]string{"-C", r.root}, args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

var (
	tagged   = regexp.MustCompile(`^v?([0-9][0-9A-Za-z.]*)(-[0-9A-Za-z.]*[A-Za-z][0-9A-Za-z.]*)??(?:-([0-9]+)-g([0-9a-f]+))?(-dirty)?$`)
	untagged = regexp.MustCompile(`^[0-9a-f]{7,40}(-dirty)?$`)
)

// packageVersion is the version as package managers compare it: what stands behind ~ is older than what stands before it,
// what stands behind + is newer.
//
//	v1.2.0 1.2.0 · v1.2.0-rc.1 1.2.0~rc.1 · v1.2.0-3-g0123abc 1.2.0+3.g0123abc · 0123abc 0.0.0~20261120090000.0123abc
func (r *release) packageVersion() string {
	clean := strings.TrimSuffix(r.version, "-dirty")
	dirty := ""
	if clean != r.version {
		dirty = "+dirty"
	}
	if untagged.MatchString(clean) {
		return "0.0.0~" + r.time.Format("20060102150405") + "." + clean + dirty
	}
	m := tagged.FindStringSubmatch(clean)
	if m == nil {
		return "0.0.0~" + r.time.Format("20060102150405") + dirty
	}
	v := m[1]
	if m[2] != "" {
		v += "~" + strings.TrimPrefix(m[2], "-")
	}
	if m[3] != "" {
		v += "+" + m[3] + ".g" + m[4]
	}
	return v + dirty
}

// fileVersion is the version in the names of files.
func (r *release) fileVersion() string { return strings.TrimPrefix(r.version, "v") }

// binary is where the program for the architecture lies, while the release is made.
func (r *release) binary(arch string) string { return filepath.Join(r.work, arch, "goflume") }

// build makes the static binary.
func (r *release) build(arch string) error {
	return r.goBuild(r.binary(arch), "GOOS=linux", "GOARCH="+arch)
}

func (r *release) goBuild(to string, env ...string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X main.version="+r.version+" -X main.commit="+r.commit, "-o", to, "./cmd/agent")
	cmd.Dir = r.root
	// What this machine has set for its own CPU or its own flags is not for others.
	cmd.Env = append(os.Environ(), append([]string{"CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOWORK=off"}, env...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", to, err, bytes.TrimSpace(out))
	}
	return os.Chmod(to, 0o755)
}

// texts has the program print its manual page and completions.
func (r *release) texts() error {
	host := r.binary(runtime.GOARCH)
	if _, err := os.Stat(host); err != nil || runtime.GOOS != "linux" {
		host = filepath.Join(r.work, "host", "goflume") // the name is in the texts
		if err := r.goBuild(host); err != nil {
			return err
		}
	}
	for name, args := range map[string][]string{
		"goflume.1": {"man"}, "goflume.bash": {"completion", "bash"}, "goflume.zsh": {"completion", "zsh"}, "goflume.fish": {"completion", "fish"},
	} {
		out, err := exec.Command(host, args...).Output()
		if err != nil {
			return fmt.Errorf("goflume %s: %w", strings.Join(args, " "), err)
		}
		if err := os.WriteFile(filepath.Join(r.work, name), out, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) copyFile(from, to string, mode fs.FileMode) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, mode)
}

// checksums writes SHA256SUMS over everything below out, as sha256sum does.
func (r *release) checksums() error {
	var lines []string
	err := filepath.WalkDir(r.out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		sum, err := hashFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(r.out, path)
		lines = append(lines, fmt.Sprintf("%x  %s\n", sum, filepath.ToSlash(name)))
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(strings.Join(lines, "")), 0o644)
}

func hashFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}
