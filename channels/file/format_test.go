package file

import (
	"encoding/binary"
	"flag"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	"goflume/internal/vfs"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestFormatOfVersion1 reads files written by the first version: whoever changes the format has to keep reading them.
func TestFormatOfVersion1(t *testing.T) {
	if *update {
		dir := t.TempDir()
		c := onDisk(dir, 1000, 100)
		c.set.MaxFileSize = 1 << 16
		check(t, c.Open(t.Context()))
		mustPut(t, c, numbered(0, 10))
		mustPut(t, c, numbered(10, 10))
		check(t, take(t, c, 13).Commit())
		check(t, os.CopyFS("testdata/v1", os.DirFS(dir)))
		mustClose(t, c)
	}
	dir := t.TempDir()
	check(t, os.CopyFS(dir, os.DirFS("testdata/v1")))
	c := onDisk(dir, 1000, 100)
	check(t, c.Open(t.Context()))
	wantRun(t, drain(t, c), 13, 7)
	mustClose(t, c)
}

func TestNewerFormatIsNotTakenForDamage(t *testing.T) {
	disk, name, _ := filled(t, 1)
	disk.Edit(name, func(b []byte) {
		for _, at := range []int{0, segCopy} {
			b[at+8] = 2
			binary.LittleEndian.PutUint32(b[at+segCRC:], crc32.Checksum(b[at:at+segCRC], castagnoli))
		}
	})
	c := newChannel(testEnv(), small(), disk)
	if err := c.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "format version 2, this program knows 1") {
		t.Errorf("Open: %v", err)
	}
	if _, err := vfs.ReadFile(disk, name, 1<<20); err != nil {
		t.Errorf("the file is gone: %v", err)
	}
}
