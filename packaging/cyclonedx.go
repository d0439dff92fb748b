package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// The parts of a bill of materials of CycloneDX 1.6 that are written.
type (
	cdxBill struct {
		Format       string          `json:"bomFormat"`
		SpecVersion  string          `json:"specVersion"`
		Serial       string          `json:"serialNumber"`
		Version      int             `json:"version"`
		Metadata     cdxMetadata     `json:"metadata"`
		Components   []cdxComponent  `json:"components"`
		Dependencies []cdxDependency `json:"dependencies"`
	}
	cdxMetadata struct {
		Timestamp string       `json:"timestamp"`
		Component cdxComponent `json:"component"`
	}
	cdxComponent struct {
		Ref        string        `json:"bom-ref"`
		Type       string        `json:"type"`
		Name       string        `json:"name"`
		Version    string        `json:"version"`
		PURL       string        `json:"purl,omitempty"`
		Hashes     []cdxHash     `json:"hashes,omitempty"`
		Licences   []cdxLicence  `json:"licenses,omitempty"`
		Properties []cdxProperty `json:"properties,omitempty"`
	}
	cdxHash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	cdxLicence struct {
		Licence struct {
			ID string `json:"id"`
		} `json:"license"`
	}
	cdxProperty struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	cdxDependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn,omitempty"`
	}
)

// writeBill writes goflume-VERSION-linux-ARCH.cdx.json. A module's hash is the one of go.sum: of the list of its files.
func (r *release) writeBill(b *bill, arch string) error {
	name := "goflume-" + r.fileVersion() + "-linux-" + arch
	doc := cdxBill{Format: "CycloneDX", SpecVersion: "1.6", Serial: serial(b.sum), Version: 1}
	doc.Metadata.Timestamp = r.time.Format(time.RFC3339)
	doc.Metadata.Component = cdxComponent{
		Ref: "pkg:generic/goflume@" + r.version + "?arch=" + arch, Type: "application", Name: "goflume", Version: r.version,
		Hashes: []cdxHash{{"SHA-256", hex.EncodeToString(b.sum)}}, Licences: licences([]string{"Apache-2.0"}),
		Properties: []cdxProperty{{"goflume:commit", r.commit}, {"goflume:go", b.goVersion}},
	}
	for _, key := range slices.Sorted(maps.Keys(b.settings)) {
		doc.Metadata.Component.Properties = append(doc.Metadata.Component.Properties, cdxProperty{"goflume:build:" + key, b.settings[key]})
	}
	uses := cdxDependency{Ref: doc.Metadata.Component.Ref}
	for _, m := range b.modules {
		purl := "pkg:golang/" + m.path + "@" + m.version
		c := cdxComponent{Ref: purl, Type: "library", Name: m.path, Version: m.version, PURL: purl, Licences: licences(m.licences)}
		if sum := m.hexSum(); sum != "" {
			c.Hashes = []cdxHash{{"SHA-256", sum}}
		}
		doc.Components = append(doc.Components, c)
		uses.DependsOn = append(uses.DependsOn, c.Ref)
		doc.Dependencies = append(doc.Dependencies, cdxDependency{Ref: c.Ref})
	}
	doc.Dependencies = append([]cdxDependency{uses}, doc.Dependencies...)
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, name+".cdx.json"), append(text, '\n'), 0o644)
}

func licences(ids []string) []cdxLicence {
	var all []cdxLicence
	for _, id := range ids {
		var l cdxLicence
		l.Licence.ID = id
		all = append(all, l)
	}
	return all
}

// serial is the bill's number, a UUID made of what it is about (RFC 9562, version 8).
func serial(sum []byte) string {
	h := sha256.Sum256(append([]byte("goflume bill of materials "), sum...))
	u := h[:16]
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
