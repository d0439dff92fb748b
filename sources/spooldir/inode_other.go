//go:build !unix

package spooldir

import "io/fs"

// inode is the file's number in its file system, 0 where it is not known.
func inode(fs.FileInfo) uint64 { return 0 }
