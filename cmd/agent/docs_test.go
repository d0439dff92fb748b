package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"goflume/internal/docgen"
)

func TestCommentsAreFresh(t *testing.T) {
	want, err := docgen.ReadComments(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	var have docgen.Comments
	if err := json.Unmarshal(commentsJSON, &have); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("comments.json is not fresh (run make docs): -source +embedded\n%s", diff)
	}
}

func TestPagesAreFresh(t *testing.T) {
	dir := t.TempDir()
	if err := writeDocs(dir); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) == 0 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	for _, f := range files {
		want, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		have, err := os.ReadFile(filepath.Join("../../docs/components", f.Name()))
		if err != nil || string(have) != string(want) {
			t.Errorf("docs/components/%s is not fresh (run make docs): %v", f.Name(), err)
		}
	}
}

func TestPageOfMetricsIsFreshAndDescribesEach(t *testing.T) {
	all, err := docgen.ReadMetrics(os.DirFS("../.."))
	if err != nil || len(all) < 60 {
		t.Fatalf("%d metrics, %v", len(all), err)
	}
	for _, m := range all {
		if m.Help == "" {
			t.Errorf("%s is not described", m.Name)
		}
	}
	var want strings.Builder
	if err := docgen.WriteMetrics(&want, all); err != nil {
		t.Fatal(err)
	}
	if have, err := os.ReadFile("../../docs/metrics.md"); err != nil || string(have) != want.String() {
		t.Errorf("docs/metrics.md is not fresh (run make docs): %v", err)
	}
}

func TestEveryTypeAndSettingIsDescribed(t *testing.T) {
	for _, f := range families() {
		for _, ty := range f.Types {
			for _, s := range ty.Fields {
				if s.About == "" {
					t.Errorf("%s %s: %s has no comment (%s.%s)", ty.Kind, ty.Name, s.Key, s.Struct, s.Name)
				}
			}
			keys := map[string]bool{}
			for _, s := range ty.Fields {
				if keys[s.Key] {
					t.Errorf("%s %s: %s is declared twice", ty.Kind, ty.Name, s.Key)
				}
				keys[s.Key] = true
			}
		}
	}
}
