package main

import (
	"slices"
	"testing"
	"time"
)

func TestPackageVersionsSort(t *testing.T) {
	at := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	for version, want := range map[string]string{
		"v1.2.0":                  "1.2.0",
		"1.2.0":                   "1.2.0",
		"v1.2.0-rc.1":             "1.2.0~rc.1",
		"v1.2.0-3-g0123abc":       "1.2.0+3.g0123abc",
		"v1.2.0-rc.1-3-g0123abc":  "1.2.0~rc.1+3.g0123abc",
		"v1.2.0-3-g0123abc-dirty": "1.2.0+3.g0123abc+dirty",
		"0123abc":                 "0.0.0~20261120090000.0123abc",
		"0123abc-dirty":           "0.0.0~20261120090000.0123abc+dirty",
		"nightly":                 "0.0.0~20261120090000",
	} {
		r := &release{version: version, time: at}
		if got := r.packageVersion(); got != want {
			t.Errorf("%s becomes %s, want %s", version, got, want)
		}
	}
}

func TestLicencesAreKnownByTheirTexts(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"Apache License\n   Version 2.0, January 2004", []string{"Apache-2.0"}},
		{"Permission is hereby granted, free of\ncharge, to any person", []string{"MIT"}},
		{"Permission to use, copy, modify, and/or distribute this software for any purpose", []string{"ISC"}},
		{"Permission to use, copy, modify, and distribute this software for any purpose", []string{"ISC"}},
		{"Redistribution and use in source and binary forms, with", []string{"BSD-2-Clause"}},
		{"Redistribution and use in source and binary forms ... used to endorse or promote products", []string{"BSD-3-Clause"}},
		{"Mozilla Public License, version 2.0", []string{"MPL-2.0"}},
		{"All rights reserved.", nil},
	} {
		if got := licencesOf(c.text); !slices.Equal(got, c.want) {
			t.Errorf("%q is %v, want %v", c.text, got, c.want)
		}
	}
}

func TestTheSourcesAreNotEmptied(t *testing.T) {
	for _, out := range []string{"..", "../..", "/"} {
		if _, err := newRelease("..", out); err == nil {
			t.Errorf("a release into %s, which holds the sources", out)
		}
	}
}
