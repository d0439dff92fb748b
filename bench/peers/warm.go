package main

import (
	"io"
	"os"
)

// warm writes a file of so many bytes and removes it, so that every program writes into memory that was just given back,
// whoever came before it: a virtual machine may have to get other memory from its host, a page at a time.
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
