package service

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeMaven puts a script named mvn, and nothing else than what it needs, first in PATH.
func fakeMaven(t *testing.T, script string) {
	t.Helper()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "mvn"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("GOFLUME_CACHE", t.TempDir())
}

const copyJars = `for a; do case $a in -DoutputDirectory=*) lib=${a#-DoutputDirectory=};; esac; done
echo run >> "$GOFLUME_CACHE/runs"
mkdir -p "$lib" && touch "$lib/b.jar" "$lib/a.jar"`

func TestInstallRunsMavenOnce(t *testing.T) {
	fakeMaven(t, copyJars)
	for range 2 {
		if err := Set("hadoop").Install(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if runs, _ := os.ReadFile(filepath.Join(os.Getenv("GOFLUME_CACHE"), "runs")); string(runs) != "run\n" {
		t.Errorf("maven ran %q, want once", runs)
	}
	jars, err := Set("hadoop").Jars()
	if err != nil || len(jars) != 2 || filepath.Base(jars[0]) != "a.jar" {
		t.Errorf("jars %v, %v; want a.jar and b.jar", jars, err)
	}
}

func TestFailedInstallLeavesNothingAndSaysWhy(t *testing.T) {
	fakeMaven(t, "echo '[ERROR] no such artifact'; exit 1")
	err := Set("hadoop").Install(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no such artifact") {
		t.Errorf("got %v, want Maven's words", err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.Getenv("GOFLUME_CACHE"), "sets", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCheckNamesWhatIsMissing(t *testing.T) {
	t.Setenv("GOFLUME_CACHE", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	if err := Check("hadoop"); err == nil || !strings.Contains(err.Error(), "no java in PATH") {
		t.Errorf("got %v, want a word about java", err)
	}
}
