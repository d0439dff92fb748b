package file

import (
	"path/filepath"
	"testing"
	"time"

	"goflume/channels"
	"goflume/internal/flowtest"
	"goflume/internal/vfs"
)

func onDisk(dir string, capacity, maxTx int) *Channel {
	s := defaults()
	s.CheckpointDir, s.DataDirs = filepath.Join(dir, "checkpoint"), []string{filepath.Join(dir, "data")}
	s.Capacity, s.TransactionCapacity, s.MinimumRequiredSpace = capacity, maxTx, 0
	s.MaxFileSize, s.KeepAlive = 1<<20, 100*time.Millisecond
	return newChannel(testEnv(), s, vfs.OS{})
}

func TestConformance(t *testing.T) {
	flowtest.Channel(t, func(t *testing.T, capacity, maxTx int) channels.Channel {
		c := onDisk(t.TempDir(), capacity, maxTx)
		check(t, c.Open(t.Context()))
		return c
	})
}

func TestConformanceDurable(t *testing.T) {
	flowtest.DurableChannel(t, func(t *testing.T, dir string, capacity, maxTx int) channels.Channel {
		c := onDisk(dir, capacity, maxTx)
		check(t, c.Open(t.Context()))
		return c
	})
}
