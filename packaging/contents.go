package main

import (
	"io/fs"
	"path"
	"path/filepath"
	"strings"
)

// kind says how a package manager treats a file.
type kind int

const (
	plain   kind = iota
	config       // kept when it was changed
	dir          // from is empty
	symlink      // from is where it leads
)

// file is one of those that an installed system has.
type file struct {
	from, to    string
	kind        kind
	mode        fs.FileMode
	owner       string // root where empty, and likewise
	group       string
	onlyIn      string // deb or rpm; empty: both
	compression bool   // gzip it first
}

const docDir = "/usr/share/doc/goflume"

// installed lists what the packages put where.
func (r *release) installed(binary string) ([]file, error) {
	in := func(name string) string { return filepath.Join(r.root, "packaging", "files", name) }
	made := func(name string) string { return filepath.Join(r.work, name) }
	all := []file{
		{from: binary, to: "/usr/bin/goflume", mode: 0o755},
		// flume-ng may be Flume's own: whoever wants ours has this folder in PATH.
		{from: "../../../bin/goflume", to: "/usr/lib/goflume/bin/flume-ng", kind: symlink},
		{from: in("goflume@.service"), to: "/usr/lib/systemd/system/goflume@.service", mode: 0o644},
		{from: in("goflume.sysusers"), to: "/usr/lib/sysusers.d/goflume.conf", mode: 0o644},
		{to: "/etc/goflume", kind: dir, mode: 0o750, group: "goflume"},
		{from: in("goflume.env"), to: "/etc/goflume/goflume.env", kind: config, mode: 0o640, group: "goflume"},
		{to: "/var/lib/goflume", kind: dir, mode: 0o750, owner: "goflume", group: "goflume"},
		{from: made("goflume.1"), to: "/usr/share/man/man1/goflume.1.gz", mode: 0o644, compression: true},
		{from: made("goflume.bash"), to: "/usr/share/bash-completion/completions/goflume", mode: 0o644},
		{from: made("goflume.zsh"), to: "/usr/share/zsh/vendor-completions/_goflume", mode: 0o644, onlyIn: "deb"},
		{from: made("goflume.zsh"), to: "/usr/share/zsh/site-functions/_goflume", mode: 0o644, onlyIn: "rpm"},
		{from: made("goflume.fish"), to: "/usr/share/fish/vendor_completions.d/goflume.fish", mode: 0o644},
		{from: filepath.Join(r.root, "LICENSE"), to: docDir + "/copyright", mode: 0o644, onlyIn: "deb"},
		{from: filepath.Join(r.root, "LICENSE"), to: "/usr/share/licenses/goflume/LICENSE", mode: 0o644, onlyIn: "rpm"},
	}
	docs, err := r.docs()
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		d.to = path.Join(docDir, d.to)
		all = append(all, d)
	}
	return all, nil
}

// unpacked lists what the tarball has below its one folder.
func (r *release) unpacked(binary string) ([]file, error) {
	made := func(name string) string { return filepath.Join(r.work, name) }
	in := func(name string) string { return filepath.Join(r.root, "packaging", "files", name) }
	all := []file{
		{from: binary, to: "bin/goflume", mode: 0o755},
		{from: "goflume", to: "bin/flume-ng", kind: symlink},
		{from: made("goflume.1"), to: "share/man/man1/goflume.1", mode: 0o644},
		{from: made("goflume.bash"), to: "share/bash-completion/completions/goflume", mode: 0o644},
		{from: made("goflume.zsh"), to: "share/zsh/site-functions/_goflume", mode: 0o644},
		{from: made("goflume.fish"), to: "share/fish/vendor_completions.d/goflume.fish", mode: 0o644},
		{from: in("goflume@.service"), to: "systemd/goflume@.service", mode: 0o644},
		{from: in("goflume.sysusers"), to: "systemd/goflume.sysusers", mode: 0o644},
		{from: in("goflume.env"), to: "systemd/goflume.env", mode: 0o644},
	}
	docs, err := r.docs()
	return append(all, docs...), err
}

// docs lists the texts and examples, which lie to each other as in the source tree, so that their links hold.
func (r *release) docs() ([]file, error) {
	all := []file{{from: filepath.Join(r.work, "THIRD-PARTY.txt"), to: "THIRD-PARTY.txt", mode: 0o644}}
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md", "docs", "examples"} {
		err := filepath.WalkDir(filepath.Join(r.root, name), func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(p, ".go") {
				return err
			}
			to, err := filepath.Rel(r.root, p)
			all = append(all, file{from: p, to: filepath.ToSlash(to), mode: 0o644})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}
