package conf

import "testing"

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		codes []string
		want  int
	}{
		{nil, 0},
		{[]string{codeNoFile}, 66},
		{[]string{codeProbe, codeProbe}, 69},
		{[]string{codeProbe, codeNumber}, 78},
		{[]string{codeDenied}, 77},
		{[]string{codeWhichAgent}, 64},
		{[]string{codeLookup}, 78},
		{[]string{codeDenied, codeLookup}, 78},
		{[]string{codeLookup, codeNoFile}, 66},
	} {
		var issues []Issue
		for _, code := range c.codes {
			issues = append(issues, Issue{Severity: Error, Code: code}, Issue{Severity: Warning, Code: codeLookup})
		}
		if got := ExitCode(issues); got != c.want {
			t.Errorf("%v: %d, want %d", c.codes, got, c.want)
		}
	}
}
