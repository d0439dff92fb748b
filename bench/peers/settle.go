package main

import (
	"io"
	"os"
	"time"
)

// breather is how long the machine has before a round to end what the one before has begun.
const breather = 300 * time.Millisecond

// settle has every program find the machine alike, whoever came before it: nothing waits to be written to the disk, and what
// the round will write goes into memory that was just given back. A virtual machine may have to get other memory from its
// host, a page at a time.
func (s *server) settle(j job, lines int) error {
	if !j.null {
		if err := warm(s.work, 2*int64(lines)*lineBytes); err != nil { // what comes in, or is queued, is as much again
			return err
		}
	}
	flush()
	time.Sleep(breather)
	return nil
}

// warm writes a file of so many bytes and removes it.
func warm(dir string, bytes int64) error {
	f, err := os.CreateTemp(dir, "warm")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	_, err = io.CopyN(f, zeros{}, bytes)
	return err
}

// zeros is an endless reader.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
