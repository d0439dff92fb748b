package taildir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// position is one entry of Flume's position file. A fourth key would stop Flume's source.
type position struct {
	Inode uint64 `json:"inode"`
	Pos   int64  `json:"pos"`
	File  string `json:"file"`
}

// readPositions returns the entries of a position file. One that is missing or empty has none.
func readPositions(name string) ([]position, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []position
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("position file %s: %w", name, err)
	}
	return all, nil
}

// gson escapes what Flume's JSON library escapes and Go's does not.
var gson = strings.NewReplacer("=", `\u003d`, "'", `\u0027`)

// writePositions replaces the position file in one step.
func writePositions(name string, all []position) error {
	if all == nil {
		all = []position{}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return replace(name, []byte(gson.Replace(string(text))))
}

// replace puts a file with that content in the place of name: written, synced, renamed.
func replace(name string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
