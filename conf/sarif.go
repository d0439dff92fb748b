package conf

import (
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
)

// The parts of a log in the Static Analysis Results Interchange Format (OASIS SARIF 2.1.0) that say what an issue is.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string    `json:"id"`
		Short sarifText `json:"shortDescription"`
		Help  sarifText `json:"help"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		Rule      string          `json:"ruleId"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		Line      int `json:"startLine"`
		Column    int `json:"startColumn"`
		EndColumn int `json:"endColumn"`
	}
)

// WriteSARIF writes the issues as a SARIF log, which code scanners take. version is the program's.
func WriteSARIF(w io.Writer, version string, issues []Issue) error {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "goflume", Version: version, Rules: []sarifRule{}}},
		ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	known := map[string]bool{}
	for _, is := range issues {
		if !known[is.Code] {
			known[is.Code] = true
			c := Lookup(is.Code)
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{is.Code, sarifText{c.Title}, sarifText{strings.TrimSpace(c.Text)}})
		}
		text := is.Message
		if len(is.Help) > 0 {
			text += "\nhelp: " + strings.Join(is.Help, " ")
		}
		r := sarifResult{Rule: is.Code, Level: [...]string{"error", "warning", "note"}[is.Severity], Message: sarifText{text}}
		if is.At.File != nil && is.At.Line > 0 {
			at := sarifPhysical{sarifArtifact{filepath.ToSlash(is.At.File.Name)}, sarifRegion{is.At.Line, is.At.Column, is.At.EndColumn}}
			r.Locations = []sarifLocation{{at}}
		}
		run.Results = append(run.Results, r)
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}
