package probe

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"goflume/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func want(t *testing.T, found string, err error, text string) {
	t.Helper()
	if err != nil || !strings.Contains(found, text) {
		t.Errorf("found %q, error %v, want %q", found, err, text)
	}
}

func refused(t *testing.T, found string, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("found %q, error %v, want an error with %q", found, err, text)
	}
}

func TestAPortIsFreeOrTaken(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		found, err := Listen(t.Context(), network, "127.0.0.1:0")
		want(t, found, err, "is free")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	found, err := Listen(t.Context(), "tcp", l.Addr().String())
	refused(t, found, err, "address already in use")
}

func TestDirectoriesAreLookedAtAndNotMade(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := Written(dir)
	want(t, found, err, dir+" can be written to")
	found, err = Written(filepath.Join(dir, "new", "below"))
	want(t, found, err, "below can be made")
	for _, path := range []string{file, filepath.Join(file, "below")} {
		found, err = Written(path)
		refused(t, found, err, "directory")
		found, err = Read(path)
		refused(t, found, err, "directory")
	}
	found, err = Read(dir)
	want(t, found, err, "can be read")
	found, err = Read(filepath.Join(dir, "missing"))
	refused(t, found, err, "no such file")
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("%v in the directory, want the file alone", names)
	}
}

func TestALockIsSeenAndNotTaken(t *testing.T) {
	name := filepath.Join(t.TempDir(), "in_use.lock")
	if err := Unlocked(name); err != nil {
		t.Error(err)
	}
	l, err := vfs.OS{}.Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := Unlocked(name); err == nil || !strings.Contains(err.Error(), "another agent") {
		t.Errorf("error %v, want one of a lock", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Unlocked(name); err != nil {
		t.Error(err)
	}
}

func TestOneServerThatAnswersIsEnough(t *testing.T) {
	away := errors.New("connection refused")
	ask := func(_ context.Context, addr string) (string, error) {
		if addr == "b" {
			return "version 3", nil
		}
		return "", away
	}
	found, err := Servers(t.Context(), []string{"a", "b"}, ask)
	want(t, found, err, "b answers: version 3; a does not: connection refused")
	found, err = Servers(t.Context(), []string{"a", "c"}, ask)
	refused(t, found, err, away.Error())
}

func TestTheFirstErrorEndsAll(t *testing.T) {
	yes := func() (string, error) { return "yes", nil }
	found, err := All(yes, yes)
	want(t, found, err, "yes; yes")
	found, err = All(yes, func() (string, error) { return "", errors.New("no") }, func() (string, error) { panic("asked on") })
	refused(t, found, err, "no")
}
