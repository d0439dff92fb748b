package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestManualPageHasEverything(t *testing.T) {
	page := manPage("goflume")
	plainPage := strings.NewReplacer(`\-`, "-", `\e`, `\`, `\&`, "").Replace(page)
	for _, v := range verbs {
		if v.does != "" && !strings.Contains(plainPage, "\\fB"+v.name) {
			t.Errorf("the manual page has no command %s", v.name)
		}
	}
	(&options{}).flagsOf("run").VisitAll(func(f *pflag.Flag) {
		if !strings.Contains(plainPage, "--"+f.Name) {
			t.Errorf("the manual page has no option --%s", f.Name)
		}
	})
	for _, s := range exitStatus {
		if !strings.Contains(plainPage, fmt.Sprintf("\\fB%d %s", s.code, s.name)) {
			t.Errorf("the manual page has no exit status %d", s.code)
		}
	}
}

func TestManualPageIsSoundRoff(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("no groff here: the page is not checked")
	}
	cmd := exec.Command(groff, "-man", "-Tascii", "-ww", "-rLL=100n")
	cmd.Stdin = strings.NewReader(manPage("goflume"))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil || errs.Len() > 0 {
		t.Errorf("groff: %v\n%s", err, errs.String())
	}
	if !strings.Contains(out.String(), "needs neither Java") {
		t.Errorf("groff printed %d bytes, not the page", out.Len())
	}
}

func TestRoffIsEscaped(t *testing.T) {
	if got, want := escaped(".so /etc/passwd\n'br a-b\\n"), `\&.so /etc/passwd`+"\n"+`\&'br a\-b\en`; got != want {
		t.Errorf("escaped: %q, want %q", got, want)
	}
}
