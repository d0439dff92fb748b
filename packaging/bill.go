package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// bill is what a binary is made of, as the binary itself tells.
type bill struct {
	sum       []byte // SHA-256 of the binary
	goVersion string
	settings  map[string]string // of the build
	modules   []module
}

// module is one of those linked into a binary.
type module struct {
	path, version string
	sum           string   // as in go.sum: h1:base64 of a SHA-256
	licences      []string // of SPDX's list, as far as their texts are known
	texts         []string // of licences and notices
}

// bill reads what the binary is made of, and the licences from the modules' sources.
func (r *release) bill(binary, arch string) (*bill, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	b := &bill{goVersion: info.GoVersion, settings: map[string]string{"GOARCH": arch}}
	if b.sum, err = hashFile(binary); err != nil {
		return nil, err
	}
	for _, s := range info.Settings {
		if !strings.HasPrefix(s.Key, "-") { // flags hold the version again
			b.settings[s.Key] = s.Value
		}
	}
	sources, err := r.sources()
	if err != nil {
		return nil, err
	}
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		m := module{path: d.Path, version: d.Version, sum: d.Sum}
		if err := m.readLicences(sources[d.Path]); err != nil {
			return nil, fmt.Errorf("licence of %s %s: %w", d.Path, d.Version, err)
		}
		b.modules = append(b.modules, m)
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	std := module{path: "std", version: strings.TrimPrefix(info.GoVersion, "go")}
	if err := std.readLicences(strings.TrimSpace(string(goroot))); err != nil {
		return nil, fmt.Errorf("licence of Go: %w", err)
	}
	b.modules = append(b.modules, std)
	slices.SortFunc(b.modules, func(x, y module) int { return strings.Compare(x.path, y.path) })
	return b, nil
}

// sources are the folders of the modules' sources.
func (r *release) sources() (map[string]string, error) {
	cmd := exec.Command("go", "list", "-m", "-json", "all")
	cmd.Dir = r.root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m all: %w", err)
	}
	dirs := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var m struct{ Path, Dir string }
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return dirs, nil
		} else if err != nil {
			return nil, err
		}
		dirs[m.Path] = m.Dir
	}
}

// readLicences reads the texts of licences and notices in the module's folder.
func (m *module) readLicences(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		isLicence := strings.HasPrefix(name, "LICEN") || strings.HasPrefix(name, "COPYING")
		if e.IsDir() || !isLicence && !strings.HasPrefix(name, "NOTICE") && name != "PATENTS" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		m.texts = append(m.texts, string(text))
		for _, id := range licencesOf(string(text)) {
			if isLicence && !slices.Contains(m.licences, id) {
				m.licences = append(m.licences, id)
			}
		}
	}
	if len(m.texts) == 0 {
		return errors.New("there is no text of it: it may not be given on")
	}
	return nil
}

// phrases tell licences by what only their texts have: all of with, none of without.
var phrases = []struct {
	id            string
	with, without []string
}{
	{"Apache-2.0", []string{"Apache License", "Version 2.0"}, nil},
	{"MPL-2.0", []string{"Mozilla Public License", "2.0"}, nil},
	{"MIT", []string{"Permission is hereby granted, free of charge"}, nil},
	{"ISC", []string{"Permission to use, copy, modify, and", "distribute this software for any purpose"}, nil}, // and/or in some
	{"BSD-3-Clause", []string{"Redistribution and use in source and binary forms", "endorse or promote"}, nil},
	{"BSD-2-Clause", []string{"Redistribution and use in source and binary forms"}, []string{"endorse or promote"}},
}

// licencesOf returns the licences that the text is of.
func licencesOf(text string) []string {
	text = strings.Join(strings.Fields(text), " ")
	var ids []string
	for _, p := range phrases {
		is := !slices.ContainsFunc(p.without, func(s string) bool { return strings.Contains(text, s) })
		for _, s := range p.with {
			is = is && strings.Contains(text, s)
		}
		if is {
			ids = append(ids, p.id)
		}
	}
	return ids
}

// thirdParty writes the licences that have to go along with the binary.
func (r *release) thirdParty(b *bill) error {
	var text strings.Builder
	text.WriteString("goflume is linked with the Go modules below, each under the licence that follows its name.\n")
	for _, m := range b.modules {
		fmt.Fprintf(&text, "\n%s\n%s %s\n%s\n", strings.Repeat("=", 80), m.path, m.version, strings.Repeat("=", 80))
		for _, t := range m.texts {
			text.WriteString("\n" + strings.TrimRight(t, "\n") + "\n")
		}
	}
	return os.WriteFile(filepath.Join(r.work, "THIRD-PARTY.txt"), []byte(text.String()), 0o644)
}

// hexSum is the checksum in hexadecimal, as bills of materials have it; empty where there is none.
func (m module) hexSum() string {
	sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.sum, "h1:"))
	if err != nil {
		return ""
	}
	return hex.EncodeToString(sum)
}
