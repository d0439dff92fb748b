//go:build long && linux

package file

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"goflume/event"
	"goflume/internal/vfs"
)

// TestRealFullDisk fills file systems of 64 MiB and drains them, one event a transaction. Needs root.
func TestRealFullDisk(t *testing.T) {
	t.Run("tmpfs", func(t *testing.T) {
		dir := t.TempDir()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
			t.Skip("needs the right to mount: ", err)
		}
		t.Cleanup(func() { check(t, syscall.Unmount(dir, 0)) })
		fillAndDrain(t, dir, 50_000)
	})
	t.Run("ext4", func(t *testing.T) {
		dir, img := t.TempDir(), filepath.Join(t.TempDir(), "disk")
		check(t, os.WriteFile(img, nil, 0o600))
		check(t, os.Truncate(img, 64<<20))
		if out, err := exec.CommandContext(t.Context(), "mkfs.ext4", "-q", "-m", "0", img).CombinedOutput(); err != nil {
			t.Skip("needs mkfs.ext4: ", err, string(out))
		}
		if out, err := exec.CommandContext(t.Context(), "mount", "-o", "loop", img, dir).CombinedOutput(); err != nil {
			t.Skip("needs the right to mount: ", err, string(out))
		}
		t.Cleanup(func() { check(t, exec.Command("umount", dir).Run()) })
		fillAndDrain(t, dir, 1000) // its syncs are real ones
	})
}

// fillAndDrain takes the first events one by one.
func fillAndDrain(t *testing.T, dir string, single int) {
	s := defaults()
	s.CheckpointDir, s.DataDirs = dir+"/checkpoint", []string{dir + "/data"}
	s.Capacity, s.MinimumRequiredSpace, s.CacheBytes, s.KeepAlive = 1<<30, 1<<20, 1<<20, 0
	c := newChannel(testEnv(), s, vfs.OS{})
	check(t, c.Open(t.Context()))
	n := 0
	for {
		err := c.Put(t.Context(), numbered(n, 100))
		if errors.Is(err, event.ErrFull) {
			t.Log(err)
			break
		}
		check(t, err)
		n += 100
	}
	if n < 250_000 {
		t.Errorf("only %d events on 64 MiB", n)
	}
	rest := make([]byte, 1<<20)
	f, err := os.Create(dir + "/rest")
	check(t, err)
	for err == nil {
		_, err = f.Write(rest)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	check(t, f.Close())
	mustClose(t, c)
	c = newChannel(testEnv(), s, vfs.OS{})
	check(t, c.Open(t.Context()))
	t.Cleanup(func() { c.Close() })
	for i := range single {
		tx := take(t, c, 1)
		if tx == nil || numberedAs(&tx.Events()[0]) != i {
			t.Fatalf("event %d does not come", i)
		}
		check(t, tx.Commit())
	}
	drainRest(t, c, single, n)
	check(t, os.Remove(dir+"/rest"))
	c.mu.Lock()
	c.dirs[0].space = spaceReport{} // a second has passed
	c.mu.Unlock()
	mustPut(t, c, numbered(0, 10))
	mustClose(t, c)
}

// drainRest takes the events from first on in large transactions.
func drainRest(t *testing.T, c *Channel, first, end int) {
	t.Helper()
	for tx := take(t, c, 10_000); tx != nil; tx = take(t, c, 10_000) {
		for i := range tx.Events() {
			if n := numberedAs(&tx.Events()[i]); n != first {
				t.Fatalf("event %d comes, want %d", n, first)
			}
			first++
		}
		check(t, tx.Commit())
	}
	if first != end {
		t.Fatalf("%d events came, want %d", first, end)
	}
}
