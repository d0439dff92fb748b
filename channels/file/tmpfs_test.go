//go:build long && linux

package file

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"goflume/event"
	"goflume/internal/vfs"
)

// TestRealFullDisk fills a file system of 64 MiB and drains it, one event a transaction. Needs root.
func TestRealFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Skip("needs the right to mount: ", err)
	}
	t.Cleanup(func() { check(t, syscall.Unmount(dir, 0)) })
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
	if n < 300_000 {
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
	for i := range 50_000 {
		tx := take(t, c, 1)
		if tx == nil || number0(&tx.Events()[0]) != i {
			t.Fatalf("event %d does not come", i)
		}
		check(t, tx.Commit())
	}
	wantRun(t, drain(t, c), 50_000, n-50_000)
	check(t, os.Remove(dir+"/rest"))
	c.mu.Lock()
	c.dirs[0].space = spaceReport{} // a second has passed
	c.mu.Unlock()
	mustPut(t, c, numbered(0, 10))
	mustClose(t, c)
}
