package memfs

import (
	"io"
	"io/fs"
	"slices"
	"syscall"
)

type file struct {
	fs       *FS
	in       *inode
	name     string
	readOnly bool
}

// ReadAt implements vfs.File.
func (h *file) ReadAt(p []byte, off int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.fs.down {
		return 0, ErrDown
	}
	if off >= int64(len(h.in.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.in.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements vfs.File.
func (h *file) WriteAt(p []byte, off int64) (int, error) {
	if err := h.WritevAt([][]byte{p}, off); err != nil {
		return 0, err
	}
	return len(p), nil
}

// WritevAt implements vfs.File. Where the disk is too small, what fits is written.
func (h *file) WritevAt(bufs [][]byte, off int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.fs.down {
		return ErrDown
	}
	if h.readOnly {
		return &fs.PathError{Op: "write", Path: h.name, Err: syscall.EBADF}
	}
	data := slices.Concat(bufs...)
	var err error
	if grow := off + int64(len(data)) - int64(len(h.in.data)); grow > 0 && h.fs.Size > 0 {
		if free := max(0, h.fs.Size-h.fs.usedLocked()); grow > free {
			data = data[:max(0, int64(len(data))-(grow-free))]
			err = &fs.PathError{Op: "write", Path: h.name, Err: syscall.ENOSPC}
		}
	}
	if len(data) > 0 {
		h.in.data = put(h.in.data, off, data)
		h.in.dirty = append(h.in.dirty, write{off, data})
	}
	return err
}

// put returns img with data at off, grown as needed.
func put(img []byte, off int64, data []byte) []byte {
	if end := off + int64(len(data)); end > int64(len(img)) {
		img = slices.Grow(img, int(end)-len(img))
		old := len(img)
		img = img[:end]
		clear(img[old:])
	}
	copy(img[off:], data)
	return img
}

// resize returns img cut or filled with zeros to size.
func resize(img []byte, size int64) []byte {
	if size <= int64(len(img)) {
		return img[:size]
	}
	return put(img, size-1, []byte{0})
}

// Size implements vfs.File.
func (h *file) Size() (int64, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.fs.down {
		return 0, ErrDown
	}
	return int64(len(h.in.data)), nil
}

// Truncate implements vfs.File.
func (h *file) Truncate(size int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.fs.down {
		return ErrDown
	}
	h.in.data = resize(h.in.data, size)
	h.in.dirty = append(h.in.dirty, write{off: size})
	return nil
}

// Datasync implements vfs.File.
func (h *file) Datasync() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.fs.down {
		return ErrDown
	}
	if h.fs.FailDatasync != nil && h.fs.FailDatasync(h.name) {
		h.in.dirty = nil
		if h.fs.Revert {
			h.in.data = slices.Clone(h.in.safe)
		}
		return &fs.PathError{Op: "fdatasync", Path: h.name, Err: syscall.EIO}
	}
	for _, w := range h.in.dirty {
		h.in.safe = w.apply(h.in.safe)
	}
	h.in.dirty = nil
	return nil
}

func (w write) apply(img []byte) []byte {
	if w.data == nil {
		return resize(img, w.off)
	}
	return put(img, w.off, w.data)
}

// Close implements vfs.File.
func (h *file) Close() error { return nil }
