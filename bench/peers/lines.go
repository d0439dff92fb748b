package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A line is "line NNNNNNNNNN xxx...", with its newline lineBytes long. The numbers go on from round to round.
const (
	lineBytes = 212
	numberAt  = len("line ")
	digits    = 10
	perBlock  = 1000
)

// writeLines writes n lines, the first with the number from.
func writeLines(w io.Writer, from, n int) error {
	one := []byte("line " + strings.Repeat("0", digits) + " ")
	one = append(one, bytes.Repeat([]byte("x"), lineBytes-1-len(one))...)
	block := bytes.Repeat(append(one, '\n'), perBlock)
	for n > 0 {
		k := min(n, perBlock)
		for i := range k {
			at := block[i*lineBytes+numberAt:][:digits]
			for v, d := from+i, digits-1; d >= 0; v, d = v/10, d-1 {
				at[d] = byte('0' + v%10)
			}
		}
		if _, err := w.Write(block[:k*lineBytes]); err != nil {
			return err
		}
		from, n = from+k, n-k
	}
	return nil
}

// patience bounds one round of one peer.
const patience = 2 * time.Minute

// send sends the lines over one connection and returns when the other side has answered each, if it answers, and closed.
func send(address string, from, n int, answers bool) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	got := make(chan error, 1)
	go func() {
		size, err := io.Copy(io.Discard, conn)
		if want := int64(n) * int64(len("OK\n")); err == nil && answers && size != want {
			err = fmt.Errorf("%d bytes of answers, want %d", size, want)
		}
		got <- err
	}()
	if err := writeLines(conn, from, n); err != nil {
		return err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	return <-got
}

// input is a directory whose files are followed.
type input struct {
	dir  string
	next int
}

// add makes a file of lines appear whole.
func (i *input) add(from, n int) error {
	name := filepath.Join(filepath.Dir(i.dir), "next")
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := errors.Join(writeLines(f, from, n), f.Close()); err != nil {
		return err
	}
	i.next++
	return os.Rename(name, filepath.Join(i.dir, fmt.Sprintf("%04d.log", i.next)))
}

// output is a directory in which lines appear, in files that only grow.
type output struct {
	dir     string
	checked map[string]int64 // bytes of each file that were looked at
}

// grown returns the bytes that were written since the last check.
func (o *output) grown() (n int64, err error) {
	entries, err := os.ReadDir(o.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return 0, err
		}
		n += info.Size() - o.checked[e.Name()]
	}
	return n, nil
}

// await waits until as many bytes have come since the last check.
func (o *output) await(ctx context.Context, bytes int64) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(patience)
	for {
		n, err := o.grown()
		if err != nil || n >= bytes {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d bytes are there after %v", n, bytes, patience)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// check reads what came since the last check: each of the lines is there once. Then they are forgotten.
func (o *output) check(from, n int) error {
	seen := make([]bool, n)
	found := 0
	entries, err := os.ReadDir(o.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		size, err := o.read(e.Name(), func(number int) error {
			if number < from || number >= from+n || seen[number-from] {
				return fmt.Errorf("line %d is not one that is awaited now: twice, or of another round", number)
			}
			seen[number-from] = true
			found++
			return nil
		})
		if err != nil {
			return fmt.Errorf("in %s: %w", e.Name(), err)
		}
		o.checked[e.Name()] += size
		if err := forget(filepath.Join(o.dir, e.Name()), o.checked[e.Name()]); err != nil {
			return err
		}
	}
	if found != n {
		return fmt.Errorf("%d of %d lines came out", found, n)
	}
	return nil
}

// read calls line with the number of each line that was not checked before and returns their bytes.
func (o *output) read(name string, line func(number int) error) (size int64, err error) {
	f, err := os.Open(filepath.Join(o.dir, name))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := f.Seek(o.checked[name], io.SeekStart); err != nil {
		return 0, err
	}
	r := bufio.NewReaderSize(f, 1<<20)
	for {
		text, err := r.ReadSlice('\n')
		if err == io.EOF && len(text) == 0 {
			return size, nil
		}
		if err != nil {
			return size, err
		}
		if len(text) != lineBytes || string(text[:numberAt]) != "line " {
			return size, fmt.Errorf("not a line that was sent: %.60q of %d bytes", text, len(text))
		}
		number, err := strconv.Atoi(string(text[numberAt : numberAt+digits]))
		if err != nil {
			return size, err
		}
		if err := line(number); err != nil {
			return size, err
		}
		size += int64(len(text))
	}
}
