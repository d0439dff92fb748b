package taildir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"goflume/internal/vfs"
)

// position is one entry of Flume's position file. A fourth key would stop Flume's source.
type position struct {
	Inode uint64 `json:"inode"`
	Pos   int64  `json:"pos"`
	File  string `json:"file"`
}

// positionLimit is how many bytes of a position file are read.
const positionLimit = 1 << 30

// readPositions returns the entries of a position file and the hash of its content. One that is missing or empty has none.
func readPositions(fsys vfs.FS, name string) ([]position, uint64, error) {
	text, err := vfs.ReadFile(fsys, name, positionLimit)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(bytes.TrimSpace(text)) == 0 {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	var all []position
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, 0, fmt.Errorf("position file %s: %w", name, err)
	}
	return all, hash(text), nil
}

// gson escapes what Flume's JSON library escapes and Go's does not.
var gson = strings.NewReplacer("=", `\u003d`, "'", `\u0027`)

// writePositions replaces the position file in one step and returns the hash of its content.
func writePositions(fsys vfs.FS, name string, all []position) (uint64, error) {
	if all == nil {
		all = []position{}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return 0, err
	}
	text = []byte(gson.Replace(string(text)))
	f, err := vfs.Replace(fsys, name, text)
	if err != nil {
		return 0, err
	}
	return hash(text), f.Close()
}
