package service

import (
	"bufio"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

//go:embed pom/*.xml
var poms embed.FS

// A Set is the jars one kind of server runs from: a Maven project that has nothing but pinned dependencies.
// Its name is the file's in pom/.
type Set string

// mavenPlugin copies a project's dependencies into a directory.
const mavenPlugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

// CacheDir is where sets and kept logs live: $GOFLUME_CACHE, else goflume in the user's cache directory.
func CacheDir() (string, error) {
	if dir := os.Getenv("GOFLUME_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a cache directory (set GOFLUME_CACHE): %w", err)
	}
	return filepath.Join(dir, "goflume"), nil
}

// Sets lists every set there is.
func Sets() []Set {
	entries, err := poms.ReadDir("pom")
	if err != nil {
		panic("service: embedded poms: " + err.Error())
	}
	var sets []Set
	for _, e := range entries {
		sets = append(sets, Set(strings.TrimSuffix(e.Name(), ".xml")))
	}
	return sets
}

// Check says what is missing to install and run the sets.
func Check(sets ...Set) error {
	if _, err := exec.LookPath("java"); err != nil {
		return errors.New("real servers need Java 17 or newer: no java in PATH")
	}
	for _, s := range sets {
		if s.installed() {
			continue
		}
		if _, err := exec.LookPath("mvn"); err != nil {
			return fmt.Errorf("installing %s needs Maven: no mvn in PATH", s)
		}
	}
	return nil
}

// Install fetches the set's jars into the cache unless they are there. The directory carries the hash of the
// pom, so a changed pom is a new directory, and it appears only when complete.
func (s Set) Install(ctx context.Context) error {
	if s.installed() {
		return nil
	}
	pom, dir, err := s.locate()
	if err != nil {
		return err
	}
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	unlock, err := lockFile(filepath.Join(cache, "install.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if s.installed() {
		return nil
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), ".installing-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	file := filepath.Join(work, "pom.xml")
	if err := os.WriteFile(file, pom, 0o644); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "mvn", "-B", "-f", file,
		"-Dmaven.repo.local="+filepath.Join(cache, "m2"), "-Dmaven.artifact.threads=8", mavenPlugin,
		"-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(work, "lib"))
	if err := runMaven(cmd, s); err != nil {
		return err
	}
	if err := unpackAll(s, filepath.Join(work, "lib"), filepath.Join(work, "dist")); err != nil {
		return err
	}
	return os.Rename(work, dir)
}

// runMaven runs mvn and turns its download lines into a progress line now and then.
func runMaven(cmd *exec.Cmd, s Set) error {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	begin := time.Now()
	say("%s: installing by Maven, once", s)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run mvn: %w", err)
	}
	var tail []string
	files, said := 0, begin
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.Contains(line, "Downloaded"):
			files++
		case strings.Contains(line, "Downloading"):
		default:
			tail = append(tail[max(0, len(tail)-30):], line)
		}
		if time.Since(said) > 5*time.Second {
			said = time.Now()
			say("%s: %d files fetched after %.0f s", s, files, time.Since(begin).Seconds())
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("install %s by mvn: %w\n%s", s, err, strings.Join(tail, "\n"))
	}
	say("%s: installed after %.0f s", s, time.Since(begin).Seconds())
	return nil
}

// Jars returns the set's jars in name order, as a class path list.
func (s Set) Jars() ([]string, error) {
	_, dir, err := s.locate()
	if err != nil {
		return nil, err
	}
	jars, err := filepath.Glob(filepath.Join(dir, "lib", "*.jar"))
	if err != nil {
		return nil, err
	}
	if len(jars) == 0 {
		return nil, fmt.Errorf("set %s in %s has no jars: remove the directory to install it again", s, dir)
	}
	slices.Sort(jars)
	return jars, nil
}

// unpacked returns the one directory of the set's archives that matches pattern.
func (s Set) unpacked(pattern string) (string, error) {
	_, dir, err := s.locate()
	if err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(dir, "dist", pattern))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("set %s in %s: %d directories match %s, want one", s, dir, len(found), pattern)
	}
	return found[0], nil
}

// locate returns the set's pom and where it is or will be installed.
func (s Set) locate() (pom []byte, dir string, err error) {
	if pom, err = poms.ReadFile("pom/" + string(s) + ".xml"); err != nil {
		return nil, "", fmt.Errorf("set %s: no such pom", s)
	}
	cache, err := CacheDir()
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(pom)
	return pom, filepath.Join(cache, "sets", string(s)+"-"+hex.EncodeToString(sum[:6])), nil
}

func (s Set) installed() bool {
	_, dir, err := s.locate()
	if err != nil {
		return false
	}
	_, err = os.Stat(filepath.Join(dir, "lib"))
	return err == nil
}

// lockFile waits for an exclusive lock on name that ends with the process at the latest.
func lockFile(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return func() { f.Close() }, nil
}
