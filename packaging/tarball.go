package main

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// tarball writes goflume-VERSION-linux-ARCH.tar.gz: unpack it anywhere and run bin/goflume.
func (r *release) tarball(arch, binary string) error {
	files, err := r.unpacked(binary)
	if err != nil {
		return err
	}
	name := "goflume-" + r.fileVersion() + "-linux-" + arch
	return writeTar(filepath.Join(r.out, name+".tar.gz"), r.time, func(w *tarWriter) error {
		for _, f := range files {
			f.to = path.Join(name, f.to)
			if err := w.add(f, 0, 0); err != nil {
				return err
			}
		}
		return nil
	})
}

// tarWriter writes entries of one time, with their parents before them.
type tarWriter struct {
	*tar.Writer
	time    time.Time
	parents map[string]bool
}

// writeTar writes a compressed archive.
func writeTar(name string, at time.Time, fill func(*tarWriter) error) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	defer out.Close()
	zip, err := gzip.NewWriterLevel(out, gzip.BestCompression) // its header has neither name nor time
	if err != nil {
		return err
	}
	w := &tarWriter{tar.NewWriter(zip), at, map[string]bool{".": true, "/": true}}
	if err := fill(w); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	return out.Close()
}

// add writes the file, owned by the numbers.
func (w *tarWriter) add(f file, uid, gid int) error {
	to := strings.TrimPrefix(f.to, "/")
	if err := w.parent(path.Dir(to)); err != nil {
		return err
	}
	h := &tar.Header{Name: to, Mode: int64(f.mode), Uid: uid, Gid: gid, ModTime: w.time, Format: tar.FormatPAX}
	switch f.kind {
	case dir:
		w.parents[to] = true
		h.Typeflag, h.Name = tar.TypeDir, to+"/"
		return w.WriteHeader(h)
	case symlink:
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, f.from, 0o777
		return w.WriteHeader(h)
	}
	in, err := os.Open(f.from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(w, in)
	return err
}

// parent writes the folders that lead to name.
func (w *tarWriter) parent(name string) error {
	if w.parents[name] {
		return nil
	}
	return w.folder(name, 0o755)
}

func (w *tarWriter) folder(name string, mode fs.FileMode) error {
	return w.add(file{to: name, kind: dir, mode: mode}, 0, 0)
}
