package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"goflume/conf"
)

// backup keeps a copy of the configuration that runs in a folder, as Flume's --backup-directory does, and gives it back
// where the configuration cannot be had at a start. The copy is the text of all files, one behind the other: values such
// as ${env:X} are in it as they are written, and so are secrets in clear text. Only this user may read it.
type backup struct {
	dir string // empty: none is kept
}

// path is where the copy of an agent's configuration is: Flume's name for it.
func (b backup) path(agent string) string { return filepath.Join(b.dir, "."+agent+".properties") }

// write keeps the inputs as the last that ran.
func (b backup) write(agent string, inputs []conf.Input) error {
	if b.dir == "" || strings.ContainsRune(agent, filepath.Separator) {
		return nil
	}
	var text bytes.Buffer
	for _, in := range inputs {
		fmt.Fprintf(&text, "# from %s\n", strings.Map(printable, in.Name))
		data := bytes.TrimPrefix(in.Data, []byte("\ufeff"))
		if utf8.Valid(data) {
			text.Write(data)
		} else {
			for _, c := range data {
				text.WriteRune(rune(c))
			}
		}
		text.WriteString("\n\n")
	}
	if old, err := os.ReadFile(b.path(agent)); err == nil && bytes.Equal(old, text.Bytes()) {
		return nil
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(b.dir, ".next-*") // for this user alone
	if err != nil {
		return err
	}
	_, err = f.Write(text.Bytes())
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), b.path(agent))
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f || r == utf8.RuneError {
		return '?'
	}
	return r
}

// find returns the copy for the agent, or the only one there is where no agent is named.
func (b backup) find(agent string) (path string, ok bool) {
	if b.dir == "" {
		return "", false
	}
	if agent != "" {
		_, err := os.Stat(b.path(agent))
		return b.path(agent), err == nil
	}
	found, _ := filepath.Glob(filepath.Join(b.dir, ".*.properties")) // the pattern is right
	if len(found) != 1 {
		return "", false
	}
	return found[0], true
}
