//go:build long && linux

package vfs_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"goflume/internal/vfs"
)

// holder locks a file as Apache Flume locks a directory, says so, and waits for the end of its input.
const holder = `
import java.io.*;
import java.nio.channels.*;
class Holder {
	public static void main(String[] a) throws Exception {
		RandomAccessFile f = new RandomAccessFile(a[0], "rws");
		FileLock l = f.getChannel().tryLock();
		System.out.println(l == null ? "refused" : "locked");
		System.in.read();
	}
}
`

func java(t *testing.T, lock string) (says string, end func()) {
	t.Helper()
	java, err := exec.LookPath("java")
	if err != nil {
		t.Skip("needs java")
	}
	src := filepath.Join(t.TempDir(), "Holder.java")
	check(t, os.WriteFile(src, []byte(holder), 0o600))
	cmd := exec.CommandContext(t.Context(), java, src, lock)
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	cmd.Stderr = os.Stderr
	check(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	check(t, err)
	return line[:len(line)-1], func() {
		in.Close()
		_ = cmd.Wait()
	}
}

func TestLockAndAJVMExcludeEachOther(t *testing.T) {
	name := filepath.Join(t.TempDir(), "in_use.lock")
	says, end := java(t, name)
	if _, err := (vfs.OS{}).Lock(name); says != "locked" || !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("the JVM says %s, Lock %v, want ErrLocked", says, err)
	}
	end()
	l, err := (vfs.OS{}).Lock(name)
	check(t, err)
	says, end = java(t, name)
	if says != "refused" {
		t.Errorf("the JVM says %s while we hold the lock", says)
	}
	end()
	check(t, l.Close())
}
