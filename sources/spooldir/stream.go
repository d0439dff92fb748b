package spooldir

import (
	"bytes"
	"compress/bzip2"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"goflume/internal/vfs"
)

// maxWindow is the most memory in bytes that a zstd file may make its reader need.
const maxWindow = 128 << 20

// stream is the content of a file, of a compressed one what it holds.
type stream struct {
	io.Reader
	raw  *rawFile
	zip  bool
	shut func()
}

// rawFile reads a file from an offset on.
type rawFile struct {
	vfs.File
	at     int64
	failed error // what the disk said
}

func (r *rawFile) Read(p []byte) (int, error) {
	n, err := r.ReadAt(p, r.at)
	r.at += int64(n)
	switch {
	case err == nil:
	case err != io.EOF:
		r.failed = err
	case n > 0:
		err = nil
	}
	return n, err
}

// openStream opens the file at its start. After an error there may be a stream nevertheless.
func openStream(d disk, name string, decompress bool) (*stream, error) {
	f, err := d.OpenRead(name)
	if err != nil {
		return nil, err
	}
	s := &stream{raw: &rawFile{File: f}}
	s.Reader = s.raw
	if decompress {
		if err := s.decompress(strings.ToLower(path.Ext(name))); err != nil {
			return s, fmt.Errorf("decompress: %w", err)
		}
	}
	return s, nil
}

func (s *stream) decompress(suffix string) error {
	switch suffix {
	case ".gz":
		z, err := gzip.NewReader(s.raw)
		if err != nil {
			return err
		}
		s.Reader = z
	case ".zst":
		z, err := zstd.NewReader(s.raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return err
		}
		s.Reader, s.shut = z, z.Close
	case ".bz2":
		s.Reader = bzip2.NewReader(s.raw)
	default:
		return nil
	}
	s.zip = true
	return nil
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF && s.zip {
		err = fmt.Errorf("decompress: %w", err)
	}
	return n, err
}

// skip goes on n bytes further. It is an error where a compressed file has not as many.
func (s *stream) skip(n int64) error {
	if !s.zip {
		s.raw.at += n
		return nil
	}
	if _, err := io.CopyN(io.Discard, s, n); err == io.EOF {
		return fmt.Errorf("it holds less than the %d bytes that were delivered of it", n)
	} else if err != nil {
		return err
	}
	return nil
}

// unread makes p, which was read last, what is read next.
func (s *stream) unread(p []byte) {
	if !s.zip {
		s.raw.at -= int64(len(p))
		return
	}
	s.Reader = io.MultiReader(bytes.NewReader(p), s.Reader)
}

func (s *stream) close() {
	if s.shut != nil {
		s.shut()
	}
	s.raw.Close()
}
