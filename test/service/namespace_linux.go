package service

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inOwnNetwork is set in the child that Namespaced starts.
const inOwnNetwork = "GOFLUME_NAMESPACED"

// Namespaced runs the calling test, which is no subtest, again in a child that is root in user, mount and network name
// spaces of its own, where it may mount disks and cut cables without anybody's leave. In the child it returns true; in the
// parent it returns false once the child has ended, and has failed the test if the child has. Where the system gives no
// such name spaces the test is skipped, or fails if real servers are required.
func Namespaced(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inOwnNetwork) != "" {
		return true
	}
	require(t, nil)
	for _, tool := range []string{"ip", "mount", "nsenter", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			unable(t, err)
		}
	}
	pattern := "^" + t.Name() + "$"
	if _, sub, ok := strings.Cut(flag.Lookup("test.run").Value.String(), "/"); ok {
		pattern += "/" + sub
	}
	args := []string{"-test.run=" + pattern, "-test.v"}
	if at, ok := t.Deadline(); ok {
		args = append(args, "-test.timeout="+time.Until(at.Add(-5*time.Second)).String())
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), inOwnNetwork+"=1")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.SysProcAttr = ownGroup()
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET
	cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	if err := onLauncher(cmd.Start); err != nil {
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
			unable(t, err)
		}
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("in its own name spaces: %v", err)
	}
	return false
}

// unable ends a test that this machine cannot run.
func unable(t *testing.T, err error) {
	t.Helper()
	Lacks(t, fmt.Errorf("user, mount and network name spaces: %w", err))
}
