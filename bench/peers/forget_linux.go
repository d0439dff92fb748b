package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// forget gives the first bytes of a file back to the system, whose size stays: the next round finds as much memory and disk
// as this one did, and no program writes for another one's pages to be flushed.
func forget(name string, bytes int64) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, bytes)
}

// flush writes to the disk what waits to be written.
func flush() { unix.Sync() }
