//go:build unix

package spooldir

import (
	"io/fs"
	"syscall"
)

// inode is the file's number in its file system, 0 where it is not known.
func inode(fi fs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Ino)
	}
	return 0
}
