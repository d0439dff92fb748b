package service

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// unpackAll extracts the archives among a set's jars into dist and removes them. Of Hive's only the scripts are
// wanted: the rest are the jars once more.
func unpackAll(s Set, lib, dist string) error {
	wanted := func(name string) bool { return s != "hive" || strings.Contains(name, "/scripts/") }
	for pattern, unpack := range map[string]func(name, dir string, wanted func(string) bool) error{"*.zip": unzip, "*.tar.gz": untar} {
		archives, err := filepath.Glob(filepath.Join(lib, pattern))
		if err != nil {
			return err
		}
		for _, name := range archives {
			if err := unpack(name, dist, wanted); err != nil {
				return fmt.Errorf("unpack %s: %w", name, err)
			}
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func unzip(name, dir string, wanted func(string) bool) error {
	archive, err := zip.OpenReader(name)
	if err != nil {
		return err
	}
	defer archive.Close()
	for _, f := range archive.File {
		if f.FileInfo().IsDir() || !wanted(f.Name) {
			continue
		}
		in, err := f.Open()
		if err != nil {
			return err
		}
		err = extract(in, dir, f.Name, f.Mode())
		if err := errors.Join(err, in.Close()); err != nil {
			return err
		}
	}
	return nil
}

func untar(name, dir string, wanted func(string) bool) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for archive := tar.NewReader(plain); ; {
		h, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg || !wanted(h.Name) {
			continue
		}
		if err := extract(archive, dir, h.Name, h.FileInfo().Mode()); err != nil {
			return err
		}
	}
}

// extract writes one file of an archive below dir, with its mode.
func extract(in io.Reader, dir, name string, mode fs.FileMode) error {
	if !filepath.IsLocal(name) {
		return fmt.Errorf("entry %q leaves the directory", name)
	}
	to := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode.Perm()|0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
