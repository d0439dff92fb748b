package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // the packagers
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

// packages writes a deb and an rpm.
func (r *release) packages(arch, binary string) error {
	all, err := r.installed(binary)
	if err != nil {
		return err
	}
	for _, format := range []string{"deb", "rpm"} {
		if err := r.pack(format, arch, all); err != nil {
			return fmt.Errorf("%s for %s: %w", format, arch, err)
		}
	}
	return nil
}

func (r *release) pack(format, arch string, all []file) error {
	var contents files.Contents
	for _, f := range all {
		if f.onlyIn != "" && f.onlyIn != format {
			continue
		}
		if f.compression {
			var err error
			if f.from, err = r.compressed(f.from); err != nil {
				return err
			}
		}
		contents = append(contents, r.content(f))
	}
	script := func(name string) string { return filepath.Join(r.root, "packaging", "files", name) }
	info := &nfpm.Info{
		Name: "goflume", Arch: arch, Platform: "linux",
		Version: r.packageVersion(), VersionSchema: "none", Release: "1",
		Section: "net", Priority: "optional", Maintainer: "goflume authors <goflume@localhost>", Vendor: "goflume", License: "Apache-2.0",
		Description: "Runs Apache Flume's configuration files\n" +
			"Takes events from sources, keeps them in channels and delivers them to HDFS,\nKafka, Elasticsearch or files, without Java and without Hadoop.",
		MTime: r.time,
		Overridables: nfpm.Overridables{
			Contents: contents,
			Scripts: nfpm.Scripts{
				PreInstall: script("preinst.sh"), PostInstall: script("postinst.sh"), PreRemove: script("prerm.sh"), PostRemove: script("postrm.sh"),
			},
			Deb: nfpm.Deb{Compression: "gzip"},
			RPM: nfpm.RPM{Compression: "gzip:9", BuildHost: "localhost", Summary: "Runs Apache Flume's configuration files"},
		},
	}
	info = nfpm.WithDefaults(info)
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(r.out, packager.ConventionalFileName(info)))
	if err != nil {
		return err
	}
	defer out.Close()
	if err := packager.Package(info, out); err != nil {
		return err
	}
	return out.Close()
}

// content is the file as nfpm has it.
func (r *release) content(f file) *files.Content {
	name := func(s string) string {
		if s == "" {
			return "root"
		}
		return s
	}
	c := &files.Content{Source: f.from, Destination: f.to,
		FileInfo: &files.ContentFileInfo{Owner: name(f.owner), Group: name(f.group), Mode: f.mode, MTime: r.time}}
	switch f.kind {
	case config:
		c.Type = files.TypeConfigNoReplace
	case dir:
		c.Type = files.TypeDir
	case symlink:
		c.Type, c.FileInfo.Mode = files.TypeSymlink, 0o777
	}
	return c
}

// compressed returns a compressed copy of the file.
func (r *release) compressed(name string) (string, error) {
	in, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer in.Close()
	out, err := os.Create(name + ".gz")
	if err != nil {
		return "", err
	}
	defer out.Close()
	zip, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := io.Copy(zip, in); err != nil {
		return "", err
	}
	if err := zip.Close(); err != nil {
		return "", err
	}
	return name + ".gz", out.Close()
}
